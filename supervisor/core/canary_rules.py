"""Whether the canary of a pool is good enough for the rest to follow: one table, and its rules. Pure.

    booting --serves--> watched --over--> proved
        '-- died        '-- died, hung, worse --> failed

A canary is the first worker of a new generation. With ``reload_watch`` it serves beside the old workers for
so long, and is compared with them: *worse* means that from ENOUGH responses on a larger part of its own has a
status of 5xx, by POINTS at least. Without that option it is proved as soon as it serves.

A proxy keeps its connections to the old workers, and would send the canary nothing. So these end their
connections with the next response each, again and again until the canary has had ENOUGH.
"""

from __future__ import annotations

from math import inf

from fapws.lean import NamedTuple

from . import actions, events, texts
from . import worker_states as workers
from .children import Child
from .turn import Reload, Share, State, Turn, Watch
from .worker_states import NOTHING, Cell

BOOTING = "booting"
WATCHED = "watched"
"""It serves. Its time is the pool's reload_watch."""
PROVED = "proved"
FAILED = "failed"

STATES = (BOOTING, WATCHED, PROVED, FAILED)

SERVES = "serves"
DIED = "died"
HUNG = "hung"
WORSE = "worse"
OVER = "over"
"""Its time is over."""

HAPPENINGS = (SERVES, DIED, HUNG, WORSE, OVER)

LOOK = "look"
"""Read the scoreboard, for the responses of both generations from now on."""
GO_BACK = "go back"
"""The reload has failed; the old workers serve on."""

TABLE: dict[str, dict[str, Cell]] = {
    BOOTING: {
        SERVES: Cell(WATCHED, LOOK),
        DIED: Cell(FAILED, GO_BACK),
        HUNG: Cell(BOOTING),
        WORSE: Cell(BOOTING),
        OVER: Cell(BOOTING),
    },
    WATCHED: {
        SERVES: Cell(WATCHED),
        DIED: Cell(FAILED, GO_BACK),
        HUNG: Cell(FAILED, GO_BACK),
        WORSE: Cell(FAILED, GO_BACK),
        OVER: Cell(PROVED),
    },
    PROVED: {
        # It still is alone of its generation, while the canary of another pool boots or is watched.
        SERVES: Cell(PROVED),
        DIED: Cell(FAILED, GO_BACK),
        HUNG: Cell(FAILED, GO_BACK),
        WORSE: Cell(PROVED),
        OVER: Cell(PROVED),
    },
    FAILED: {
        SERVES: Cell(FAILED),
        DIED: Cell(FAILED),
        HUNG: Cell(FAILED),
        WORSE: Cell(FAILED),
        OVER: Cell(FAILED),
    },
}

ENOUGH = 20
"""Responses; of fewer, one that failed by chance would be too large a part."""
POINTS = 5
"""Hundredths of all responses."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the scoreboard while a canary is watched."""


RENEW_EVERY = 1.0
"""Seconds from one time that kept connections are ended to the next, while a canary has had too little."""


class Verdict(NamedTuple):
    """A canary that is not good enough."""

    canary: Child
    reason: str


def look_interval(state: State) -> float:
    """Seconds between two looks; ``inf``: nothing needs one."""
    return LOOK_EVERY if any(watch.stage == WATCHED for watch in _watches(state)) else inf


def next_end(state: State) -> float:
    """When a canary's time is over, in monotonic seconds; ``inf``: none is watched."""
    return min((watch.until for watch in _watches(state) if watch.stage == WATCHED), default=inf)


def seen(turn: Turn, event: events.Seen) -> None:
    """From the scoreboard: what did both generations respond?"""
    reload = turn.state.reload
    for watch in _watches(turn.state):
        if reload is not None and watch.stage == WATCHED:
            _remember(turn, _fed(turn, reload, _count(turn, reload, watch, event.vitals)))


def _fed(turn: Turn, reload: Reload, watch: Watch) -> Watch:
    """Sees to it that the canary gets its part of clients that keep their connections."""
    if watch.canary.responses >= ENOUGH or turn.now < watch.renew_at:
        return watch
    for child in turn.children.of_pool(watch.pool):
        if child.generation < reload.generation and child.state == workers.SERVING:
            turn.order(actions.Renew(child.number))
    return watch._replace(renew_at=turn.now + RENEW_EVERY)


def judge(turn: Turn) -> Verdict | None:
    """What has become of every canary by now. None: nothing speaks against one."""
    reload = turn.state.reload
    assert reload is not None
    for canary in turn.children:
        if canary.generation == reload.generation and canary.active:
            reason = _follow(turn, canary)
            if reason:
                return Verdict(canary, _signed(reload, canary.pool, reason))
    return None


def died(turn: Turn, canary: Child, reason: str) -> str:
    """A canary's process has ended: why the reload has failed. ``reason``: how, if it had served."""
    reload = turn.state.reload
    assert reload is not None
    served = _watch(turn.state, canary.pool).stage in (WATCHED, PROVED)
    _happen(turn, canary.pool, DIED)
    return _signed(reload, canary.pool, reason) if served else reason


def all_proved(state: State) -> bool:
    """Whether every canary that has served is good enough."""
    return all(watch.stage == PROVED for watch in _watches(state))


def untried(reload: Reload) -> list[str]:
    """Words on each canary that was watched and could not be compared."""
    watched = {pool.name for pool in reload.config.pools if pool.reload_watch}
    return [
        _signed(reload, watch.pool, texts.not_compared(watch.canary, ENOUGH))
        for watch in reload.watches
        if watch.pool in watched and (watch.before is None or watch.canary.responses < ENOUGH)
    ]


def _signed(reload: Reload, pool: str, reason: str) -> str:
    whose = f" of pool {pool}" if len(reload.config.pools) > 1 else ""
    return f"canary{whose}: {reason}"


def _follow(turn: Turn, canary: Child) -> str:
    """Tells the table what can be seen of a canary; why it has failed, if it has."""
    if canary.state == workers.SERVING:
        _happen(turn, canary.pool, SERVES)
    watch = _watch(turn.state, canary.pool)
    if canary.state in (workers.HUNG, workers.KILLED) and canary.hung:
        return _go_back(turn, canary.pool, HUNG, canary.hung)
    if worse(watch.canary, watch.before):
        return _go_back(turn, canary.pool, WORSE, texts.worse(watch.canary, watch.before))
    if watch.until <= turn.now:
        _happen(turn, canary.pool, OVER)
    return ""


def worse(canary: Share, before: Share | None) -> bool:
    """Whether a canary has more responses of 5xx, for so many, than those before it; None: nobody counted."""
    if before is None or canary.responses < ENOUGH:
        return False
    ours = canary.errors * max(before.responses, 1) - before.errors * canary.responses
    return 100 * ours >= POINTS * canary.responses * max(before.responses, 1)


def _go_back(turn: Turn, pool: str, happening: str, reason: str) -> str:
    return reason if _happen(turn, pool, happening) == GO_BACK else ""


def _count(turn: Turn, reload: Reload, watch: Watch, vitals: tuple[events.Vital, ...]) -> Watch:
    """Of the old workers counts what they have responded meanwhile, when both met the same database; if that
    is too little, all they ever did."""
    canary = watch.canary
    old: dict[int, Share] = {}
    for vital in vitals:
        child = turn.children.get(vital.worker)
        if child is None or child.pool != watch.pool or vital.responses < 0 or not child.active:
            continue
        if child.generation == reload.generation:
            canary = Share(vital.responses, vital.errors)
        else:
            old[child.number] = Share(vital.responses, vital.errors)
    since = dict(watch.since) if watch.since is not None else old
    ever = _sum(list(old.values()))
    mark = _sum([since[number] for number in old if number in since])
    meanwhile = Share(ever.responses - mark.responses, ever.errors - mark.errors)
    before = (meanwhile if meanwhile.responses >= ENOUGH else ever) if old else None
    return watch._replace(canary=canary, before=before, since=tuple(since.items()))


def _sum(shares: list[Share]) -> Share:
    return Share(sum(share.responses for share in shares), sum(share.errors for share in shares))


def _watches(state: State) -> tuple[Watch, ...]:
    return state.reload.watches if state.reload else ()


def _watch(state: State, pool: str) -> Watch:
    return next((watch for watch in _watches(state) if watch.pool == pool), Watch(pool, BOOTING))


def _happen(turn: Turn, pool: str, happening: str) -> str:
    """The order that follows."""
    before = _watch(turn.state, pool)
    cell = TABLE[before.stage][happening]
    if cell == Cell(before.stage):
        return NOTHING
    after = before._replace(stage=cell.state)
    if cell.order == LOOK:
        after = after._replace(until=turn.now + _seconds(turn, pool))
        if after.until > turn.now:
            turn.state = turn.state._replace(look_at=turn.now)
    _remember(turn, after)
    return cell.order


def _seconds(turn: Turn, pool: str) -> float:
    reload = turn.state.reload
    assert reload is not None
    return next((p.reload_watch for p in reload.config.pools if p.name == pool), 0.0)


def _remember(turn: Turn, after: Watch) -> None:
    reload = turn.state.reload
    assert reload is not None
    others = tuple(watch for watch in reload.watches if watch.pool != after.pool)
    turn.state = turn.state._replace(reload=reload._replace(watches=(*others, after)))
