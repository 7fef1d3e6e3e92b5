"""Standard output and error, and the log, written to without ever waiting for whoever reads them.

What has no room is not written; whoever writes counts it. Descriptors 1 and 2 themselves stay as they are,
because other processes have them too. Where the system lets us, the same pipe or terminal is opened once
more, non-blocking, for ourselves alone; elsewhere each write asks the system not to wait: fw_write_now().
"""

from __future__ import annotations

import fcntl
import os
import stat

from fapws._core import ffi, lib

FIRST_FREE_DESCRIPTOR = 3
_COPY: int = getattr(fcntl, "F_DUPFD_CLOEXEC", fcntl.F_DUPFD)  # PyPy knows only the older one
_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Outlet:
    """A descriptor of an inherited number (1, 2), and our own for what it was at first.

    An application may close either, or put another file there. What it puts at the number is obeyed; else the
    one that is still what it was is written to, so that no line lands in a file that took a number by chance.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.fd = -1
        """Our own; it may be the number itself."""
        self._file: tuple[int, int] | None = None
        self._filling: tuple[int, int] | None = None
        """What stands at the number only so that nothing else does."""
        self.renew()

    def renew(self) -> None:
        """What the number is now is what it stands for."""
        fresh = _own(self.number)
        if self.fd in (-1, self.number):
            self.fd = fresh
        elif fresh != self.number:
            os.dup2(fresh, self.fd, inheritable=False)  # others may have been told that number
            os.close(fresh)
        self._file = identity(self.number)

    def put(self, data: bytes) -> int:
        """How many bytes were written: as many as there was room for. -1: it cannot be written to at all."""
        found = identity(self.number)
        if found not in (self._file, self._filling, None):
            return write_now(self.number, data)
        if identity(self.fd) == self._file:
            return write_now(self.fd, data)
        return write_now(self.number, data) if found else -1

    def fill(self) -> None:
        """Where the number was closed, no other file is to get it: C code may go on printing there."""
        if identity(self.number) is None:
            fill(self.number)
            self._filling = identity(self.number)

    def close(self) -> None:
        """Closes our own; the number stays open."""
        if self.fd != self.number and identity(self.fd) == self._file:
            os.close(self.fd)
        self.fd = self.number


def write_now(fd: int, data: bytes) -> int:
    """Writes without waiting: how many bytes there was room for; -1: none, and there never will be."""
    written = 0
    view = ffi.from_buffer(data)
    while written < len(data):
        count: int = lib.fw_write_now(fd, view + written, len(data) - written)
        if count <= 0:
            return written or count
        written += count
    return written


def fill(number: int) -> None:
    """Opens a file that takes everything, or has nothing, under a number that is closed."""
    fd = os.open(os.devnull, os.O_RDWR)
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)


def identity(fd: int) -> tuple[int, int] | None:
    """Which file a descriptor is; None: it is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _own(number: int) -> int:
    """The same file once more, non-blocking if that changes nothing for others; else a copy of it."""
    try:
        name = _name(number)
        if name:
            fd = os.open(name, _FLAGS)
            if fd >= FIRST_FREE_DESCRIPTOR and identity(fd) == identity(number):
                return fd
            os.close(fd)
    except OSError:
        pass  # a pipe of another user, or one that nobody reads
    try:
        return copy_of(number)
    except OSError:
        return number


def copy_of(number: int) -> int:
    """Another descriptor of the same file, closed by an exec, none of 0 to 2. Raises OSError."""
    fd: int = fcntl.fcntl(number, _COPY, FIRST_FREE_DESCRIPTOR)
    os.set_inheritable(fd, False)
    return fd


def _name(number: int) -> str:
    """Under which name a pipe or terminal can be opened; a file is not, it would begin at its start."""
    mode = os.fstat(number).st_mode
    if stat.S_ISCHR(mode):
        return os.ttyname(number) if os.isatty(number) else ""
    # Elsewhere than on Linux such a name gives the same open file again, with the flags of all who have it.
    name = f"/proc/self/fd/{number}"
    return name if stat.S_ISFIFO(mode) and os.path.exists(name) else ""
