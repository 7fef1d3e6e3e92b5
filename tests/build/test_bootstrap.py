"""tools/bootstrap.sh on machines that lack everything: stand-ins for their package managers."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.tree import TREE

HARMLESS = ("sh", "dirname", "basename", "mktemp", "rm", "cat", "env", "mkdir", "tail")
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

    def bootstrap(self, purpose: str = "test") -> subprocess.CompletedProcess[str]:
        return self.run(purpose, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def run(self, purpose: str, **streams: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "tools/bootstrap.sh", purpose],
            cwd=self.tree(),
            env={"PATH": str(self.bin)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            **streams,
        )

    def bootstrap_at_a_terminal(self) -> str:
        """What the person at the terminal reads when a password is asked for."""
        screen, terminal = pty.openpty()
        try:
            done = self.run("test", stdin=terminal, stderr=terminal)
        finally:
            os.close(terminal)
        with open(screen, "rb", buffering=0) as shown:
            read = b""
            with contextlib.suppress(OSError):  # Linux's way to say that nobody writes any more
                while piece := shown.read(65536):
                    read += piece
        assert done.returncode != 0
        return done.stdout + read.decode()

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
    assert any(line.startswith(f"{helper} -n sh -c ") for line in called)
    assert any(line.startswith("apk add") for line in called)


@pytest.mark.parametrize("helper", ["sudo", "doas"])
def test_a_refusal_at_the_terminal_says_what_to_type(helper: str, tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Linux", "apt-get", user=1000)
    machine.add(helper, 'echo "joe is not in the sudoers file" >&2; exit 1')
    told = machine.bootstrap_at_a_terminal()
    assert machine.log.read_text() == ""
    assert "joe is not in the sudoers file" in told
    assert "no right to install packages here. As root, type" in told
    assert "apt-get install -y --no-install-recommends" in told.partition("As root")[2]


@pytest.mark.parametrize(("system", "manager", "package"), [
    ("Linux", "apt-get", "procps"), ("Linux", "apk", "procps"), ("Linux", "dnf", "procps-ng"),
])  # fmt: skip
def test_programs_that_only_tests_start_are_installed_for_tests_alone(
    system: str, manager: str, package: str, tmp_path: Path
) -> None:
    machine = make_machine(tmp_path, system, manager, user=0)
    machine.bootstrap("build")
    assert {package, "curl"}.isdisjoint(machine.log.read_text().split())
    machine.bootstrap("test")
    assert {package, "curl"} <= set(machine.log.read_text().split())
    # There they are; busybox's ps is none that the tests can use.
    machine.log.write_text("")
    machine.add("curl", "")
    machine.add("ps", 'case "$*" in *axeww*) echo "ps: unrecognized option: axeww" >&2; exit 1 ;; esac')
    machine.bootstrap("test")
    assert "curl" not in machine.log.read_text().split()
    assert package in machine.log.read_text().split()


def test_what_a_package_manager_says_goes_to_a_file_that_is_named(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Linux", "apt-get", user=0)
    machine.add("apt-get", "echo Unpacking this and that; echo a warning >&2")
    done = machine.bootstrap()
    assert "build/packages.log" in done.stdout
    assert "Unpacking" not in done.stdout
    assert "warning" not in done.stdout
    said = (machine.tree() / "build" / "packages.log").read_text()
    assert "Unpacking this and that\na warning\n" in said


def test_an_installation_that_failed_shows_the_end_of_what_was_said(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Linux", "apt-get", user=0)
    machine.add(
        "apt-get", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo $i; echo $i; done; echo no space; exit 100"
    )
    done = machine.bootstrap()
    assert done.returncode != 0
    assert "no space" in done.stdout
    assert len(done.stdout.splitlines()) < 40
    assert f"{machine.tree()}/build/packages.log" in done.stdout


def test_an_unknown_system_is_told_what_to_bring(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, "Plan9", "fetch", user=0)
    done = machine.bootstrap()
    assert done.returncode != 0
    assert "a C compiler that works" in done.stdout
    assert "no package manager" in done.stdout
