"""Whether a pool is to be sent clients: what it can be, what can happen to it, and what follows. Pure.

    ready --drain--> emptying --quiet--> empty --undrain--> ready
      '---------------- any --stop--> leaving

A pool that is not ready serves on: its workers say ``Connection: close`` and that they are not ready, so that
balancers look away. It is *empty* once nothing is in its hands and nothing has come for a while: a moment
between two requests is no sign that the balancer has noticed. *Leaving* is a service with a ``stop_delay``
that was told to stop: it serves on so long, then it stops.
"""

from __future__ import annotations

from math import inf

from fapws.lean import Callable

from . import actions, events, upgrade_rules
from .turn import RUNNING, Drain, State, Turn
from .worker_states import NOTHING, Cell

READY = "ready"
EMPTYING = "emptying"
EMPTY = "empty"
LEAVING = "leaving"
"""Nothing takes it back."""

STATES = (READY, EMPTYING, EMPTY, LEAVING)

DRAIN = "drain"
UNDRAIN = "undrain"
QUIET = "quiet"
"""No request in hand, and none has come for QUIET_SECONDS."""
STOP = "stop"
"""The service is to stop, after its delay."""

HAPPENINGS = (DRAIN, UNDRAIN, QUIET, STOP)

TURN_AWAY = "turn away"
"""Tell the workers that they are not ready."""
WELCOME = "welcome"
"""Tell the workers that they are ready again, and clients that wait for the drain that it was taken back."""
REPORT = "report"
"""Tell clients that wait for the drain that it is done."""

TABLE: dict[str, dict[str, Cell]] = {
    READY: {
        DRAIN: Cell(EMPTYING, TURN_AWAY),
        UNDRAIN: Cell(READY),
        QUIET: Cell(READY),
        STOP: Cell(LEAVING, TURN_AWAY),
    },
    EMPTYING: {
        DRAIN: Cell(EMPTYING),
        UNDRAIN: Cell(READY, WELCOME),
        QUIET: Cell(EMPTY, REPORT),
        STOP: Cell(LEAVING),
    },
    EMPTY: {
        # Whoever asks again wants to know about now.
        DRAIN: Cell(EMPTYING),
        UNDRAIN: Cell(READY, WELCOME),
        QUIET: Cell(EMPTY),
        STOP: Cell(LEAVING),
    },
    LEAVING: {
        DRAIN: Cell(LEAVING),
        UNDRAIN: Cell(LEAVING),
        QUIET: Cell(LEAVING),
        STOP: Cell(LEAVING),
    },
}

QUIET_SECONDS = 1.0
LOOK = 0.2
"""Seconds between two looks at the scoreboard while a pool is emptying."""

_ACTIONS: dict[str, Callable[[str], actions.Action]] = {
    TURN_AWAY: actions.TurnAway,
    WELCOME: actions.Welcome,
    REPORT: actions.Drained,
}


def stage(state: State, pool: str) -> str:
    """What a pool is."""
    found = find(state, pool)
    return found.stage if found else READY


def find(state: State, pool: str) -> Drain | None:
    """What is remembered of a pool that is not ready."""
    return next((drain for drain in state.drains if drain.pool == pool), None)


def leaves(state: State) -> bool:
    """Whether the service has been told to stop, and serves on until its delay is over."""
    return state.stop_at < inf


def on_drain(turn: Turn, event: events.DrainAsked) -> None:
    """Only while it runs."""
    _tell(turn, event.pool, DRAIN)


def on_undrain(turn: Turn, event: events.UndrainAsked) -> None:
    """Only while it runs."""
    _tell(turn, event.pool, UNDRAIN)


def seen(turn: Turn, event: events.Seen) -> None:
    """From the scoreboard: is a pool that is emptying quiet by now?"""
    for drain in turn.state.drains:
        if drain.stage != EMPTYING:
            continue
        mine = [vital for vital in event.vitals if _is_of(turn, vital.worker, drain.pool)]
        requests = sum(vital.requests for vital in mine)
        if requests != drain.requests or any(vital.in_flight or vital.busy for vital in mine):
            _remember(turn, drain._replace(requests=requests, quiet_from=turn.now))
        elif turn.now - drain.quiet_from >= QUIET_SECONDS:
            _happen(turn, drain.pool, QUIET)


def look_interval(state: State) -> float:
    """Seconds between two looks; ``inf``: nothing needs one."""
    return LOOK if any(drain.stage == EMPTYING for drain in state.drains) else inf


def leave(turn: Turn, delay: float) -> None:
    """The service goes out of sight, and stops when the delay is over."""
    turn.state = turn.state._replace(stop_at=turn.now + delay, queued=False)
    upgrade_rules.stop(turn)
    turn.order(actions.Leaving(delay))
    for pool in turn.state.config.pools:
        _happen(turn, pool.name, STOP)


def follow_configuration(turn: Turn) -> None:
    """After a reload: forgets pools that are no more; while the service leaves, a new one leaves too."""
    names = {pool.name for pool in turn.state.config.pools}
    for drain in turn.state.drains:
        if drain.pool not in names:
            _remember(turn, drain._replace(stage=READY))
            turn.order(actions.Welcome(drain.pool))
    if leaves(turn.state):
        for name in sorted(names):
            _happen(turn, name, STOP)


def _is_of(turn: Turn, worker: int, pool: str) -> bool:
    child = turn.children.get(worker)
    return child is not None and child.pool == pool


def _tell(turn: Turn, pool: str, happening: str) -> None:
    """One pool, or all if no name is given."""
    if turn.state.phase == RUNNING:
        for known in turn.state.config.pools:
            if pool in ("", known.name):
                _happen(turn, known.name, happening)


def _happen(turn: Turn, pool: str, happening: str) -> None:
    before = find(turn.state, pool) or Drain(pool, READY)
    cell = TABLE[before.stage][happening]
    after = before._replace(stage=cell.state)
    if happening == DRAIN:
        after = after._replace(quiet_from=turn.now, requests=-1)
        turn.state = turn.state._replace(look_at=min(turn.state.look_at, turn.now + LOOK))
    _remember(turn, after)
    if cell.order != NOTHING:
        turn.order(_ACTIONS[cell.order](pool))


def _remember(turn: Turn, after: Drain) -> None:
    others = tuple(drain for drain in turn.state.drains if drain.pool != after.pool)
    turn.state = turn.state._replace(drains=others if after.stage == READY else (*others, after))
