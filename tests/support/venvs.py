"""Virtual environments for applications whose packages do not go together with those of the tests.

Each is made once, below build/, and made again when what it is to hold or the Python changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.tree import TREE

HOME = TREE / "build" / "venvs"
INSTALL_SECONDS = 300.0


class Venv:
    """One environment."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = home / "bin" / "python"

    def program(self, name: str) -> str:
        """A program that came with a package."""
        return str(self.home / "bin" / name)


def venv_with(name: str, *requirements: str) -> Venv:
    """The environment ``build/venvs/NAME`` with these packages, made now if need be.

    Raises AssertionError with pip's last lines when they cannot be had.
    """
    home = HOME / name
    stamp = home / ".stamp"
    wanted = signature(requirements)
    HOME.mkdir(parents=True, exist_ok=True)
    with _locked(HOME / f"{name}.lock"):
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(home, ignore_errors=True)
            venv.create(home, with_pip=True, symlinks=True)
            _install(home, requirements)
            stamp.write_text(wanted, encoding="utf-8")
    return Venv(home)


def signature(requirements: tuple[str, ...]) -> str:
    """What the environment depends on: its packages, its Python, its place."""
    text = "\n".join([*sorted(requirements), sys.version, os.path.realpath(sys.executable), str(HOME)])
    return hashlib.sha256(text.encode()).hexdigest()


def _install(home: Path, requirements: tuple[str, ...]) -> None:
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input"]
    command += ["--disable-pip-version-check", *requirements]
    # Warnings are errors for the tests, not for pip and the builds it starts.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    last = "\n".join(done.stdout.splitlines()[-15:])
    assert done.returncode == 0, f"pip cannot install {', '.join(requirements)}:\n{last}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two runs of the tests in one tree do not make the same environment at once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
