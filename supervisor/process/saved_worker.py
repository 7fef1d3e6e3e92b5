"""A worker's process as the master hands it to the new code of an upgrade in place."""

from __future__ import annotations

from fapws.lean import TYPE_CHECKING, NamedTuple

from .worker_process import PRELOAD, role_of

if TYPE_CHECKING:
    from ..logs.worker_output import Output
    from .scoreboard import Row


class SavedWorker(NamedTuple):
    """What the new code must know of one process."""

    number: int
    pool: str
    slot: int
    pid: int
    channel: int
    row: int
    output: int
    """The read end of what it prints; -1: it writes to the log itself."""
    access_log: str
    autoreload: bool = False
    counts: bool = False
    """Whether it counts for metrics."""
    remembers: bool = False
    """Whether it keeps its last requests."""
    is_zygote: bool = False
    zygote: int = 0
    """The number of the living zygote that has forked it; 0: there is none."""
    pidfd: int = -1
    """Of a worker that a zygote has forked."""
    weighs_own: bool = False
    """Whether max_rss limits the memory that it shares with nobody."""

    def made_of(
        self, row: Row, output: Output | None
    ) -> tuple[str, int, int, Row, Output | None, str, bool, int]:
        """The arguments of its Process, or of what is derived from that."""
        return self.pool, self.pid, self.channel, row, output, self.access_log, self.autoreload, self.slot

    @property
    def role(self) -> str:
        """Who says a line of the log."""
        return role_of(self.pool, PRELOAD if self.is_zygote else self.slot, self.pid)
