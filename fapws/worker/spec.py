"""What a worker is given at its birth: by the master, and by the zygote that has forked it."""

from __future__ import annotations

from fapws.lean import Any, Callable, NamedTuple
from fapws.settings.model import Pool
from fapws.worker.stdio import StandardStreams


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
    """Read end of a pipe that no process writes to: readable (EOF) means that the master is dead."""
    row: Any
    """This worker's row of the scoreboard: a writable buffer of SCORE_SIZE bytes."""
    neighbours: Any
    """Other workers' rows, and this one's: read-only."""
    multiprocess: bool
    """Whether the pool has several workers (wsgi.multiprocess)."""
    log: str | None = None
    """Path of the error log, for the time without a master; empty: it is no file. None: descriptors 1 and 2
    are the log."""
    access_log: int = -1
    """Where the core writes a line for each response; -1: nowhere."""
    access_prefix: bytes = b""
    """What stands before each of these lines."""
    tally: Any = None
    """Where this worker counts for metrics: a writable buffer; None: nowhere."""
    last: Any = None
    """Where it keeps its last requests, likewise."""
    ready: bool = True
    """Whether the pool is to be sent clients."""
    is_zygote: bool = False
    """It serves nobody: it forks those that do. See fapws.worker.zygote."""
    board: Any = None
    """A zygote's: the memory in which all rows of its pool are."""


class Preloaded(NamedTuple):
    """What a worker has got from the zygote that has forked it."""

    application: Callable[..., Any]
    streams: StandardStreams
    watch: Any
    """A SourceWatch that began before the import; None: the pool wants none."""
