"""The master's error log: one line at a time, each with time and role.

Owns the descriptor of the file. A write error is counted and never raised: a full disk costs lines,
not requests.
"""

from __future__ import annotations

import os
import time

STDERR = "stderr"


class Log:
    """Writes to standard error, or to a file that ``reopen`` opens anew after it was renamed."""

    def __init__(self, target: str = STDERR) -> None:
        """``target``: ``stderr`` or a path. Raises OSError if the file cannot be opened."""
        self.target = target
        self.fd = 2
        self.lost = 0
        """Lines that could not be written."""
        if target != STDERR:
            self.fd = _open(target)

    def reopen(self) -> None:
        """Opens the file again by its name; if that fails, goes on with the old one and says so."""
        if self.target == STDERR:
            return
        try:
            fresh = _open(self.target)
        except OSError as error:
            self.write(f"cannot reopen {self.target}: {error.strerror}; the old file stays in use")
            return
        os.close(self.fd)
        self.fd = fresh

    def write(self, text: str, role: str = "master") -> None:
        """One entry; further lines of ``text`` (a traceback) follow as they are."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S%z")
        self._put(f"{stamp} {role}: {text.rstrip()}\n".encode("utf-8", "backslashreplace"))

    def _put(self, data: bytes) -> None:
        try:
            os.write(self.fd, data)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Closes the file; standard error stays open."""
        if self.fd != 2:
            os.close(self.fd)
            self.fd = 2


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
