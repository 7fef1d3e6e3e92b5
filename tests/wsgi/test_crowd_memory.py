"""Memory that a crowd of clients took goes back when it has left, without max_rss and in every form."""

from __future__ import annotations

import platform
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.raw import Client, fetch
from support.server import Server

CROWD = 400
SECONDS = 60.0
"""Within which it goes back."""
ROOM_KB = 4096
"""What a worker may have grown by for other reasons: it has imported what its first request needed."""
APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
"""
PROGRAM = "begin()\nevwsgi.run()\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 990) for n in range(29))
CONTENT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n" + bytes(50_000)
IS_MALLOC = sys.implementation.name == "cpython" and platform.libc_ver()[0] in ("glibc", "")

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="runs where /proc tells memory"),
    pytest.mark.skipif(not IS_MALLOC, reason="runs on CPython, whose memory is all the C library's"),
]


def resident_kb(pid: int) -> int:
    """Kilobytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has ended")


@contextmanager
def crowd(server: Server, text: bytes) -> Iterator[None]:
    """Clients that have sent this and wait."""
    with ExitStack() as stack:
        for _ in range(CROWD):
            client = stack.enter_context(socket.create_connection(server.address))
            client.sendall(text)
        yield


@contextmanager
def another(server: Server) -> Iterator[None]:
    """A client that comes behind the crowd and stays: what it takes lies above all that the crowd took."""
    with Client(server.address) as client:
        client.get("/hello")
        yield


def await_kb(pid: int, least: int, most: int) -> int:
    """Waits until a process is within these bounds."""
    deadline = time.monotonic() + SECONDS
    while True:
        size = resident_kb(pid)
        if least <= size <= most:
            return size
        assert time.monotonic() < deadline, f"{size} KB, not {least} to {most}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("text", "kb"), [(HEAD, len(HEAD) // 1024), (CONTENT, len(CONTENT) // 1024)], ids=["heads", "contents"]
)
@pytest.mark.parametrize("form", ["hand", "command", "ini"])
def test_memory_goes_back_when_the_crowd_has_left(form: str, text: bytes, kb: int) -> None:
    if form == "hand":
        server: Server = ByHand(PROGRAM)
    elif form == "command":
        server = Server(BEGIN + PROGRAM)
    else:
        server = Server(APPLICATION, options="workers = 1\nheader_timeout = 60s\nbody_timeout = 60s")
    with server:
        fetch(server.address, "/hello")
        pid = server.pid if form == "hand" else next(p for p in server.processes() if p != server.pid)
        before = resident_kb(pid)
        for _ in range(2):
            with ExitStack() as stack:
                with crowd(server, text):
                    await_kb(pid, before + CROWD * kb // 2, 2**30)
                    stack.enter_context(another(server))
                await_kb(pid, 0, before + ROOM_KB)
            assert fetch(server.address, "/hello").status in (200, 404)
