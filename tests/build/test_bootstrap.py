"""tools/bootstrap.sh on machines that lack everything: stand-ins for their package managers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.tree import TREE

HARMLESS = ("sh", "dirname", "basename", "mktemp", "rm", "cat", "env")
"""All that is left of the machine's own programs."""

SYSTEMS = [
    ("Linux", "apt-get", "apt-get install -y --no-install-recommends", "libuv1-dev", "python3-venv"),
    ("Linux", "apk", "apk add", "libuv-dev", "python3-dev"),
    ("Linux", "dnf", "dnf install -y", "libuv-devel", "python3-devel"),
    ("FreeBSD", "pkg", "pkg install -y", "libuv", "python3"),
    ("OpenBSD", "pkg_add", "pkg_add -I", "libuv", "python%3"),
]


class Machine:
    """A folder as PATH, with what a test wants in it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.write_text("")
        for name in HARMLESS:
            self.bin.joinpath(name).symlink_to(shutil.which(name) or name)

    def add(self, name: str, script: str) -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "tools/bootstrap.sh", "test"],
            cwd=self.tree(),
            env={"PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

    def tree(self) -> Path:
        """A clone in which nothing was built yet."""
        clone = self.bin.parent / "clone"
        if not clone.exists():
            shutil.copytree(TREE / "tools", clone / "tools")
        return clone


def make_machine(folder: Path, system: str, manager: str, user: int) -> Machine:
    machine = Machine(folder)
    machine.add("uname", f'case $1 in -m) echo riscv64 ;; *) echo "{system}" ;; esac')
    machine.add("id", f"echo {user}")
    machine.add(manager, f'echo "{manager} $*" >>"{machine.log}"')
    return machine


@pytest.mark.parametrize(("system", "manager", "command", "library", "python"), SYSTEMS)
def test_root_has_it_installed_and_is_told_what(
    system: str, manager: str, command: str, library: str, python: str, tmp_path: Path
) -> None:
    machine = make_machine(tmp_path, system, manager, user=0)
    done = machine.bootstrap()
    called = machine.log.read_text().splitlines()[-1]
    assert called.startswith(f"{command} ")
    assert {library, python} <= set(called.split())
    assert "installing:" in done.stdout
    # The stand-in installs nothing, so in the end it must be said what is still missing.
    assert done.returncode != 0
    assert "packages do not bring it" in done.stdout


@pytest.mark.parametrize(("system", "manager", "command", "library", "python"), SYSTEMS)
def test_without_rights_one_command_is_printed_and_nothing_done(
    system: str, manager: str, command: str, library: str, python: str, tmp_path: Path
) -> None:
    machine = make_machine(tmp_path, system, manager, user=1000)
    done = machine.bootstrap()
    assert done.returncode != 0
    assert machine.log.read_text() == ""
    (line,) = [line for line in done.stdout.splitlines() if f"{command} " in line]
    assert {library, python} <= set(line.split())


@pytest.mark.parametrize("helper", ["sudo", "doas"])
def test_rights_are_borrowed_when_no_password_is_asked(helper: str, tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Linux", "apk", user=1000)
    machine.add("true", "")
    machine.add(helper, f'echo "{helper} $*" >>"{machine.log}"; shift; exec "$@"')
    machine.bootstrap()
    called = machine.log.read_text().splitlines()
    assert any(line.startswith(f"{helper} -n sh -c apk add") for line in called)
    assert any(line.startswith("apk add") for line in called)


def test_an_unknown_system_is_told_what_to_bring(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Plan9", "fetch", user=0)
    done = machine.bootstrap()
    assert done.returncode != 0
    assert "a C compiler that works" in done.stdout
    assert "no package manager" in done.stdout
