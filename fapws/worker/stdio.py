"""A worker's standard output and error: they never make it wait, and never fail a request.

They are a pipe that its master empties or, with error_log = stderr, what the master was started with. What
they do not take is lost, counted, and told as soon as there is room again. With a log of the master's the log
itself is never a worker's: it could be emptied, or lines of the master forged. When the master is dead, a
worker that may open the log by its name writes there, and any other writes nowhere.
"""

from __future__ import annotations

import io
import os
import sys

from fapws.lean import Any
from fapws.outlet import Outlet, fill, identity


class StandardStreams:
    """Descriptors 1 and 2 of a worker."""

    def __init__(self, log: str | None) -> None:
        """``log``: path of the error log, for the time without a master; empty: there is none. None: the
        descriptors are the log, and stay what they are."""
        self._log = log
        self._moved = False
        one = Stream(1)
        shared = one.alike(2)
        self._streams = (one, one if shared else Stream(2))

    @property
    def for_crashes(self) -> int:
        """The descriptor to which a fault writes the stacks, from within a signal handler. What the master
        empties takes all of it; what nobody may read must not hold the handler."""
        return 2 if self._log is not None else self._streams[1].fd

    def write_error(self, data: bytes) -> None:
        """To standard error, whatever the application has made of sys.stderr. Never waits, never raises."""
        self.write(self._streams[1], data)

    def install(self) -> None:
        """Makes sys.stdout and sys.stderr write here, a line at a time.

        The descriptors stay blocking: the application's children have them too, and few programs can do
        with a pipe that does not wait.
        """
        out, err = (_Raw(self, stream, number) for number, stream in enumerate(self._streams, 1))
        sys.stdout = sys.__stdout__ = _text(out, sys.stdout)  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _text(err, sys.stderr)  # type: ignore[misc]

    def fill_gaps(self) -> None:
        """What the application has closed gets no client's connection."""
        if identity(0) is None:
            fill(0)
        for stream in self._streams:
            stream.fill()
        if identity(2) is None:
            fill(2)

    def let_go(self) -> None:
        """In a child that the application has forked, which may want to be a daemon: 1 and 2 alone stay."""
        for stream in self._streams:
            stream.let_go()

    def renew(self) -> None:
        """1 and 2 have become other files: a worker's own, which its zygote has forked."""
        for stream in self._streams:
            stream.renew()

    def move(self) -> None:
        """The master is dead: from now on everything goes to the log, with this process's own rights."""
        if self._moved or self._log is None:
            return
        self._moved = True
        fd = _open_first(self._log, os.devnull)
        if fd >= 0:
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            os.close(fd)
            for stream in self._streams:
                stream.renew()

    def write(self, stream: Stream, data: bytes) -> None:
        """Writes what there is room for. Never waits, never raises."""
        if stream.write(data):
            return
        self.move()
        if not self._moved or not stream.write(data):
            stream.count(data)


class Stream:
    """One of the two, or both if they are one file."""

    def __init__(self, number: int) -> None:
        self._outlet = Outlet(number)
        self.lost = 0
        """Lines since the last that was written."""
        self._broken = False

    @property
    def fd(self) -> int:
        """Our own descriptor of it."""
        return self._outlet.fd

    def alike(self, number: int) -> bool:
        """Whether that descriptor is the same file."""
        return identity(number) == identity(self._outlet.number) is not None

    def fill(self) -> None:
        """Puts something where the descriptor was closed."""
        self._outlet.fill()

    def let_go(self) -> None:
        """Closes our own descriptor."""
        self._outlet.close()

    def renew(self) -> None:
        """The descriptor has become another file."""
        self._outlet.renew()
        self._broken = False

    def write(self, data: bytes) -> bool:
        """Writes what there is room for, and counts the rest; False: it cannot be written to at all."""
        front = b"\n" if self._broken else b""
        if self.lost:
            front += b"fapws: %d log lines were lost here: there was no room for them\n" % self.lost
        written = self._outlet.put(front) if front else 0
        if written == len(front):
            self.lost = 0
            self._broken = False
            written = self._outlet.put(data)
            data = data[max(written, 0) :]
        if written < 0:
            return False
        if data:
            self.count(data)
            self._broken = self._broken or written > 0
        return True

    def count(self, data: bytes) -> None:
        """It could not be written."""
        self.lost += max(1, data.count(b"\n"))


def _open_first(*paths: str) -> int:
    """The first that can be added to; -1: none, as below a chroot."""
    for path in filter(None, paths):
        try:
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
    return -1


class _Raw(io.RawIOBase):
    """What Python's text layer writes to."""

    mode = "wb"

    def __init__(self, streams: StandardStreams, stream: Stream, number: int) -> None:
        self.name = ("<stdin>", "<stdout>", "<stderr>")[number]
        self._streams = streams
        self._stream = stream
        self._number = number

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any) -> int:
        octets = bytes(data)
        self._streams.write(self._stream, octets)
        return len(octets)


def _text(raw: _Raw, former: Any) -> io.TextIOWrapper:
    encoding = "utf-8" if raw._streams._log is not None else getattr(former, "encoding", None) or "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True
    )
