"""A real HAProxy in front of a server under test, on a socket that the test has opened for it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.server import Address

PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
needs_haproxy = pytest.mark.skipif(
    PROGRAM is None, reason="haproxy is not installed: runs where it is, and in CI"
)

NO_SERVER = "has no server available!"
"""HAProxy's alert when the one server is out of sight, which some tests want."""

_CONFIGURATION = """\
global
    maxconn 64
defaults
    mode {mode}
    timeout connect 30s
    timeout client 30s
    timeout server 30s
frontend front
    bind fd@{descriptor}
    {rules}
    default_backend back
backend back
    {backend}
    server fapws {server}
"""


@contextmanager
def haproxy(
    server: Address, directory: Path, *rules: str, mode: str = "http", words: str = "", backend: str = ""
) -> Iterator[tuple[str, int]]:
    """HAProxy in front of a server; where it listens. rules: lines of its frontend, words: of its
    ``server`` line, backend: lines of its backend."""
    where = f"unix@{server}" if isinstance(server, str) else f"{server[0]}:{server[1]}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = _text(mode, listener.fileno(), rules, f"{where} {words}", backend)
        with running(text, directory, listener):
            yield listener.getsockname()


@contextmanager
def shipped_haproxy(text: str, server: Address, directory: Path) -> Iterator[tuple[str, int]]:
    """HAProxy with a configuration as shipped, but for the addresses in it; where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"unix@{server}" if isinstance(server, str) else f"{server[0]}:{server[1]}"
        text = replace_once(text, "bind :80", f"bind fd@{listener.fileno()}")
        shipped = "unix@/run/fapws/app.sock" if isinstance(server, str) else "127.0.0.1:8888"
        with running(replace_once(text, f"one {shipped}", f"one {where}"), directory, listener):
            yield listener.getsockname()


def replace_once(text: str, old: str, new: str) -> str:
    """The text with its one ``old`` replaced."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in\n{text}"
    return text.replace(old, new)


@contextmanager
def running(text: str, directory: Path, listener: socket.socket) -> Iterator[None]:
    """HAProxy with this configuration, which names the descriptor of the listener."""
    assert PROGRAM is not None
    path = directory / "haproxy.cfg"
    path.write_text(text)
    process = subprocess.Popen(
        [PROGRAM, "-db", "-f", str(path)],
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    alerts = [line for line in output.splitlines() if "[ALERT]" in line and NO_SERVER not in line]
    assert not alerts, output


def _text(mode: str, descriptor: int, rules: Sequence[str], server: str, backend: str = "") -> str:
    lines = "\n    ".join(rules)
    return _CONFIGURATION.format(
        mode=mode, descriptor=descriptor, rules=lines, server=server, backend=backend
    )
