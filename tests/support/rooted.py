"""What tests need that start as root and become somebody else."""

from __future__ import annotations

import os
import pwd

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")

OTHER = "nobody"
"""A user that every system has."""


def other() -> pwd.struct_passwd:
    """The user that root becomes here."""
    return pwd.getpwnam(OTHER)


def proc_status(pid: int) -> dict[str, list[str]]:
    """/proc/PID/status, each line's words by its name."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        rows = (line.partition(":") for line in file)
        return {name: rest.split() for name, _, rest in rows}
