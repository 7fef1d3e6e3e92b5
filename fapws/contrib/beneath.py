"""Opens files below a folder and nowhere else, whatever happens to the tree meanwhile.

The path is walked name by name with openat(2), and symbolic links are followed here instead of by the
system. So there is no moment between a check and an opening: what is opened was reached through
descriptors of folders that lie below the root. Only regular files and folders are ever opened, and
never in a way that could block.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

MAX_LINKS = 40
"""Symbolic links in one path; the system's own limit on Linux."""
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# With O_PATH (Python 3.10) a folder must be allowed to be entered and not listed, as for any path.
_OPEN_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO)
)


class Outside(Exception):
    """There is no such file below the root: it does not exist, or it lies elsewhere, or is no file."""


class Found(NamedTuple):
    """The file or folder that a path leads to."""

    descriptor: int
    """Of a regular file, open for reading, the caller's to close; -1 for a folder."""
    status: os.stat_result


class Walk:
    """One way from the root to a file. Holds the folders on it open: ``..`` in a link has a way back."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._folders: list[int] = []
        self._pending: list[bytes] = []
        self._links = 0

    def find(self, names: list[bytes]) -> Found:
        """Opens the file with this path, a list of names without ``.`` and ``..``.

        Raises Outside, PermissionError, or OSError if the system is short of something.
        """
        try:
            self._folders.append(os.open(self._root, _OPEN_FOLDER & ~os.O_NOFOLLOW))
            self._pending = names[::-1]
            while self._pending:
                found = self._step(self._pending.pop())
                if found is not None:
                    return found
            return Found(-1, os.fstat(self._folders[-1]))
        except PermissionError:
            raise
        except OSError as error:
            if error.errno in _ABSENT:
                raise Outside(str(error)) from None
            raise
        finally:
            for folder in self._folders:
                os.close(folder)
            self._folders = []

    def _step(self, name: bytes) -> Found | None:
        """Goes on by one name; returns the file if that was one."""
        if name in (b"", b"."):
            return None
        here = self._folders[-1]
        if name == b"..":
            if len(self._folders) == 1:
                raise Outside("a link leads out of the root")
            os.close(self._folders.pop())
            return None
        # Only to leave devices and FIFOs alone, which may react to being opened; if another file
        # takes the place now, opening fails or the second look finds it.
        kind = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            self._follow(os.readlink(name, dir_fd=here))
        elif stat.S_ISDIR(kind):
            self._folders.append(os.open(name, _OPEN_FOLDER, dir_fd=here))
        elif stat.S_ISREG(kind):
            return self._file(os.open(name, _OPEN_FILE, dir_fd=here))
        else:
            raise Outside("not a regular file")
        return None

    def _file(self, descriptor: int) -> Found:
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or self._pending:
                raise Outside("not a regular file")
        except BaseException:
            os.close(descriptor)
            raise
        return Found(descriptor, status)

    def _follow(self, target: bytes) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise Outside("too many symbolic links")
        if target.startswith(b"/"):
            target = self._below_root(target)
            while len(self._folders) > 1:
                os.close(self._folders.pop())
        self._pending += target.split(b"/")[::-1]

    def _below_root(self, target: bytes) -> bytes:
        """The rest of an absolute path behind the root, as it was given or as it is really called."""
        for root in (os.path.abspath(self._root), os.path.realpath(self._root)):
            folder = root.rstrip(b"/") + b"/"
            if target.startswith(folder):
                return target[len(folder) :]
        raise Outside("a link leads out of the root")
