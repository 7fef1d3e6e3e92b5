"""What `fapwsctl top` shows: the status, and what each worker counts for metrics."""

from __future__ import annotations

from fapws.lean import Any

from ..core.decide import State
from ..process import tallies
from . import status

_MS = 1000


def describe(state: State, facts: status.Facts, now: float) -> dict[str, Any]:
    """The reply to ``top``. Of each worker ``busy`` (seconds with work) and ``durations`` (how many requests
    took up to each of ``bounds`` seconds, and how many longer); None where nothing is counted."""
    reply = status.describe(state, facts, now)
    counted = {view.pid: view.tally for view in facts.workers.values()}
    for worker in reply["workers"]:
        words = counted.get(worker["pid"] or 0)
        worker["busy"] = words[tallies.BUSY] / _MS if words else None
        worker["durations"] = list(words[tallies.DURATIONS : tallies.BUSY]) if words else None
    return {**reply, "bounds": list(tallies.BOUNDS)}
