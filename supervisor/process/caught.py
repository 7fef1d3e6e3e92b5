"""Whether a process catches a signal, or would be ended by it."""

from __future__ import annotations

from fapws.lean import signal


def catches(pid: int, number: int) -> bool | None:
    """None: this system has no /proc that tells, or there is no such process."""
    caught = _caught(pid)
    return holds(caught, number) if caught else None


def catches_itself(pid: int, number: int) -> bool:
    """Whether a worker that starts has set a handler of its own: what the fork has left it are all of the
    master's, SIGCHLD's among them, which it gives up last."""
    caught = _caught(pid)
    return bool(holds(caught, number)) and not holds(caught, signal.SIGCHLD)


def _caught(pid: int) -> bytes:
    """The set of those signals; empty: nobody tells."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as status:
            lines = status.read(65536).split(b"\n")
    except OSError:
        return b""
    return next((line.split()[1] for line in lines if line.startswith(b"SigCgt:")), b"")


def holds(signals: str | bytes, number: int) -> bool | None:
    """Whether a set of signals, written as a hexadecimal number, has this one in it."""
    try:
        return bool(int(signals, 16) >> number - 1 & 1)
    except ValueError:
        return None
