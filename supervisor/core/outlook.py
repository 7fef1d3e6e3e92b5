"""How the service is, in words: for fapwsctl, systemd, balancers, and people who look from outside. Pure.

Everybody who is told of it is told the same words, because they are made here and nowhere else.
"""

from __future__ import annotations

from fapws.settings.model import Pool

from . import drain_rules
from . import worker_states as states
from .turn import RUNNING, State

HEALTHY = "healthy"
TOLD = 5
"""Pools in trouble that are named in one sentence."""
_DRAINED = {drain_rules.EMPTYING: "draining", drain_rules.EMPTY: "drained"}


def overall(state: State) -> str:
    """starting, running, draining, degraded, reloading, stopping."""
    if state.phase != RUNNING:
        return "stopping" if state.announced else "starting"
    if drain_rules.leaves(state):
        return "stopping"
    if state.reload is not None:
        return "reloading"
    awake = (pool for pool in state.config.pools if pool.name not in state.asleep)
    if any(serving(state, pool) < pool.workers for pool in awake):
        return "degraded"
    return "draining" if state.drains else "running"


def serving(state: State, pool: Pool) -> int:
    """How many of its workers serve."""
    return sum(child.state == states.SERVING for child in state.children.of_pool(pool.name))


def pool_words(pool: str, count: int, workers: int, stage: str = drain_rules.READY) -> str:
    """``pool blog: 1 of 2 serving, drained``. ``stage``: of drain_rules."""
    told = f", {_DRAINED[stage]}" if stage in _DRAINED else ""
    return f"pool {pool}: {count} of {workers} serving{told}"


def words(state: State) -> tuple[str, ...]:
    """Of the whole service: its state, then each pool."""
    return (overall(state), *(_words(state, pool) for pool in state.config.pools))


def _words(state: State, pool: Pool) -> str:
    return pool_words(pool.name, serving(state, pool), pool.workers, drain_rules.stage(state, pool.name))


def complaint(state: State, only: str = "") -> str:
    """What is not well, with all pools or one of them; empty: it is healthy. A pool that sleeps is."""
    whole = overall(state)
    if whole in ("starting", "stopping"):
        return whole
    pools = [pool for pool in state.config.pools if only in ("", pool.name)]
    found = [trouble for trouble in (_trouble(state, pool, whole) for pool in pools) if trouble]
    more = len(found) - TOLD
    return "; ".join((*found[:TOLD], *([f"{more} more pools"] if more > 0 else ())))


def _trouble(state: State, pool: Pool, whole: str) -> str:
    """A pool that is drained may lack workers too, which undraining would not mend."""
    lacks = _lacks_workers(state, pool, whole)
    told = f"{serving(state, pool)} of {pool.workers} workers serve" if lacks else ""
    stage = _DRAINED.get(drain_rules.stage(state, pool.name), "")
    words = ", ".join(filter(None, (stage, told)))
    return f"pool {pool.name}: {words}" if words else ""


def _lacks_workers(state: State, pool: Pool, whole: str) -> bool:
    """While a reload is under way, pools may be smaller than they will be; but one worker must serve."""
    count = serving(state, pool)
    if pool.name in state.asleep:
        return False
    return not count or (whole == "degraded" and count < pool.workers)
