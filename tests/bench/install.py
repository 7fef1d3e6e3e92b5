"""The venv of the bench: the peers from PyPI, and fapws as users get it, a wheel of this tree.

The venv holds a *copy* of the interpreter, not a link to it. The kernel shares the pages of one
file between all processes that run it, so a server on the system's own python3 would look smaller
while this harness, or anything else written in Python, is running.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

NOT_SOURCE = shutil.ignore_patterns(
    ".git",
    ".venv*",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    "*.so",
    "*.o",
    ".*_cache",
    ".hypothesis",
)


class InstallError(Exception):
    """What could not be installed and why, in one line; the log has the rest."""


class Venv:
    def __init__(self, python: str, home: Path, logs: Path, copies: bool = True) -> None:
        """Made if it is not there. PyPy's programs find their library by the link only: copies=False."""
        self.bin = home / "bin"
        self.home = home
        self._logs = logs
        if not (self.bin / "python").exists():
            how = "--copies" if copies else "--symlinks"
            self._run(home.name, [python, "-m", "venv", "--clear", how, str(home)])

    def version(self, distribution: str) -> str | None:
        script = f"from importlib.metadata import version; print(version({distribution!r}))"
        asked = subprocess.run(
            [str(self.bin / "python"), "-c", script], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip() if asked.returncode == 0 else None

    def require(self, distribution: str) -> None:
        """Install a peer from PyPI unless it is there.

        Not from pip's cache: what it has compiled for another Python of the same version, such as one with a
        shared library, may be linked to that one (uWSGI then loads no application).
        """
        if self.version(distribution) is None:
            self._pip(distribution, "install", "--no-cache-dir", distribution)

    def install_tree(self, tree: Path) -> None:
        """Build a wheel from a copy of the tree and install it, so that the tree stays as it is.

        Nothing is done while the sources are those that were installed last.
        """
        stamp, state = self.home / "tree", _checksum(tree)
        if stamp.exists() and stamp.read_text() == state and self.version("fapws"):
            return
        source, wheels = self.home / "source", self.home / "wheels"
        for folder in (source, wheels):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tree, source, symlinks=True, ignore=NOT_SOURCE)
        # What an older pip writes as the program imports a megabyte that Fapws does not need.
        self._pip("pip", "install", "pip >= 25.2")
        self._pip("fapws-wheel", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
        wheel = next(wheels.glob("*.whl"))
        self._pip("fapws", "uninstall", "--yes", "fapws")
        self._pip("fapws", "install", str(wheel))
        stamp.write_text(state)

    def _pip(self, name: str, *arguments: str) -> None:
        pip = [str(self.bin / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        self._run(name, pip + list(arguments))

    def _run(self, name: str, command: list[str]) -> None:
        log = self._logs / f"install-{self.home.name}-{name}.log"
        with log.open("w") as out:
            status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
        if status:
            raise InstallError(_reason(log.read_text(errors="replace")) or f"exit status {status}")


def _checksum(tree: Path) -> str:
    """Of every file that makes the wheel."""
    files = [tree / "setup.py", tree / "pyproject.toml"]
    for folder in ("csrc", "fapws", "supervisor"):
        files += [path for path in (tree / folder).rglob("*") if path.suffix in (".c", ".h", ".py")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(tree)).encode() + path.read_bytes())
    return digest.hexdigest()


def build_load(source: Path, target: Path) -> None:
    """Compile the client that wrk and ab cannot be, unless it is newer than its source."""
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    command = ["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-o", str(target), str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise InstallError(_reason(ran.stderr) or f"{source.name} does not compile")


def build_floor(source: Path, venv: Venv) -> None:
    """Compile floor.c into the venv, unless it is newer than its source."""
    script = "import sysconfig as s; print(s.get_path('include'), s.get_path('purelib'))"
    asked = subprocess.run(
        [str(venv.bin / "python"), "-c", script], capture_output=True, text=True, check=True
    )
    include, packages = asked.stdout.split()
    target = Path(packages) / "bench_floor.so"
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    command = ["cc", "-O2", "-std=c11", "-shared", "-fPIC", f"-I{include}"]
    ran = subprocess.run(
        [*command, "-o", str(target), str(source)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise InstallError(_reason(ran.stderr) or f"{source.name} does not compile")


def _reason(log: str) -> str:
    """The line of a pip log that says most: the compiler's first error, else the last of all."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    compiler = [line for line in lines if re.match(r"\S+:\d+:(\d+:)? (fatal )?error: ", line)]
    return next(iter(compiler or [line for line in lines if "error:" in line.lower()][-1:]), "")
