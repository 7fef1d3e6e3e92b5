"""Waiting for descriptors: poll where there is one, select elsewhere."""

from __future__ import annotations

import select
from math import inf

from fapws.lean import NamedTuple, Protocol


class Readiness(NamedTuple):
    """A descriptor that can be read (or is at its end), written, or both."""

    fd: int
    readable: bool
    writable: bool


class Waiter(Protocol):
    """What the master needs of either."""

    def watch(self, fd: int, write: bool = False, read: bool = True) -> None:
        """Watches for reading, unless nothing more can come, and for writing too if asked; replaces an
        earlier wish."""

    def forget(self, fd: int) -> None:
        """Before the descriptor is closed."""

    def wait(self, seconds: float) -> list[Readiness]:
        """What is ready, after ``seconds`` at most (``inf``: for ever)."""


class PollWaiter:
    """select.poll: no limit on descriptor numbers."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def watch(self, fd: int, write: bool = False, read: bool = True) -> None:
        """See Waiter."""
        self._poll.register(fd, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))

    def forget(self, fd: int) -> None:
        """See Waiter."""
        self._poll.unregister(fd)

    def wait(self, seconds: float) -> list[Readiness]:
        """See Waiter. Rounded up to a millisecond, so that a deadline has passed after it."""
        milliseconds = None if seconds == inf else int(seconds * 1000) + 1
        return [
            Readiness(fd, bool(events & ~select.POLLOUT), bool(events & select.POLLOUT))
            for fd, events in self._poll.poll(milliseconds)
        ]


class SelectWaiter:
    """select.select: everywhere, for descriptors below 1024."""

    def __init__(self) -> None:
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def watch(self, fd: int, write: bool = False, read: bool = True) -> None:
        """See Waiter."""
        (self._readers.add if read else self._readers.discard)(fd)
        (self._writers.add if write else self._writers.discard)(fd)

    def forget(self, fd: int) -> None:
        """See Waiter."""
        self._readers.discard(fd)
        self._writers.discard(fd)

    def wait(self, seconds: float) -> list[Readiness]:
        """See Waiter."""
        timeout = None if seconds == inf else seconds
        readable, writable, _ = select.select(self._readers, self._writers, (), timeout)
        return [Readiness(fd, fd in readable, fd in writable) for fd in {*readable, *writable}]


def make_waiter() -> Waiter:
    """The better one that this system has."""
    return PollWaiter() if hasattr(select, "poll") else SelectWaiter()
