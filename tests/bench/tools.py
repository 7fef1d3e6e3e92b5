"""Which programs and headers the bench misses, and the command that installs them on Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Debian's own build of CPython is optimised by profile (PGO, LTO); others often are not.
PREFERRED_PYTHON = "/usr/bin/python3"

PROGRAMS = {
    "wrk": "wrk",
    "ab": "apache2-utils",
    "taskset": "util-linux",
    "chrt": "util-linux",
    "nginx": "nginx-light",
    "cc": "gcc libc6-dev",
    "pkg-config": "pkg-config",
    "strace": "strace",
    "pypy3": "pypy3 pypy3-dev pypy3-venv",
}
HEADERS = {"ev.h": "libev-dev", "uv.h": "libuv1-dev"}
INDISPENSABLE = ("wrk", "taskset")

_CAN_BUILD = """
import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
"""


class Tools(NamedTuple):
    python: str | None  # an interpreter that can make a venv and build extensions
    missing: dict[str, str]  # what is missing -> the Debian packages that have it


def find() -> Tools:
    missing = {name: package for name, package in PROGRAMS.items() if not program(name)}
    if "cc" not in missing:
        missing.update({name: package for name, package in HEADERS.items() if not _compiles(name)})
    python = next((path for path in (PREFERRED_PYTHON, sys.executable) if _can_build(path)), None)
    if python is None:
        missing["Python.h, venv"] = "python3-dev python3-venv"
    return Tools(python, missing)


def program(name: str) -> str | None:
    """The path of a program; nginx lives in sbin, which is not on everybody's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def packages(missing: dict[str, str]) -> list[str]:
    return sorted({name for names in missing.values() for name in names.split()})


def install_command(missing: dict[str, str]) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends " + " ".join(packages(missing))


def _can_build(python: str) -> bool:
    return Path(python).exists() and _succeeds([python, "-c", _CAN_BUILD])


def _compiles(header: str) -> bool:
    return _succeeds(["cc", "-fsyntax-only", "-x", "c", "-include", header, "/dev/null"])


def _succeeds(command: list[str]) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False).returncode == 0
