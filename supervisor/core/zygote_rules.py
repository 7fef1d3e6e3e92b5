"""What a zygote can be, what can happen to it, and what follows: one table, and its rules. Pure.

    booting --ready--> ready --unwanted--> leaving --exited--> gone
       |  overdue        |  stuck, overdue -> hung --overdue--> killed
       '-> doomed --overdue--> killed --exited--> failed

A zygote is a process of a pool with ``preload``: it imports the application once, and forks the workers of
one generation. It serves nobody, so nobody notices that it hangs but who waits for a worker. Whatever
becomes of it, the workers that it has forked serve on; the next one that is to start makes a new zygote.
"""

from __future__ import annotations

from math import inf

from fapws.settings.model import Pool

from . import actions, events, texts
from . import worker_states as workers
from .children import Child
from .turn import CANARY, ENDED, STOPPING, WATCHING, Turn, Zygote
from .worker_states import KILL, NOTHING, STACK, TERM, Cell

BOOTING = "booting"
"""It imports. Its deadline is boot_timeout."""
READY = "ready"
"""It forks. While a worker is ordered, its deadline is that of the next sign of life."""
DOOMED = "doomed"
"""boot_timeout is over, and it is asked for its stack; nothing saves it."""
HUNG = "hung"
"""It does not do what it was asked for, or a signal has stopped it. Its deadline is that of the KILL."""
KILLED = "killed"
LEAVING = "leaving"
"""Told to end: nobody needs it any more."""
FAILED = "failed"
"""Reaped, and nobody had told it to end: who waits for it fails. Never found in the register."""
GONE = "gone"
"""Reaped; never found there either."""

STATES = (BOOTING, READY, DOOMED, HUNG, KILLED, LEAVING, FAILED, GONE)
AT_AN_END = (FAILED, GONE)

BOOTED = "ready"
EXITED = "exited"
STUCK = "stuck"
"""A signal has stopped it."""
ALIVE = "alive"
"""It goes on, or has forked after all."""
OVERDUE = "overdue"
UNWANTED = "unwanted"
"""Its generation is not in force any more, its last worker has left, and its rollback_window is over; or the
service stops."""

HAPPENINGS = (BOOTED, EXITED, STUCK, ALIVE, OVERDUE, UNWANTED)

FORK = "fork"
"""Start the workers that have waited."""
TELL = "tell"
"""Log its end; who waits for it fails."""

TABLE: dict[str, dict[str, Cell]] = {
    BOOTING: {
        BOOTED: Cell(READY, FORK),
        EXITED: Cell(FAILED, TELL),
        STUCK: Cell(BOOTING),
        ALIVE: Cell(BOOTING),
        OVERDUE: Cell(DOOMED, STACK),
        UNWANTED: Cell(LEAVING, TERM),
    },
    READY: {
        BOOTED: Cell(READY),
        EXITED: Cell(FAILED, TELL),
        STUCK: Cell(HUNG, STACK),
        ALIVE: Cell(READY),
        OVERDUE: Cell(HUNG, STACK),
        UNWANTED: Cell(LEAVING, TERM),
    },
    DOOMED: {
        BOOTED: Cell(DOOMED),
        EXITED: Cell(FAILED, TELL),
        STUCK: Cell(DOOMED),
        ALIVE: Cell(DOOMED),
        OVERDUE: Cell(KILLED, KILL),
        UNWANTED: Cell(LEAVING, TERM),
    },
    HUNG: {
        BOOTED: Cell(HUNG),
        EXITED: Cell(FAILED, TELL),
        STUCK: Cell(HUNG),
        ALIVE: Cell(READY),
        OVERDUE: Cell(KILLED, KILL),
        UNWANTED: Cell(LEAVING, TERM),
    },
    KILLED: {
        BOOTED: Cell(KILLED),
        EXITED: Cell(FAILED, TELL),
        STUCK: Cell(KILLED),
        ALIVE: Cell(KILLED),
        OVERDUE: Cell(KILLED),
        UNWANTED: Cell(KILLED),
    },
    LEAVING: {
        BOOTED: Cell(LEAVING),
        EXITED: Cell(GONE),
        STUCK: Cell(LEAVING),
        ALIVE: Cell(LEAVING),
        OVERDUE: Cell(LEAVING, KILL),
        UNWANTED: Cell(LEAVING),
    },
    FAILED: {happening: Cell(FAILED) for happening in HAPPENINGS},
    GONE: {happening: Cell(GONE) for happening in HAPPENINGS},
}

FORK_PATIENCE = 10.0
"""Seconds without a birth, while one is ordered, after which a zygote hangs."""
END_GRACE = 3.0
"""Seconds that it has to end: it holds nothing of a client ..."""
IMPORT_GRACE = 1.0
"""... and if it has not come to fork, nor of a worker."""


def of(turn: Turn, pool: Pool, generation: int) -> tuple[int, bool]:
    """The zygote that is to fork a worker, made if there is none, and whether it can do so now."""
    latest = _latest(turn, pool.name, generation)
    if latest is not None:
        return latest.number, latest.state == READY
    number = turn.next_number()
    deadline = turn.now + pool.boot_timeout if pool.boot_timeout else inf
    fresh = Zygote(number, pool, generation, BOOTING, turn.now, turn.now, deadline, turn.now)
    turn.state = turn.state._replace(zygotes=(*turn.state.zygotes, fresh))
    turn.order(actions.StartZygote(number, pool, generation))
    return number, False


def go_on(turn: Turn) -> None:
    """What is due, and which of them are of no more use."""
    for zygote in turn.state.zygotes:
        if not _wanted(turn, zygote):
            _happen(turn, zygote, UNWANTED)
    for zygote in turn.state.zygotes:
        if zygote.state == READY:
            zygote = zygote._replace(deadline=_birth_due(turn, zygote))
            _remember(turn, zygote)
        if zygote.deadline <= turn.now:
            _happen(turn, zygote, OVERDUE, texts.no_birth(FORK_PATIENCE) if zygote.state == READY else "")


def hurry(turn: Turn, limit: float) -> None:
    """The service stops at once."""
    for zygote in turn.state.zygotes:
        if zygote.state == LEAVING and zygote.deadline < inf:  # else it was killed
            _remember(turn, zygote._replace(deadline=min(zygote.deadline, limit)))


# ---- What happens --------------------------------------------------------------------------------


def on_ready(turn: Turn, event: events.ZygoteReady) -> None:
    """It can fork."""
    _tell(turn, event.zygote, BOOTED)


def on_failed(turn: Turn, event: events.ZygoteFailed) -> None:
    """It has said why it will exit: that is the reason given when it has."""
    zygote = _get(turn, event.zygote)
    if zygote is not None:
        _remember(turn, zygote._replace(reason=event.reason))


def on_paused(turn: Turn, event: events.ZygotePaused) -> None:
    """The grace is for a shell with job control."""
    _tell(turn, event.zygote, STUCK, texts.stopped_by(event.signal))


def on_continued(turn: Turn, event: events.ZygoteContinued) -> None:
    """It goes on."""
    _tell(turn, event.zygote, ALIVE)


def on_born(turn: Turn, event: events.WorkerBorn) -> None:
    """It has forked: from now on its worker has boot_timeout to become ready."""
    child = turn.children.get(event.worker)
    if child is None or not child.unborn:
        return
    born = child._replace(unborn=False)
    pool = turn.pool_of(child)
    if child.state == workers.STARTING and pool is not None and pool.boot_timeout:
        due = workers.stack_due(turn.now, pool.boot_timeout)
        born = born._replace(deadline=turn.now + pool.boot_timeout, stack_due=due)
    turn.children.put(born)
    zygote = _get(turn, child.zygote)
    if zygote is not None:
        _remember(turn, zygote._replace(heard=turn.now))
        _tell(turn, child.zygote, ALIVE)


def ended(turn: Turn, event: events.ZygoteExited) -> list[Child]:
    """It is no more; those that have waited for it, with the reason why they wait in vain."""
    zygote = _get(turn, event.zygote)
    if zygote is None:
        return []
    age = turn.now - zygote.born
    reason = texts.zygote_failure(zygote, event.status, age)
    _happen(turn, zygote, EXITED, status=event.status)
    waiting = [c for c in turn.children if c.zygote == zygote.number and c.state == workers.WAITING]
    failed = [child._replace(reason=reason) for child in waiting]
    for child in failed:
        turn.children.put(child)
    return failed


# ---- Details -------------------------------------------------------------------------------------


def _wanted(turn: Turn, zygote: Zygote) -> bool:
    state, reload, name = turn.state, turn.state.reload, zygote.pool.name
    if any(c.zygote == zygote.number and (c.has_process or c.state in workers.COMING) for c in turn.children):
        return True
    latest = _latest(turn, name, zygote.generation)
    if state.phase in (STOPPING, ENDED) or (latest is not None and latest.number > zygote.number):
        return False
    if reload is not None and reload.stage in (CANARY, WATCHING) and zygote.generation == reload.generation:
        return True
    if zygote.keep_until > turn.now:
        return True
    pool = turn.pool(name)
    return zygote.generation == state.generation and pool is not None and pool.preload


def _latest(turn: Turn, pool: str, generation: int) -> Zygote | None:
    """One that was stopped may go on when there is another already."""
    able = [z for z in turn.state.zygotes if z.pool.name == pool and z.state in (BOOTING, READY)]
    return next((zygote for zygote in reversed(able) if zygote.generation == generation), None)


def _birth_due(turn: Turn, zygote: Zygote) -> float:
    """When the next birth is to be told at the latest; ``inf``: none is ordered."""
    ordered = [c.since for c in turn.children if c.zygote == zygote.number and c.unborn and c.has_process]
    return max(zygote.heard, min(ordered)) + FORK_PATIENCE if ordered else inf


def _get(turn: Turn, number: int) -> Zygote | None:
    return next((zygote for zygote in turn.state.zygotes if zygote.number == number), None)


def _remember(turn: Turn, after: Zygote) -> None:
    others = (after if zygote.number == after.number else zygote for zygote in turn.state.zygotes)
    kept = tuple(zygote for zygote in others if zygote.state not in AT_AN_END)
    turn.state = turn.state._replace(zygotes=kept)


def _tell(turn: Turn, number: int, happening: str, hung: str = "") -> None:
    zygote = _get(turn, number)
    if zygote is not None:
        _happen(turn, zygote, happening, hung)


def _happen(turn: Turn, zygote: Zygote, happening: str, hung: str = "", status: int = 0) -> None:
    cell = TABLE[zygote.state][happening]
    if cell == Cell(zygote.state):
        return
    after = zygote._replace(
        state=cell.state,
        since=turn.now,
        deadline=_deadline(turn, zygote, cell),
        hung=hung if cell.state == HUNG else "" if cell.state == READY else zygote.hung,
    )
    _remember(turn, after)
    if cell.order == STACK:
        turn.order(actions.ZygoteHung(after, stopped=happening == STUCK))
    elif cell.order == KILL:
        turn.order(actions.Kill(zygote.number))
    elif cell.order == TERM:
        turn.order(actions.Terminate(zygote.number))
    elif cell.order == TELL:
        turn.order(actions.ZygoteDied(zygote, status, turn.now - zygote.born))
    elif cell.order == FORK:
        _fork_those_that_wait(turn, zygote)
    else:
        assert cell.order == NOTHING


def _deadline(turn: Turn, zygote: Zygote, cell: Cell) -> float:
    if cell.order == STACK:
        return turn.now + workers.HUNG_GRACE
    if cell.order == TERM:
        return turn.now + (IMPORT_GRACE if zygote.state in (BOOTING, DOOMED) else END_GRACE)
    return inf


def _fork_those_that_wait(turn: Turn, zygote: Zygote) -> None:
    for child in turn.children:
        if child.zygote == zygote.number and child.state == workers.WAITING:
            cell = workers.TABLE[child.state][workers.FORKABLE]
            assert cell.order == workers.START
            turn.enter(child, cell.state, inf)
            turn.order_start(zygote.pool, child.number)
