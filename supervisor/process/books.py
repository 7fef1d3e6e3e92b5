"""What the master itself counts for metrics, from its first start on: ends of workers, reloads."""

from __future__ import annotations

import time

from fapws.lean import NamedTuple

from ..core import worker_states as states
from ..core.children import Child
from ..core.texts import UNKNOWN

SUCCESS, FAILURE = "success", "failure"


class Kept(NamedTuple):
    """The same as an upgrade in place hands it over."""

    exits: tuple[tuple[str, str, int], ...] = ()
    reloads: tuple[tuple[str, int], ...] = ()
    read_at: float = 0.0
    log_lines_lost: int = 0


class Books:
    """Only grows."""

    def __init__(self, saved: Kept | None = None) -> None:
        saved = saved or Kept(read_at=time.time())
        self.exits: dict[tuple[str, str], int] = {(pool, why): n for pool, why, n in saved.exits}
        """By pool and reason."""
        self.reloads: dict[str, int] = {SUCCESS: 0, FAILURE: 0, **dict(saved.reloads)}
        """By how they ended."""
        self.read_at = saved.read_at
        """When the configuration in force was read, in seconds of the clock on the wall."""
        self.log_lines_lost = saved.log_lines_lost
        """Of the error log, before this process's own code."""

    def worker_ends(self, child: Child | None, pool: str, status: int) -> None:
        """``child``: as it was before; ``status``: as ``os.waitstatus_to_exitcode`` gives it."""
        key = pool, why(child, status)
        self.exits[key] = self.exits.get(key, 0) + 1

    def reload_ends(self, ok: bool) -> None:
        """A reload has ended."""
        self.reloads[SUCCESS if ok else FAILURE] += 1
        if ok:
            self.read_at = time.time()

    def saved(self, log_lines_lost: int) -> Kept:
        """For a successor; with what this process's error log has lost."""
        exits = tuple((pool, reason, count) for (pool, reason), count in self.exits.items())
        lost = self.log_lines_lost + log_lines_lost
        return Kept(exits, tuple(self.reloads.items()), self.read_at, lost)


def why(child: Child | None, status: int) -> str:
    """The reason of a worker's end in a word: drained, killed draining, boot, hang, signal, exit."""
    if child is None or child.state == states.DRAINING:
        return "drained" if status in (0, UNKNOWN) else "killed_draining"
    if child.hung:
        return "hang"
    if child.state in (states.STARTING, states.KILLED):
        return "boot"
    return "signal" if status < 0 else "exit"
