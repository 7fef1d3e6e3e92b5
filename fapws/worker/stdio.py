"""A worker's standard output and error: a pipe that its master empties, and that never makes it wait.

What the pipe does not take is lost, counted, and told as soon as there is room again. When the master
is dead, both move to the log itself.
"""

from __future__ import annotations

import io
import os
import sys

from fapws.lean import Any


def have_standard_streams() -> None:
    """Opens what of 0, 1 and 2 the caller has left closed, before a socket or a log gets that number."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            stream = open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


class Streams:
    """Descriptors 1 and 2 of a worker whose master reads them, and the log behind them."""

    def __init__(self, log: int) -> None:
        """``log``: descriptor of the error log, owned from now on; for the time without a master."""
        self._log = log
        self._moved = False
        self.lost = 0
        """Lines since the last that was written."""
        self._broken = False

    def install(self) -> None:
        """Makes sys.stdout and sys.stderr write here, a line at a time."""
        for fd in (1, 2):
            os.set_blocking(fd, False)
        sys.stdout = _text(_Raw(self, 1))
        sys.stderr = _text(_Raw(self, 2))

    def move(self) -> None:
        """The master is dead: from now on everything goes to the log itself."""
        if not self._moved:
            self._moved = True
            os.dup2(self._log, 1)
            os.dup2(self._log, 2)

    def renew(self, log: int) -> None:
        """The log was opened anew; takes the descriptor over."""
        os.dup2(log, self._log, inheritable=False)
        os.close(log)

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
            return os.write(fd, data)
        except BrokenPipeError:
            self.move()
        except OSError:
            return 0
        try:
            return os.write(fd, data)
        except OSError:
            return 0


class _Raw(io.RawIOBase):
    """What Python's text layer writes to."""

    def __init__(self, streams: Streams, fd: int) -> None:
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
