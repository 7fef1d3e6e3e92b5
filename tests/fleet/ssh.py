"""A real sshd for a test: its own keys, its own port, this user alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.ports import unused_port

from fleet.instances import NAMES

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/libexec")


def can_serve_ssh() -> bool:
    """Whether there is one that starts here."""
    if SSHD is None or shutil.which("ssh") is None:
        return False
    return subprocess.run([*_own_run(), "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _own_run() -> list[str]:
    """Words in front of a root's sshd where nobody has made its directory: with a /run that only it sees."""
    if os.geteuid() != 0 or os.path.isdir("/run/sshd"):
        return []
    text = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", text, "sh"]


def make_keys(directory: Path) -> None:
    """Of the server and of the user."""
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
        subprocess.run(words, check=True)


@contextmanager
def server(directory: Path, address: str, port: int, prefix: Sequence[str] = ()) -> Iterator[None]:
    """One that listens there; prefix: words in front of its command."""
    assert SSHD is not None
    file = directory / f"sshd-{address}"
    file.write_text(
        f"Port {port}\nListenAddress {address}\nHostKey {directory}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {directory}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
    )
    words = [*prefix, *_own_run(), SSHD, "-D", "-e", "-f", str(file)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert "listening" in line, line
        yield
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


def client(directory: Path, hosts: dict[str, tuple[str, int]]) -> str:
    """The command that reaches these hosts by their names."""
    lines = [f"Host {name}\nHostName {address}\nPort {port}\n" for name, (address, port) in hosts.items()]
    lines.append(
        f"Host *\nIdentityFile {directory}/user\nIdentitiesOnly yes\nUserKnownHostsFile {directory}/known\n"
        "StrictHostKeyChecking accept-new\nBatchMode yes\nLogLevel ERROR\n"
    )
    (directory / "ssh").write_text("".join(lines))
    return f"ssh -F {directory}/ssh"


@contextmanager
def one_server(directory: Path, name: str) -> Iterator[str]:
    """On this machine, which the command reaches by this name."""
    make_keys(directory)
    port = unused_port()
    with server(directory, "127.0.0.1", port):
        yield client(directory, {name: ("127.0.0.1", port)})


@contextmanager
def servers(directory: Path, prefixes: list[list[str]]) -> Iterator[str]:
    """One in the network of each instance, by the instance's name; the command."""
    make_keys(directory)
    hosts = {name: (f"10.0.0.{number}", 22) for number, name in enumerate(NAMES, 1)}
    with _all(directory, list(zip(hosts.values(), prefixes))):
        yield client(directory, hosts)


@contextmanager
def _all(directory: Path, places: list[tuple[tuple[str, int], list[str]]]) -> Iterator[None]:
    if not places:
        yield
        return
    ((address, port), prefix), *rest = places
    with server(directory, address, port, prefix), _all(directory, rest):
        yield
