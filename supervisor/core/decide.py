"""What the master does next: ``step(state, event, now) -> (state, actions)``. Pure.

The master's own life is BOOTING -> RUNNING -> STOPPING -> ENDED, and while it runs a reload may be
on its way: CHECKING the new configuration, then a CANARY in every pool, WATCHING them, then ROLLING
the rest over; or UNDOING, when a canary failed. An upgrade in place waits for all of that (upgrade_rules.py).

Whatever the event, a step then compares what there is with what there should be and orders the
difference, until there is none: an event that is lost or comes twice cannot leave a hole.

Kept at every step: a pool has at most one process more than it has workers; no worker that serves is
retired before one of the new generation serves; every process ordered is waited for.
"""

from __future__ import annotations

from math import inf

from fapws.lean import Any, Callable, ModuleType

from . import actions, canary_rules, drain_rules, events, rolling, texts, upgrade_rules, upkeep
from . import worker_states as states
from .children import Child
from .rolling import ROLL_ATTEMPTS
from .turn import (
    BOOTING,
    CANARY,
    CHECKING,
    ENDED,
    NEW,
    ROLLING,
    RUNNING,
    STOPPING,
    UNDOING,
    WATCHING,
    Reload,
    State,
    Turn,
)

__all__ = [
    "BOOTING",
    "CANARY",
    "CHECKING",
    "ENDED",
    "FAST_GRACE",
    "NEW",
    "ROLLING",
    "ROLL_ATTEMPTS",
    "RUNNING",
    "STOPPING",
    "UNDOING",
    "WATCHING",
    "Reload",
    "State",
    "next_wakeup",
    "step",
]

INTERRUPTED = 130
"""The exit status of a start that SIGINT has ended, as a shell has it."""
ROUNDS = 8
"""At most, in one step: what one rule does may be what another one waited for. Few steps take three."""
FAST_GRACE = 1.0
"""Seconds that a fast stop leaves the workers between TERM and KILL."""


def step(state: State, event: events.Event, now: float) -> tuple[State, list[actions.Action]]:
    """The state after an event, and what to do, in this order. ``now``: monotonic seconds."""
    turn = Turn(state, now)
    _HANDLERS[type(event)](turn, event)
    for _ in range(ROUNDS):
        before = turn.state, tuple(turn.children)
        _order_the_difference(turn)
        if before == (turn.state, tuple(turn.children)):
            break
    upkeep.watch_sleepers(turn, state.asleep)
    if isinstance(event, events.Tick):
        upgrade_rules.go_on(turn)
    return turn.result()


def next_wakeup(state: State, now: float) -> float:
    """When a Tick is due at the latest, in monotonic seconds; ``inf``: never."""
    due = state.due if state.queued and state.reload is None else inf
    trial = state.upgrade.deadline if state.upgrade else inf
    watched = canary_rules.next_end(state)
    moments = (state.look_at, due, state.stop_at, watched, trial)
    later = (moment for moment in moments if moment > now and state.phase == RUNNING)
    ends = (moment for zygote in state.zygotes for moment in (zygote.deadline, zygote.keep_until))
    zygotes = (moment for moment in ends if moment > now)
    return min(state.children.next_deadline(now), *later, *zygotes, inf)


# ---- What there should be ------------------------------------------------------------------------


def _order_the_difference(turn: Turn) -> None:
    """Between what there is and what there should be, as far as it can be seen at once."""
    _tidy(turn)
    _expire(turn)
    if turn.state.zygotes:
        _zygotes().go_on(turn)
    if turn.state.phase == BOOTING and turn.start_canaries(turn.state.config, turn.state.generation):
        turn.state = turn.state._replace(phase=RUNNING)
    if turn.state.phase == RUNNING and turn.state.stop_at <= turn.now:
        _stop(turn, fast=False)
    if turn.state.phase == RUNNING:
        drain_rules.follow_configuration(turn)
        upkeep.shrink(turn)
        turn.fill()
        _announce(turn)
        upkeep.recycle(turn)
        rolling.go_on(turn)
        upkeep.report_scaling(turn)
        upkeep.look_when_due(turn)
    trial = upgrade_rules.stage(turn.state) in upgrade_rules.WITH_TRIAL
    busy = turn.children.processes() or trial or turn.state.zygotes
    if turn.state.phase == STOPPING and not busy:
        turn.state = turn.state._replace(phase=ENDED)
        turn.order(actions.Exit(turn.state.status, turn.state.reason))


def _expire(turn: Turn) -> None:
    """Deadlines that have passed."""
    for child in turn.children:
        if child.deadline > turn.now:
            if child.stack_due <= turn.now:
                turn.children.put(child._replace(stack_due=inf))
                turn.order(actions.Late(child))
            continue
        cell = states.TABLE[child.state][states.OVERDUE]
        if cell.order == states.KILL:
            turn.enter(child, cell.state, inf)
            turn.order(actions.Kill(child.number))
        elif cell.order == states.START:
            _refill(turn, child)


def _tidy(turn: Turn) -> None:
    """Forgets empty slots that are not wanted any more, or in which a newer worker is."""
    for child in turn.children:
        if child.state == states.BACKING_OFF and (not turn.wanted(child) or turn.succeeded(child)):
            turn.enter(child, states.GONE, inf)


def _announce(turn: Turn) -> None:
    """Serving, once every worker of the first start has become ready or failed."""
    if not turn.state.announced and not turn.children.any_state(*states.COMING, states.KILLED):
        turn.state = turn.state._replace(announced=True)
        turn.order(actions.Serving())


def on_boot(turn: Turn, _event: events.Boot) -> None:
    """The first start."""
    if turn.state.phase == NEW:
        turn.state = turn.state._replace(phase=BOOTING)


# ---- What happens to a worker --------------------------------------------------------------------


def on_ready(turn: Turn, event: events.WorkerReady) -> None:
    """It serves."""
    child = turn.children.get(event.worker)
    if child is not None and child.state == states.STARTING:
        ready = child._replace(active_at=turn.now, unborn=False, reason="")
        turn.enter(ready, states.TABLE[child.state][states.READY].state, inf)


def on_failed(turn: Turn, event: events.WorkerFailed) -> None:
    """The worker has said why it will exit: that is the reason given when it has."""
    child = turn.children.get(event.worker)
    if child is not None:
        turn.children.put(child._replace(reason=event.reason))


def on_exited(turn: Turn, event: events.WorkerExited) -> None:
    """Told to go, it is gone; else the first start or a reload has failed, or the slot is refilled."""
    child = turn.children.get(event.worker)
    if child is not None and child.has_process:
        _ended(turn, child, event)


def _ended(turn: Turn, child: Child, event: events.WorkerExited) -> None:
    if states.TABLE[child.state][states.EXITED].state == states.GONE:
        turn.enter(child, states.GONE, inf)
        if event.status not in (0, texts.UNKNOWN):
            turn.order(actions.DiedDraining(child, event.status))
    elif turn.state.phase == BOOTING:
        turn.enter(child, states.GONE, inf)
        reason = texts.boot_failure(child, event.status, turn.now - child.born)
        turn.state = turn.state._replace(status=1, reason=texts.start_failure(child, reason))
        _stop(turn, fast=True)
    elif rolling.is_canary(turn, child):
        _canary_died(turn, child, event)
    else:
        _crashed(turn, child, event)


def _canary_died(turn: Turn, child: Child, event: events.WorkerExited) -> None:
    """Nobody follows it: the reload goes back."""
    age = turn.now - child.born
    turn.enter(child, states.GONE, inf)
    if child.state in states.COMING or (child.state == states.KILLED and not child.hung):
        rolling.undo(turn, child.pool, texts.boot_failure(child, event.status, age))
    else:
        turn.order(actions.Died(child, event.status, age, event.requests, inf))
        how = texts.canary_death(child, event.status, age, event.requests)
        rolling.undo(turn, child.pool, canary_rules.died(turn, child, how))


def _crashed(turn: Turn, child: Child, event: events.WorkerExited) -> None:
    """Leaves the slot backing off; how long depends on how often it failed in a row."""
    healthy = child.state == states.SERVING and turn.now - child.since >= states.HEALTHY_AFTER
    failures = 1 if healthy else child.failures + 1
    relieved = any(other.replaces == child.number and other.active for other in turn.children)
    delay = 0.0 if relieved else states.backoff(failures)
    died = child._replace(failures=failures)
    if child.deadline_missed and not child.hung:
        died = died._replace(reason=texts.boot_failure(child, event.status, turn.now - child.born))
    if relieved:
        turn.enter(child, states.GONE, inf)
    else:
        turn.enter(died, states.BACKING_OFF, turn.now + delay)
    turn.order(actions.Died(died, event.status, turn.now - child.born, event.requests, delay))


def _refill(turn: Turn, child: Child) -> None:
    pool = turn.pool(child.pool)
    if pool is not None and turn.room(child.pool):
        turn.enter(child, states.GONE, inf)
        turn.start(pool, child.slot, turn.state.generation, child.failures, child.replaces)


# ---- What happens to a zygote --------------------------------------------------------------------


def _zygotes() -> ModuleType:
    """The rules about them, which without ``preload`` nobody imports."""
    from . import zygote_rules

    return zygote_rules


def _rollback() -> ModuleType:
    """Likewise about what can be gone back to."""
    from . import rollback_rules

    return rollback_rules


def on_zygote_exited(turn: Turn, event: events.ZygoteExited) -> None:
    """Those that wait for it will not come: each fails as one that could not boot."""
    for child in _zygotes().ended(turn, event):
        _ended(turn, child, events.WorkerExited(child.number, event.status))


# ---- Reload and stop -----------------------------------------------------------------------------


def on_reload_asked(turn: Turn, event: events.ReloadAsked) -> None:
    """Once more, whatever is under way; but a storm of signals has to be over first."""
    if turn.state.phase in (BOOTING, RUNNING) and not drain_rules.leaves(turn.state):
        rolling.ask(turn, event.pool, turn.state.quiet_from if event.in_storm else turn.now)


def on_prepared(turn: Turn, event: events.Prepared) -> None:
    """The new configuration is good: canaries."""
    reload = turn.state.reload
    if reload is None or reload.stage != CHECKING:
        return
    gone = _rollback().on_prepared(turn, event.config) if reload.back else ""
    if gone:
        rolling.end(turn, False, gone)
    else:
        turn.state = turn.state._replace(reload=reload._replace(stage=CANARY, config=event.config))


def on_refused(turn: Turn, event: events.Refused) -> None:
    """It is not: everything stays."""
    reload = turn.state.reload
    if reload is not None and reload.stage == CHECKING:
        rolling.end(turn, False, event.reason)


def on_stop(turn: Turn, event: events.StopAsked) -> None:
    """The end; asked a second time, the fast one."""
    delay = _stop_delay(turn.state)
    if turn.state.phase in (STOPPING, ENDED):
        _hurry(turn)
    elif drain_rules.leaves(turn.state):
        _stop(turn, fast=True)
    elif delay and not event.fast:
        drain_rules.leave(turn, delay)
    else:
        if event.interrupted and not turn.state.announced:
            turn.state = turn.state._replace(status=INTERRUPTED, reason="fapws: interrupted before it served")
        _stop(turn, event.fast)


def _stop_delay(state: State) -> float:
    """Seconds; what has not served yet, nobody has to look away from. The pool that needs longest counts."""
    return max((pool.stop_delay for pool in state.config.pools), default=0.0) if state.announced else 0.0


def on_scale(turn: Turn, event: events.ScaleAsked) -> None:
    """Only while it runs: a first start is what the configuration says."""
    if turn.state.phase == RUNNING and turn.pool(event.pool) is not None:
        upkeep.scale(turn, event)


def _stop(turn: Turn, fast: bool) -> None:
    turn.state = turn.state._replace(phase=STOPPING, queued=False, asleep=frozenset(), stop_at=inf)
    if turn.state.reload is not None:
        rolling.end(turn, False, "the server is stopping")
    upgrade_rules.stop(turn)
    turn.order(actions.CloseListeners())
    for child in turn.children:
        cell = states.TABLE[child.state][states.STOPPED]
        if cell.order == states.TERM:
            turn.order(actions.Terminate(child.number))
            turn.enter(child, cell.state, turn.now + child.drain_timeout)
        elif cell.state != child.state:
            turn.enter(child, cell.state, inf)
    if fast:
        _hurry(turn)


def _hurry(turn: Turn) -> None:
    """Kills what is still there after FAST_GRACE, or at its own deadline if that is earlier."""
    limit = turn.now + FAST_GRACE
    for child in turn.children:
        if child.deadline < inf:
            turn.children.put(child._replace(deadline=min(child.deadline, limit)))
    if turn.state.zygotes:
        _zygotes().hurry(turn, limit)


def on_tick(_turn: Turn, _event: events.Tick) -> None:
    """Nothing of its own: settling looks at the deadlines."""


# Each handler takes its own kind of event, which the type of a dict cannot say.
_HANDLERS: dict[type[events.Event], Callable[[Turn, Any], None]] = {
    events.Boot: on_boot,
    events.ZygoteReady: lambda turn, event: _zygotes().on_ready(turn, event),
    events.ZygoteFailed: lambda turn, event: _zygotes().on_failed(turn, event),
    events.ZygoteExited: on_zygote_exited,
    events.ZygotePaused: lambda turn, event: _zygotes().on_paused(turn, event),
    events.ZygoteContinued: lambda turn, event: _zygotes().on_continued(turn, event),
    events.WorkerBorn: lambda turn, event: _zygotes().on_born(turn, event),
    events.WorkerReady: on_ready,
    events.WorkerFailed: on_failed,
    events.WorkerExited: on_exited,
    events.WorkerPaused: upkeep.paused,
    events.WorkerContinued: upkeep.continued,
    events.Seen: upkeep.seen,
    events.Knocked: upkeep.knocked,
    events.ScaleAsked: on_scale,
    events.DrainAsked: drain_rules.on_drain,
    events.UndrainAsked: drain_rules.on_undrain,
    events.ReloadAsked: on_reload_asked,
    events.RollbackAsked: lambda turn, event: _rollback().on_asked(turn, event),
    events.Prepared: on_prepared,
    events.Refused: on_refused,
    events.StopAsked: on_stop,
    events.UpgradeAsked: upgrade_rules.on_asked,
    events.TrialEnded: upgrade_rules.on_trial_ended,
    events.LeapHeldBack: upgrade_rules.on_leap_held_back,
    events.LeapFailed: upgrade_rules.on_leap_failed,
    events.Tick: on_tick,
}
