"""A worker's life: boot, READY, serve, drain, exit. Runs in the process the master forked."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from fapws.config.model import Pool


class WorkerSpec(NamedTuple):
    """What the master hands to a worker; every descriptor in it is the worker's own from now on."""

    pool: Pool
    slot: int
    """Number of the worker in its pool, from 0."""
    generation: int
    """Counts reloads; 1 at the start."""
    listeners: tuple[int, ...]
    """Listening sockets, one for each of the pool's addresses, in their order."""
    channel: int
    """The worker's end of the socketpair to the master (fapws.messages)."""
    lifeline: int
    """Read end of a pipe that nobody writes to: readable (EOF) means that the master is dead."""
    row: Any
    """This worker's row of the scoreboard: a writable buffer of SCORE_SIZE bytes."""
    multiprocess: bool
    """Whether the pool has several workers (wsgi.multiprocess)."""


def run(spec: WorkerSpec) -> NoReturn:
    """Serves until drained; called right after fork, in the child. Never returns.

    Exit status: 0 after a drain, 1 when it could not boot (Failed was sent before).
    SIGTERM: drain as at a stop (take what the backlog holds). SIGHUP, SIGINT: ignored.
    Drain message: as at a reload. End of lifeline: drain.
    """
    raise SystemExit(1)
