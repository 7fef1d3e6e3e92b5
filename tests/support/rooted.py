"""What tests need that start as root and become somebody else."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

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


ORDINARY = """
import os, resource, sys
os.setgroups([]); os.setgid({gid}); os.setuid({uid})
resource.setrlimit(resource.RLIMIT_NPROC, ({count}, {count}))
os.execv(sys.argv[1], sys.argv[1:])
"""
PACKAGES = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("-packages"))])


def ordinary(count: int) -> str:
    """A program that becomes an ordinary user with so many processes, and then another program."""
    entry = other()
    return ORDINARY.format(uid=entry.pw_uid, gid=entry.pw_gid, count=count)


def common_python() -> str:
    """An interpreter that ordinary users may run, with our package; ours may lie in root's home."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        words = [sys.executable, "-c", ordinary(1000), candidate, "-c", "import fapws.worker.life"]
        tried = subprocess.run(words, env={"PYTHONPATH": PACKAGES}, cwd="/", stderr=subprocess.DEVNULL)
        if tried.returncode == 0:
            return candidate
    pytest.skip("needs a Python with cffi that ordinary users may run")
