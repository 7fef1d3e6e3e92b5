"""What has happened in a reload from one state to the next, a sentence a step, for who waits for it. Pure."""

from __future__ import annotations

from . import canary_rules, texts
from . import worker_states as states
from .children import Child
from .turn import CANARY, CHECKING, UNDOING, Reload, State

READING = "reading the configuration"


def waits(before: Reload, now: float) -> str:
    """A reload that was asked for begins when one that is under way has ended."""
    return f"waiting for the end of the reload before, which began {now - before.began:.0f} s ago"


def steps(before: State, after: State) -> list[str]:
    """In the order in which they happened, as far as it can be told."""
    reload = after.reload
    if reload is None or before.reload is None or before.reload.generation != reload.generation:
        return []
    return [
        *_of_stage(before.reload, reload),
        *_of_workers(before, after, reload),
        *_of_canaries(before.reload, reload),
    ]


def _of_stage(before: Reload, now: Reload) -> list[str]:
    if before.stage == now.stage:
        return []
    if now.stage == UNDOING:
        return [f"going back: {now.reason.rstrip().rpartition(chr(10))[2]}"]
    return ["the configuration is good"] if before.stage == CHECKING and now.stage == CANARY else []


def _of_workers(before: State, after: State, reload: Reload) -> list[str]:
    """The new ones first: an old one leaves because a new one serves."""
    told = []
    for child in sorted(after.children, key=lambda child: -child.generation):
        known = before.children.get(child.number)
        new = child.generation == reload.generation
        if new and known is None:
            told.append(f"worker {child.name} starts")
        elif new and child.state == states.SERVING != (known or child).state:
            told.append(f"worker {child.name} serves")
        elif child.state == states.DRAINING != (known or child).state:
            told.append(f"{_old(child, new)} finishes what it has in hand")
    gone = (child for child in before.children if after.children.get(child.number) is None)
    leavers = [child for child in gone if child.state == states.DRAINING]
    return [f"{_old(child, child.generation == reload.generation)} has left" for child in leavers] + told


def _old(child: Child, new: bool) -> str:
    return f"{'' if new else 'old '}worker {child.name}"


def _of_canaries(before: Reload, now: Reload) -> list[str]:
    stages = {watch.pool: watch.stage for watch in before.watches}
    seconds = {pool.name: pool.reload_watch for pool in now.config.pools}
    told = []
    for watch in now.watches:
        watched = seconds.get(watch.pool)
        if watch.stage == stages.get(watch.pool) or not watched:
            continue
        if watch.stage == canary_rules.WATCHED:
            told.append(f"watching the new worker of pool {watch.pool} for {watched:g} s")
        elif watch.stage == canary_rules.PROVED:
            told.append(f"pool {watch.pool}: {texts.worse(watch.canary, watch.before)}; the others follow")
    return told
