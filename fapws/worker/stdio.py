"""A worker's standard output and error: a pipe that its master empties, and that never makes it wait.

What the pipe does not take is lost, counted, and told as soon as there is room again. The log itself is
never a worker's: it could be emptied, or lines of the master forged. When the master is dead, a worker that
may open the log by its name writes there, and any other writes nowhere.
"""

from __future__ import annotations

import io
import os
import select
import sys

from fapws.lean import Any


class StandardStreams:
    """Descriptors 1 and 2 of a worker whose master reads them."""

    def __init__(self, log: str) -> None:
        """``log``: path of the error log, for the time without a master; empty: there is none."""
        self._log = log
        self._moved = False
        self.lost = 0
        """Lines since the last that was written."""
        self._broken = False

    def install(self) -> None:
        """Makes sys.stdout and sys.stderr write here, a line at a time.

        The descriptors stay blocking: the application's children have them too, and few programs can do
        with a pipe that does not wait.
        """
        sys.stdout = _text(_Raw(self, 1))
        sys.stderr = _text(_Raw(self, 2))

    def move(self) -> None:
        """The master is dead: from now on everything goes to the log, with this process's own rights."""
        if self._moved:
            return
        self._moved = True
        fd = _open_first(self._log, os.devnull)
        if fd >= 0:
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            os.close(fd)

    def write(self, fd: int, data: bytes) -> None:
        """Writes what there is room for. Never waits, never raises."""
        front = b"\n" if self._broken else b""
        if self.lost:
            front += f"fapws: {self.lost} lines were lost here: nobody read them in time\n".encode()
        if front and not self._put(fd, front):
            self.lost += _lines(data)
            return
        self.lost = 0
        written = self._put(fd, data)
        self._broken = 0 < written < len(data)
        if written < len(data):
            self.lost += _lines(data[written:])

    def _put(self, fd: int, data: bytes) -> int:
        try:
            return _write_what_fits(fd, data)
        except BrokenPipeError:
            self.move()
        except OSError:
            return 0
        try:
            return _write_what_fits(fd, data)
        except OSError:
            return 0


def _write_what_fits(fd: int, data: bytes) -> int:
    """How many bytes were written: a pipe with any room takes as much as select.PIPE_BUF without a wait."""
    room = select.poll()
    room.register(fd, select.POLLOUT)
    written = 0
    while written < len(data) and room.poll(0):
        written += os.write(fd, data[written : written + select.PIPE_BUF])
    return written


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

    def __init__(self, streams: StandardStreams, fd: int) -> None:
        self._streams = streams
        self._fd = fd

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        octets = bytes(data)
        self._streams.write(self._fd, octets)
        return len(octets)


def _text(raw: _Raw) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _lines(data: bytes) -> int:
    return max(1, data.count(b"\n"))
