"""Samples of the last minutes, in a buffer that never grows over its bound. Pure: time is an argument."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

KEPT = 180
"""Samples; at 5 seconds each, the last 15 minutes. Around 60 KB of memory."""


class Raw(NamedTuple):
    """What is read at one moment. Counters run since boot; None: not known."""

    at: float
    """Monotonic seconds."""
    load: tuple[float, float, float] | None = None
    cpu: tuple[float, float] | None = None
    """Busy and all seconds."""
    memory: tuple[int, int] | None = None
    """Bytes in all, and available."""
    swap: tuple[int, int] | None = None
    """Bytes in all, and used."""
    network: dict[str, tuple[int, int]] | None = None
    """Bytes in and out, by interface."""


class Sample(NamedTuple):
    """What is kept of it: numbers that can be drawn."""

    at: float
    load: float | None
    cpu: float | None
    """Percent of all processors, since the sample before."""
    memory: float | None
    """Percent that is not available."""
    inward: float | None
    """Bytes a second, since the sample before."""
    outward: float | None


class History:
    """The samples, oldest first, and the last raw reading, from which rates are reckoned."""

    def __init__(self, interval: float) -> None:
        """``interval``: seconds between two samples."""
        self.interval = interval
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self.last: Raw | None = None
        self.rates: dict[str, tuple[float, float]] = {}
        """Bytes a second in and out, by interface, between the last two readings."""

    @property
    def window(self) -> float:
        """Seconds that the samples reach back, at most."""
        return self.interval * KEPT

    def due(self, now: float) -> bool:
        """Whether it is time for a sample. A tenth of earliness is a timer's right."""
        return self.last is None or now - self.last.at >= self.interval * 0.9

    def add(self, raw: Raw) -> None:
        """Reckons and keeps a sample; the first has no rates."""
        before, self.last = self.last, raw
        self.rates = _rates(before, raw)
        known = raw.network is not None and before is not None and raw.at > before.at
        self.samples.append(
            Sample(
                at=raw.at,
                load=raw.load[0] if raw.load else None,
                cpu=_busy(before, raw),
                memory=_percent(raw.memory[0] - raw.memory[1], raw.memory[0]) if raw.memory else None,
                inward=sum(rate[0] for rate in self.rates.values()) if known else None,
                outward=sum(rate[1] for rate in self.rates.values()) if known else None,
            )
        )

    def recent(self, now: float) -> list[Sample]:
        """The samples of the window; older ones stay in the buffer after a pause."""
        return [sample for sample in self.samples if now - sample.at <= self.window]


def _percent(part: float, whole: float) -> float | None:
    return max(0.0, min(100.0, 100.0 * part / whole)) if whole else None


def _busy(before: Raw | None, now: Raw) -> float | None:
    if before is None or before.cpu is None or now.cpu is None:
        return None
    whole = now.cpu[1] - before.cpu[1]
    return _percent(now.cpu[0] - before.cpu[0], whole) if whole > 0 else None


def _rates(before: Raw | None, now: Raw) -> dict[str, tuple[float, float]]:
    if before is None or before.network is None or now.network is None or now.at <= before.at:
        return {}
    seconds = now.at - before.at
    rates = {}
    for name, (inward, outward) in now.network.items():
        old = before.network.get(name, (inward, outward))
        # A counter that runs backwards belongs to an interface that was made anew.
        rates[name] = (max(0, inward - old[0]) / seconds, max(0, outward - old[1]) / seconds)
    return rates
