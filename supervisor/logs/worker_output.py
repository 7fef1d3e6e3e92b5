"""What a worker and its application print, on its way from their pipe to the error log.

Owns the read end of one worker's pipe and at most one unfinished line.
"""

from __future__ import annotations

import os
import time

from fapws.lean import Callable, Sequence
from fapws.visible import visible

LINE_MAX = 8192
"""Bytes; a longer line goes to the log in pieces, so that memory stays bounded."""
_READ_SIZE = 65536

Write = Callable[[Sequence[bytes]], None]


class Output:
    """One worker's; ``fd`` is -1 once it is at its end."""

    def __init__(self, fd: int, write: Write) -> None:
        """``fd``: the pipe's read end, owned from now on; ``write`` takes whole lines."""
        self.fd = fd
        self._write = write
        self._rest = b""
        self._recent = b""
        os.set_blocking(fd, False)

    def drain(self) -> bool:
        """Takes one helping, so that others have their turn; False: there is no more for now."""
        if self.fd < 0:
            return False
        try:
            data = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._take(data)
        return True

    def close(self) -> None:
        """Writes what is left of a line and closes the pipe."""
        if self.fd < 0:
            return
        self.write_partial_line()
        os.close(self.fd)
        self.fd = -1

    def write_partial_line(self) -> None:
        """Writes what has come of a line as if it were one."""
        if self._rest:
            self._write([self._rest])
            self._rest = b""

    def take_last_words(self) -> None:
        """After the worker's death: takes what it said last. What its children say is not waited for."""
        until = time.monotonic() + _LAST_SECONDS
        helpings = 0
        while self.drain():
            helpings += 1
            if helpings > 1 and time.monotonic() > until:
                self.write_partial_line()
                self._write([b"(what more it has printed is lost: it was too much to be read at once)"])
                break
        self.close()

    def recent(self) -> str:
        """The end of what came, for whoever asks why it ended."""
        return visible(self._recent[-_RECENT:].decode("utf-8", "backslashreplace"))

    def _take(self, data: bytes) -> None:
        self._recent = (self._recent + data)[-_RECENT:] if len(data) < _RECENT else data[-_RECENT:]
        *lines, rest = (self._rest + data).split(b"\n")
        whole = [line[at : at + LINE_MAX] for line in lines for at in range(0, len(line) or 1, LINE_MAX)]
        while len(rest) > LINE_MAX:
            whole.append(rest[:LINE_MAX])
            rest = rest[LINE_MAX:]
        self._rest = rest
        if whole:
            self._write(whole)


_RECENT = 4096
"""Bytes of what a worker printed that are remembered: room for the stack of a fault."""
_LAST_SECONDS = 0.05
"""What a pipe holds is one helping, and the next finds its end. A flood of empty lines, or children that
print for ever, must not hold the master."""
