"""Copies of the tree, to be built and installed without touching the one that is tested."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BUILT = shutil.ignore_patterns(
    ".git", ".venv*", "*.egg-info", "__pycache__", "*.so", "*.o", ".*_cache", ".hypothesis"
)


def copy_tree(to: Path) -> Path:
    """What a fresh clone holds, and nothing that was built."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        top = {"build", "dist"} if Path(folder) == TREE else set()
        return BUILT(folder, names) | top.intersection(names)

    shutil.copytree(TREE, to, symlinks=True, ignore=ignored)
    return to


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Output of a command that must succeed; what it printed is in the failure otherwise."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def quick_compiler(path: Path, first: str = "") -> str:
    """A compiler (CC) that does not optimise, for tests of what is made and where it goes; first: in sh."""
    real = shlex.quote(os.environ.get("CC") or "cc")
    path.write_text(f'#!/bin/sh\n{first}\nexec {real} "$@" -O0 -Wno-error\n')
    path.chmod(0o755)
    return str(path)


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without what make and venv put there for their children."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PREFIX", "DESTDIR", "PYTHON", "VIRTUAL_ENV")
        and not name.startswith("PYTHON")
    }
    return {**inherited, **more}
