"""Processes and their share of the processor, and services that are up or down."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

from console import measure
from console.settings import Service

WORKER = "fapws: worker "
"""How the title of Fapws' workers begins; behind it stand pool and number."""
LOOK_EVERY = 5.0
"""Seconds between two looks at all processes: the dearest reading, around 0.1 ms a process."""
CONNECT_SECONDS = 0.25
"""Patience with a service; loopback replies at once, and this worker serves no client meanwhile."""


class Entry(NamedTuple):
    """A process as shown."""

    pid: int
    parent: int | None
    name: str
    age: float
    cpu: float | None
    """Percent of one processor; since the last look, or over its life."""
    rss: int | None

    def row(self) -> dict[str, Any]:
        """For the page and JSON."""
        return {
            "pid": self.pid,
            "name": self.full_name(),
            "user": measure.guarded(measure.source.user, self.pid),
            "age_s": round(self.age, 1),
            "cpu_percent": None if self.cpu is None else round(self.cpu, 1),
            "rss_bytes": self.rss,
        }

    def full_name(self) -> str:
        """Linux cuts a name at 15 bytes, which is before a worker's pool."""
        if not self.name.startswith(WORKER):
            return self.name
        return (measure.guarded(measure.source.title, self.pid) or self.name).strip()


class Processes:
    """The list as it was seen last."""

    def __init__(self) -> None:
        self.entries: list[Entry] | None = None
        """None: not known here."""
        self.span: float | None = None
        """Seconds over which the shares are reckoned; None: over each process's life, as ps does."""
        self._at = 0.0
        self._used: dict[tuple[int, float], float] = {}

    def look(self, now: float, wall: float) -> None:
        """now: monotonic seconds, wall: epoch seconds."""
        found = measure.guarded(measure.source.processes)
        if found is None:
            self.entries = None
            return
        before, self._used = self._used, {}
        span = now - self._at if before else None
        self.entries = []
        for usage in found:
            age = max(0.0, wall - usage.born)
            share = None
            if usage.cpu is not None:
                key = (usage.pid, usage.born)  # a process number may be given to another
                self._used[key] = usage.cpu
                if span is not None and key in before:
                    share = 100.0 * max(0.0, usage.cpu - before[key]) / span
                elif age > 0:
                    share = 100.0 * usage.cpu / age
            self.entries.append(Entry(usage.pid, usage.parent, usage.name, age, share, usage.rss))
        self._at, self.span = now, span

    def describe(self, top: int) -> dict[str, Any] | None:
        """The heaviest, by processor and by memory."""
        if self.entries is None:
            return None
        by_cpu = sorted(self.entries, key=lambda e: (e.cpu or 0.0, e.rss or 0), reverse=True)[:top]
        by_memory = sorted(self.entries, key=lambda e: e.rss or 0, reverse=True)[:top]
        return {
            "count": len(self.entries),
            "cpu_over_s": None if self.span is None else round(self.span, 1),
            "by_cpu": [entry.row() for entry in by_cpu],
            "by_memory": [entry.row() for entry in by_memory],
        }

    def find(self, pid: int) -> Entry | None:
        """A process by its number."""
        return next((entry for entry in self.entries or () if entry.pid == pid), None)

    def children_of(self, pid: int) -> list[Entry]:
        """Those that a process has started."""
        return [entry for entry in self.entries or () if entry.parent == pid]


# ---- Services --------------------------------------------------------------------------------------


def services(wanted: tuple[Service, ...], seen: Processes) -> list[dict[str, Any]]:
    """Each with ``up``: True, False, or None where it cannot be told."""
    return [{"name": one.name, "check": _say(one.check), "up": _is_up(one.check, seen)} for one in wanted]


def _say(check: str) -> str:
    if check.isdigit():
        return f"port {check}"
    return check if _address(check) else f"process {check}"


def _address(check: str) -> tuple[int, Any] | None:
    """Family and address to connect to; None: it is a process's name."""
    if check.startswith("/"):
        return socket.AF_UNIX, check
    if check.isdigit():
        return socket.AF_INET, ("127.0.0.1", int(check))
    host, colon, port = check.rpartition(":")
    if colon and port.isdigit():
        host = host.strip("[]")
        return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(port))
    return None


def _is_up(check: str, seen: Processes) -> bool | None:
    address = _address(check)
    if address is None:
        if seen.entries is None:
            return None
        return any(entry.name == check for entry in seen.entries)
    try:
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT_SECONDS)
            probe.connect(address[1])
    except (OSError, OverflowError):
        return False
    return True
