"""What an upgrade in place can be, what can happen to it, and what follows: one table, and its rules. Pure.

    idle --asked--> waiting --quiet--> trying --passed--> tried --quiet--> leaping --> the new code
                                          |                 ^                 |
                      overdue, stopping   |                 '----held back----'
                                          v
                                      abandoned --passed/failed--> idle

An upgrade waits until nothing else is under way. Then a child tries the new code (the *trial*). If that can
take over, the master waits once more, because other things may have begun meanwhile, and *leaps*: it executes
the new code in its own place. Whatever goes wrong before that is reported, and the master goes on as it was.
"""

from __future__ import annotations

from math import inf

from fapws.lean import Callable

from . import actions, events
from . import worker_states as workers
from .turn import RUNNING, State, Turn, Upgrade
from .worker_states import NOTHING, Cell

IDLE = "idle"
"""There is no upgrade."""
WAITING = "waiting"
"""Asked for, while a reload or something else that has to end first is under way."""
TRYING = "trying"
"""The trial runs. Its deadline is TRIAL_SECONDS."""
TRIED = "tried"
"""The new code can take over; waits like WAITING."""
LEAPING = "leaping"
"""The exec is ordered: what follows is the new code, unless the exec fails or a signal comes first."""
ABANDONED = "abandoned"
"""The trial was killed and is not reaped yet."""

STATES = (IDLE, WAITING, TRYING, TRIED, LEAPING, ABANDONED)
WITH_TRIAL = (TRYING, ABANDONED)

ASKED = "asked"
QUIET = "quiet"
"""Nothing is under way that the new code would have to finish."""
PASSED = "passed"
FAILED = "failed"
"""The trial or the exec."""
OVERDUE = "overdue"
STOPPING = "stopping"
"""The service stops."""
HELD_BACK = "held back"
"""A signal came before the exec, which would lose it. It is obeyed first."""

HAPPENINGS = (ASKED, QUIET, PASSED, FAILED, OVERDUE, STOPPING, HELD_BACK)

TRY = "try"
KILL = "kill"
LEAP = "leap"
REPORT = "report"
"""Tell the clients that wait for it why the upgrade has failed."""


TABLE: dict[str, dict[str, Cell]] = {
    IDLE: {
        ASKED: Cell(WAITING),
        QUIET: Cell(IDLE),
        PASSED: Cell(IDLE),
        FAILED: Cell(IDLE),
        OVERDUE: Cell(IDLE),
        STOPPING: Cell(IDLE),
        HELD_BACK: Cell(IDLE),
    },
    WAITING: {
        ASKED: Cell(WAITING),
        QUIET: Cell(TRYING, TRY),
        PASSED: Cell(WAITING),
        FAILED: Cell(WAITING),
        OVERDUE: Cell(WAITING),
        STOPPING: Cell(IDLE, REPORT),
        HELD_BACK: Cell(WAITING),
    },
    TRYING: {
        ASKED: Cell(TRYING),
        QUIET: Cell(TRYING),
        PASSED: Cell(TRIED),
        FAILED: Cell(IDLE, REPORT),
        OVERDUE: Cell(ABANDONED, KILL),
        STOPPING: Cell(ABANDONED, KILL),
        HELD_BACK: Cell(TRYING),
    },
    TRIED: {
        ASKED: Cell(TRIED),
        QUIET: Cell(LEAPING, LEAP),
        PASSED: Cell(TRIED),
        FAILED: Cell(TRIED),
        OVERDUE: Cell(TRIED),
        STOPPING: Cell(IDLE, REPORT),
        HELD_BACK: Cell(TRIED),
    },
    LEAPING: {
        ASKED: Cell(LEAPING),
        QUIET: Cell(LEAPING),
        PASSED: Cell(LEAPING),
        FAILED: Cell(IDLE, REPORT),
        OVERDUE: Cell(LEAPING),
        STOPPING: Cell(IDLE, REPORT),
        HELD_BACK: Cell(TRIED),
    },
    ABANDONED: {
        ASKED: Cell(ABANDONED),
        QUIET: Cell(ABANDONED),
        PASSED: Cell(IDLE, REPORT),
        FAILED: Cell(IDLE, REPORT),
        OVERDUE: Cell(ABANDONED),
        STOPPING: Cell(ABANDONED),
        HELD_BACK: Cell(ABANDONED),
    },
}

TRIAL_SECONDS = 60.0
"""How long the trial may take."""

_ACTIONS: dict[str, Callable[[str], actions.Action]] = {
    TRY: lambda _reason: actions.TryNewCode(),
    KILL: lambda _reason: actions.KillTrial(),
    LEAP: lambda _reason: actions.Leap(),
    REPORT: actions.UpgradeFailed,
}


def stage(state: State) -> str:
    """Where the upgrade is."""
    return state.upgrade.stage if state.upgrade else IDLE


def taken_over(state: State) -> State:
    """As the new code goes on with it.

    Nobody goes back to what the old code has started: a worker that is forked there runs the old code.
    """
    zygotes = (zygote._replace(carried=True, keep_until=0.0) for zygote in state.zygotes)
    return state._replace(upgrade=None, zygotes=tuple(zygotes))


def go_on(turn: Turn) -> None:
    """Takes an upgrade as far as it gets now.

    Only at a Tick, as the last thing: whatever the master has read and seen by then, it has told. So the new
    code cannot inherit the number of a worker that was reaped, or lose half of what a worker has said.
    """
    upgrade = turn.state.upgrade
    if upgrade is None:
        return
    if upgrade.deadline <= turn.now:
        _happen(turn, OVERDUE, f"the new code could not be tried within {TRIAL_SECONDS:.0f} s")
    if _is_quiet(turn):
        _happen(turn, QUIET)


def on_asked(turn: Turn, _event: events.UpgradeAsked) -> None:
    """Only while it runs: a first start is short, and after a stop there is nothing to go on with."""
    if turn.state.phase == RUNNING and turn.state.stop_at == inf:
        _happen(turn, ASKED)


def on_trial_ended(turn: Turn, event: events.TrialEnded) -> None:
    """The new code can take over, or it is said why not."""
    _happen(turn, FAILED if event.reason else PASSED, event.reason)


def on_leap_held_back(turn: Turn, _event: events.LeapHeldBack) -> None:
    """The signals of the next turn come first."""
    _happen(turn, HELD_BACK)


def on_leap_failed(turn: Turn, event: events.LeapFailed) -> None:
    """This code goes on."""
    _happen(turn, FAILED, event.reason)


def stop(turn: Turn) -> None:
    """The service stops."""
    _happen(turn, STOPPING, "the server is stopping")


def _happen(turn: Turn, happening: str, reason: str = "") -> None:
    before = turn.state.upgrade or Upgrade(IDLE)
    cell = TABLE[before.stage][happening]
    if cell == Cell(before.stage):
        return
    reason = before.reason or reason
    after = Upgrade(cell.state, turn.now + TRIAL_SECONDS if cell.state == TRYING else inf, reason)
    turn.state = turn.state._replace(upgrade=None if cell.state == IDLE else after)
    if cell.order != NOTHING:
        turn.order(_ACTIONS[cell.order](reason))


def _is_quiet(turn: Turn) -> bool:
    """Whether nothing is under way that the new code would have to finish."""
    state = turn.state
    busy = turn.children.any_state(*workers.COMING, workers.HUNG)
    busy = busy or any(zygote.deadline < inf for zygote in state.zygotes)
    under_way = state.reload is not None or state.queued or bool(state.scaling) or busy
    return state.phase == RUNNING and not under_way
