"""The pidfile: held under flock for the master's life, so that its content is never believed alone.

A process that gets the lock knows that no master lives, whatever number the file names; so a stale
file is replaced and a foreign PID never signalled. To take the lock it is enough to open the file, so
only its owner may: a file that others can open proves nothing, and is replaced.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from fapws.lean import NamedTuple

_PATIENCE = 0.5
"""Seconds; the probe() of another process holds the lock for an instant."""
_PAUSE = 0.02
_MODE = 0o600
_CONTENT_MAX = 32
"""Bytes; a larger file is no pidfile, and is left alone."""
_LOCKS = "/proc/locks"
_READ_SIZE = 65536
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


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
        self.left_by = _read_pid(self.fd) if fd < 0 else 0
        """The PID of a master that had no time to remove it: it was killed, and its workers may still finish.
        0: there was none."""
        try:
            _write_pid(self.fd)
        except OSError:
            self.release()
            raise

    def renew(self) -> None:
        """Puts the file back if it was removed, replaced, or written over. Raises as the constructor does."""
        if _is_same(self.fd, self.path):
            _write_pid(self.fd)
            return
        fresh = _lock(self.path)
        try:
            _write_pid(fresh)
        except OSError:
            os.close(fresh)
            raise
        os.close(self.fd)
        self.fd = fresh

    def release(self) -> None:
        """Gives the lock up; the file, if it is still ours, is removed, or emptied where it must stay."""
        if _is_same(self.fd, self.path):
            try:
                os.unlink(self.path)
            except OSError:
                os.ftruncate(self.fd, 0)  # its directory may not be writable any more
        os.close(self.fd)


class Probe(NamedTuple):
    """What a pidfile tells a stranger."""

    running: bool
    """A master holds the lock."""
    pid: int
    """Of the process that holds it, where the system tells; else what the file says, or 0."""
    exists: bool
    proven: bool = False
    """The system has told the pid."""


def probe(path: str) -> Probe:
    """Looks at a pidfile without changing it. Raises PermissionError if it may not be read, or OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | _OPEN)
    except FileNotFoundError:
        return Probe(running=False, pid=0, exists=False)
    try:
        running = _is_private(fd) and not _try_lock(fd, fcntl.LOCK_SH)
        holder = _holder(fd) if running else 0
        return Probe(running, holder or _read_pid(fd), exists=True, proven=holder > 0)
    finally:
        os.close(fd)


def _lock(path: str) -> int:
    """A descriptor of the file with the lock on it."""
    until = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _OPEN, _MODE)
        try:
            if not _is_private(fd):
                _discard(fd, path)
            elif _try_lock(fd, fcntl.LOCK_EX):
                if _is_same(fd, path):
                    return os.dup(fd)
            elif time.monotonic() > until:
                raise Held(path, _holder(fd) or _read_pid(fd))
        finally:
            os.close(fd)
        # Either a probe holds the lock, or the former owner has just removed the file.
        time.sleep(_PAUSE)


def _write_pid(fd: int) -> None:
    if _read_pid(fd) == os.getpid():
        return  # after an upgrade: nothing that a full disk could refuse
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"%d\n" % os.getpid(), 0)


def _is_private(fd: int) -> bool:
    """Whether only its owner may open the file, and so hold its lock."""
    found = os.fstat(fd)
    return stat.S_ISREG(found.st_mode) and not found.st_mode & 0o077


def _discard(fd: int, path: str) -> None:
    """Removes a file that others could have locked. Raises OSError if it may be anything but a pidfile."""
    text = os.pread(fd, _CONTENT_MAX + 1, 0) if stat.S_ISREG(os.fstat(fd).st_mode) else b"?"
    if text and (len(text) > _CONTENT_MAX or not text.strip().isdigit()):
        raise FileExistsError(errno.EEXIST, "there is a file, and it is no pidfile")
    if _is_same(fd, path):
        os.unlink(path)


def _holder(fd: int) -> int:
    """The PID of the process that holds the lock, as Linux tells; 0: the system does not tell."""
    found = os.fstat(fd)
    place = b"%02x:%02x:%d" % (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    try:
        with open(_LOCKS, "rb", buffering=0) as locks:
            # One read gives a page at most, and a machine may have more locks than that.
            lines = b"".join(iter(lambda: locks.read(_READ_SIZE), b"")).splitlines()
    except OSError:
        return 0
    for line in lines:  # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:393217 0 EOF
        words = line.split()
        if len(words) > 5 and words[1] == b"FLOCK" and words[3] == b"WRITE" and words[5] == place:
            return max(int(words[4]), 0)
    return 0


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
