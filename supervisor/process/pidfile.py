"""The pidfile: held under flock for the master's life, so that its content is never believed alone.

Whoever can take the lock knows that no master lives, whatever number the file names; so a stale
file is replaced and a foreign PID never signalled.
"""

from __future__ import annotations

import fcntl
import os
import time

from fapws.lean import NamedTuple

_PATIENCE = 0.5
"""Seconds; a probe() of somebody else holds the lock for an instant."""
_PAUSE = 0.02


class Held(Exception):
    """Another master holds the file; ``pid`` is its PID, or 0 while it has not written it yet."""

    def __init__(self, path: str, pid: int) -> None:
        super().__init__(f"already running (pid {pid}, {path})" if pid else f"already running ({path})")
        self.pid = pid


class Pidfile:
    """A pidfile that is ours."""

    def __init__(self, path: str, fd: int = -1) -> None:
        """Takes the lock and writes our PID. Raises Held, or OSError if the file cannot be made.

        ``fd``: holds the lock already (after an upgrade in place).
        """
        self.path = path
        self.fd = fd if fd >= 0 else _lock(path)
        if _read_pid(self.fd) == os.getpid():
            return  # after an upgrade: nothing that a full disk could refuse
        try:
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, b"%d\n" % os.getpid(), 0)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Gives the lock up; the file, if it is still ours, is removed, or emptied where it must stay."""
        if _is_same(self.fd, self.path):
            try:
                os.unlink(self.path)
            except OSError:
                os.ftruncate(self.fd, 0)  # the directory may have been locked since
        os.close(self.fd)


class Probe(NamedTuple):
    """What a pidfile tells a stranger."""

    running: bool
    """A master holds the lock."""
    pid: int
    """What the file says; 0: nothing. To be trusted only while running."""
    exists: bool


def probe(path: str) -> Probe:
    """Looks at a pidfile without changing it. Raises PermissionError if it may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Probe(running=False, pid=0, exists=False)
    try:
        running = not _try_lock(fd, fcntl.LOCK_SH)
        return Probe(running, _read_pid(fd), exists=True)
    finally:
        os.close(fd)


def _lock(path: str) -> int:
    """A descriptor of the file with the lock on it."""
    until = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if _try_lock(fd, fcntl.LOCK_EX):
            if _is_same(fd, path):
                return fd
        elif time.monotonic() > until:
            pid = _read_pid(fd)
            os.close(fd)
            raise Held(path, pid)
        # Either a probe holds the lock, or the former owner has just removed the file.
        os.close(fd)
        time.sleep(_PAUSE)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(fd: int, path: str) -> bool:
    """Whether the path still leads to the open file."""
    try:
        named = os.stat(path)
    except OSError:
        return False
    ours = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)


def _read_pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0
