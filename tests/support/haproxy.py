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

_CONFIGURATION = """\
global
    maxconn 64
defaults
    mode {mode}
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend front
    bind fd@{descriptor}
    {rules}
    default_backend back
backend back
    server fapws {server}
"""


@contextmanager
def haproxy(
    server: Address, directory: Path, *rules: str, mode: str = "http", words: str = ""
) -> Iterator[tuple[str, int]]:
    """HAProxy in front of a server; where it listens. rules: lines of its frontend, words: of its
    ``server`` line."""
    assert PROGRAM is not None
    where = f"unix@{server}" if isinstance(server, str) else f"{server[0]}:{server[1]}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = directory / "haproxy.cfg"
        path.write_text(_text(mode, listener.fileno(), rules, f"{where} {words}"))
        process = subprocess.Popen(
            [PROGRAM, "-db", "-f", str(path)],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            host, port = listener.getsockname()
            yield host, port
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=10)
        assert "[ALERT]" not in output, output


def _text(mode: str, descriptor: int, rules: Sequence[str], server: str) -> str:
    lines = "\n    ".join(rules)
    return _CONFIGURATION.format(mode=mode, descriptor=descriptor, rules=lines, server=server)
