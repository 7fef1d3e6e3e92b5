"""Whether a process catches a signal, or would be ended by it."""

from __future__ import annotations


def catches(pid: int, number: int) -> bool | None:
    """None: this system has no /proc that tells, or there is no such process."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as status:
            lines = status.read(65536).split(b"\n")
    except OSError:
        return None
    sets = [line.split()[1] for line in lines if line.startswith(b"SigCgt:")]
    return holds(sets[0], number) if sets else None


def holds(signals: str | bytes, number: int) -> bool | None:
    """Whether a set of signals, written as a hexadecimal number, has this one in it."""
    try:
        return bool(int(signals, 16) >> number - 1 & 1)
    except ValueError:
        return None
