"""What the page shows, as plain data.

Cheap readings are a sample, every few seconds by a timer of the worker's loop. All processes, disks and
services are looked at only when somebody asks, and at most every five seconds however many ask.
"""

from __future__ import annotations

import os
import time
from typing import Any

from console import measure
from console.history import History, Raw, Sample
from console.measure import guarded
from console.ourselves import workers
from console.processes import LOOK_EVERY, Processes, services
from console.settings import Settings
from console.verdict import verdict

FIRST_RATE = 0.2
"""Seconds after which a second sample is taken for its rates, if somebody asks so early."""


class Watcher:
    """One worker's view. Each worker has its own history."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._history = History(settings.interval)
        self._processes = Processes()
        self._timed = False
        self._looked_at = float("-inf")
        self._slow: dict[str, Any] = {}
        self._boot = guarded(measure.source.boot_time)
        self._cores = guarded(measure.source.cores)

    def on_timer(self) -> None:
        """Called once an interval; until the first call, whoever asks has samples taken."""
        self._timed = True
        self.sample()

    def sample(self) -> None:
        """Does nothing before it is time."""
        now = time.monotonic()
        early = len(self._history.samples) == 1 and now - self._history.samples[0].at >= FIRST_RATE
        if early or self._history.due(now):
            self._history.add(
                Raw(
                    now,
                    guarded(measure.load),
                    guarded(measure.source.cpu),
                    guarded(measure.source.memory),
                    guarded(measure.source.swap),
                    guarded(measure.source.network),
                )
            )

    def snapshot(self) -> dict[str, Any]:
        """Everything; the units are in the names, None is not known."""
        if not self._timed:
            self.sample()
        now, wall = time.monotonic(), time.time()
        if now - self._looked_at >= LOOK_EVERY:
            self._look(now, wall)
            self._looked_at = now
        found = {**self._machine(wall), **self._sampled(now), **self._slow}
        found["troubles"] = verdict(found)
        return found

    def _machine(self, wall: float) -> dict[str, Any]:
        system = os.uname()
        return {
            "title": self._settings.title or system.nodename,
            "system": f"{system.sysname} {system.release}",
            "time": round(wall, 1),
            "uptime_s": None if self._boot is None else round(wall - self._boot),
            "cores": self._cores,
            "missing_psutil": measure.missing_psutil,
            "interval_s": self._settings.interval,
            "window_s": self._history.window,
            "worker_pid": os.getpid(),
        }

    def _sampled(self, now: float) -> dict[str, Any]:
        raw, last = self._history.last, self._history.samples[-1]
        assert raw is not None
        return {
            "load": raw.load,
            "cpu_percent": _round(last.cpu),
            "memory": _memory(raw.memory),
            "swap": _swap(raw.swap),
            "network": {
                "in_bytes_per_s": _round(last.inward),
                "out_bytes_per_s": _round(last.outward),
                "interfaces": [
                    _interface(name, counts, self._history.rates.get(name))
                    for name, counts in sorted((raw.network or {}).items())
                ],
            },
            "history": _columns(self._history.recent(now), now),
        }

    def _look(self, now: float, wall: float) -> None:
        self._processes.look(now, wall)
        self._slow = {
            "disks": [
                {
                    "mount": mount,
                    "type": kind,
                    "total_bytes": total,
                    "used_bytes": used,
                    "free_bytes": free,
                    # As df reckons: what is reserved for root counts as neither.
                    "used_percent": round(100.0 * used / (used + free), 1) if used + free else None,
                }
                for mount, kind, total, used, free in guarded(measure.source.disks) or ()
            ],
            "temperatures": [
                {"name": name, "celsius": celsius, "high_celsius": high}
                for name, celsius, high in guarded(measure.source.temperatures) or ()
            ],
            "services": services(self._settings.services, self._processes),
            "fapws": workers(self._settings.control, self._processes),
            "processes": self._processes.describe(self._settings.top),
        }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _memory(found: tuple[int, int] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    total, available = found
    return {
        "total_bytes": total,
        "available_bytes": available,
        "used_bytes": total - available,
        "used_percent": round(100.0 * (total - available) / total, 1) if total else None,
    }


def _swap(found: tuple[int, int] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    total, used = found
    percent = round(100.0 * used / total, 1) if total else None
    return {"total_bytes": total, "used_bytes": used, "used_percent": percent}


def _interface(name: str, counts: tuple[int, int], rates: tuple[float, float] | None) -> dict[str, Any]:
    return {
        "name": name,
        "in_bytes": counts[0],
        "out_bytes": counts[1],
        "in_bytes_per_s": _round(rates[0]) if rates else None,
        "out_bytes_per_s": _round(rates[1]) if rates else None,
    }


def _columns(samples: list[Sample], now: float) -> dict[str, list[float | None]]:
    """A list for each value; ``ago_s``: how long ago each sample was taken."""
    return {
        "ago_s": [round(now - sample.at, 1) for sample in samples],
        "load": [None if s.load is None else round(s.load, 2) for s in samples],
        "cpu_percent": [_round(s.cpu) for s in samples],
        "memory_percent": [_round(s.memory) for s in samples],
        "in_bytes_per_s": [_round(s.inward) for s in samples],
        "out_bytes_per_s": [_round(s.outward) for s in samples],
    }
