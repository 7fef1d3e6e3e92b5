"""Why the master cannot start, or cannot reload: a sentence for people and an exit status."""

from __future__ import annotations

import errno

DONE = 0
FAILED = 1
USAGE = 2
NOT_ALLOWED = 4
NOT_CONFIGURED = 6
NOT_RUNNING = 7
"""Exit codes of init scripts (LSB); ``fapwsctl status`` has its own."""

TAKEN = 8
"""A start tells this to its caller when another master has the pidfile. It is no program's exit code."""


class CannotStart(Exception):
    """``str`` is the sentence; ``status`` the exit code that goes with it."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


class PlaceTaken(CannotStart):
    """Another process listens there."""

    def __init__(self, text: str, holder: str = "") -> None:
        super().__init__(text)
        self.holder = holder
        """Its PID and command line; empty: not known."""


def refused(what: str, error: OSError) -> CannotStart:
    """An operating system's error in front of what could not be done."""
    denied = error.errno in (errno.EACCES, errno.EPERM)
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return PlaceTaken(f"{what}: {reason}")
    return CannotStart(f"{what}: {reason}", NOT_ALLOWED if denied else FAILED)
