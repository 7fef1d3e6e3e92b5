"""What a worker can be, what can happen to it, and what follows: one table. Pure.

    starting --ready--> serving --retired/stopped--> draining --exited--> gone
        |  overdue -> killed   |  stuck -> hung          '- overdue: SIGKILL
        |                      |    '- overdue -> killed
        '---exited---> backing off <---exited---'
                       '- overdue: a new worker starts

With ``preload`` a worker is *waiting* first: its process comes once the zygote can fork it (forkable).

A worker that ends without being told to leaves its slot *backing off*; one that was told is *gone*.
"""

from __future__ import annotations

from math import inf

from fapws.lean import NamedTuple

WAITING = "waiting"
"""Ordered; there is no process, because its zygote is not ready."""
STARTING = "starting"
"""Forked; READY has not come. Its deadline is boot_timeout."""
SERVING = "serving"
DRAINING = "draining"
"""Told to finish, or of no more use. Its deadline is drain_timeout."""
HUNG = "hung"
"""It served, and gives no sign of life. Its deadline is that of the KILL."""
KILLED = "killed"
"""SIGKILL was sent because it hung; its slot is to be filled again once it has been reaped."""
BACKING_OFF = "backing-off"
"""No process. Its deadline is when the next one starts."""
GONE = "gone"
"""Reaped and forgotten: never found in the register."""

STATES = (WAITING, STARTING, SERVING, HUNG, DRAINING, KILLED, BACKING_OFF, GONE)
WITH_PROCESS = (STARTING, SERVING, HUNG, DRAINING, KILLED)
COMING = (WAITING, STARTING)

FORKABLE = "forkable"
"""The zygote that is to fork it is ready."""
READY = "ready"
EXITED = "exited"
STUCK = "stuck"
"""request_timeout is over, or a signal has stopped the process (SIGSTOP)."""
ALIVE = "alive"
"""It has given a sign of life after all."""
OVERDUE = "overdue"
RETIRED = "retired"
"""Others take over: it is to drain."""
STOPPED = "stopped"
"""The service stops."""

HAPPENINGS = (FORKABLE, READY, EXITED, STUCK, ALIVE, OVERDUE, RETIRED, STOPPED)

NOTHING = "nothing"
STACK = "stack"
"""SIGUSR2: its Python stack is to be in the log before it is killed."""
DRAIN = "drain"
TERM = "term"
KILL = "kill"
START = "start"


class Cell(NamedTuple):
    """What follows: the next state, and what is done to the process."""

    state: str
    order: str = NOTHING


TABLE: dict[str, dict[str, Cell]] = {
    WAITING: {
        FORKABLE: Cell(STARTING, START),
        READY: Cell(WAITING),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(WAITING),
        ALIVE: Cell(WAITING),
        OVERDUE: Cell(WAITING),
        RETIRED: Cell(GONE),
        STOPPED: Cell(GONE),
    },
    STARTING: {
        FORKABLE: Cell(STARTING),
        READY: Cell(SERVING),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(STARTING),
        ALIVE: Cell(STARTING),
        OVERDUE: Cell(KILLED, KILL),
        # Not a KILL: its READY may be on the way, and then it already holds clients.
        RETIRED: Cell(DRAINING, DRAIN),
        STOPPED: Cell(DRAINING, TERM),
    },
    SERVING: {
        FORKABLE: Cell(SERVING),
        READY: Cell(SERVING),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(HUNG, STACK),
        ALIVE: Cell(SERVING),
        OVERDUE: Cell(SERVING),
        RETIRED: Cell(DRAINING, DRAIN),
        STOPPED: Cell(DRAINING, TERM),
    },
    HUNG: {
        FORKABLE: Cell(HUNG),
        READY: Cell(HUNG),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(HUNG),
        ALIVE: Cell(SERVING),
        OVERDUE: Cell(KILLED, KILL),
        RETIRED: Cell(DRAINING, DRAIN),
        STOPPED: Cell(DRAINING, TERM),
    },
    DRAINING: {
        FORKABLE: Cell(DRAINING),
        READY: Cell(DRAINING),
        EXITED: Cell(GONE),
        STUCK: Cell(DRAINING),
        ALIVE: Cell(DRAINING),
        OVERDUE: Cell(DRAINING, KILL),
        RETIRED: Cell(DRAINING),
        STOPPED: Cell(DRAINING),
    },
    KILLED: {
        FORKABLE: Cell(KILLED),
        READY: Cell(KILLED),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(KILLED),
        ALIVE: Cell(KILLED),
        OVERDUE: Cell(KILLED),
        RETIRED: Cell(DRAINING),
        STOPPED: Cell(DRAINING),
    },
    BACKING_OFF: {
        FORKABLE: Cell(BACKING_OFF),
        READY: Cell(BACKING_OFF),
        EXITED: Cell(BACKING_OFF),
        STUCK: Cell(BACKING_OFF),
        ALIVE: Cell(BACKING_OFF),
        OVERDUE: Cell(STARTING, START),
        RETIRED: Cell(GONE),
        STOPPED: Cell(GONE),
    },
    GONE: {
        FORKABLE: Cell(GONE),
        READY: Cell(GONE),
        EXITED: Cell(GONE),
        STUCK: Cell(GONE),
        ALIVE: Cell(GONE),
        OVERDUE: Cell(GONE),
        RETIRED: Cell(GONE),
        STOPPED: Cell(GONE),
    },
}

STACK_BEFORE = 2.0
"""Seconds before the end of boot_timeout; a worker that still starts is asked for its stack then ..."""
STACK_PART = 0.25
"""... or when this part of the time is left, if that is less."""
HUNG_GRACE = 2.0
"""Seconds before the KILL: for the stack of a worker that hangs, for SIGCONT to one that was stopped."""
BACKOFF_FIRST = 1.0
"""Seconds before the second refill; the first is at once."""
BACKOFF_FACTOR = 1.5
BACKOFF_MAX = 30.0
"""Seconds."""
HEALTHY_AFTER = 60.0
"""Seconds of serving after which earlier failures are forgotten."""


def stack_due(now: float, timeout: float) -> float:
    """When a worker that begins to start now is asked for its stack; ``timeout``: its boot_timeout."""
    return now + timeout - min(STACK_BEFORE, timeout * STACK_PART) if timeout else inf


def backoff(failures: int) -> float:
    """Seconds to wait before a slot is filled again after its ``failures``-th failure in a row."""
    if failures <= 1:
        return 0.0
    # The exponent is bounded so that a slot that fails for years does not overflow a float.
    return min(BACKOFF_MAX, BACKOFF_FIRST * BACKOFF_FACTOR ** min(failures - 2, 100))
