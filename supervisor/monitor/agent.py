"""HAProxy's agent-check: one line on whether, and how many, clients are to be sent here. Pure.

HAProxy connects, reads the line, and hangs up. A word holds until the agent says another one about the same
matter: only ``ready`` undoes ``drain``, only ``up`` undoes ``down``, so what is well says both each time.
"""

from __future__ import annotations

from ..core import outlook
from ..core.turn import BOOTING, NEW, State


def line(state: State) -> str:
    """``up ready 100%``, ``drain`` or ``down #why``, without the line's end.

    The percentage is that of the pool that has lost most of its workers.
    """
    if state.phase in (NEW, BOOTING):
        return f"down #{outlook.complaint(state)}"
    if state.drains or outlook.overall(state) == "stopping":
        return "drain"
    share = 100
    for pool in state.config.pools:
        count = outlook.serving(state, pool)
        if pool.name in state.asleep:
            continue
        if not count:
            return f"down #{pool.name}: 0 of {pool.workers} workers serve"
        share = min(share, max(1, 100 * count // pool.workers))
    return f"up ready {share}%"
