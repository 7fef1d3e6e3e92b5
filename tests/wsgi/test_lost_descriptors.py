"""An application that closes what is the server's: the worker says so, leaves, and is replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accelerated import skip_where_there_is_none
from support.raw import Client, fetch, request
from support.server import Server

CLOSING = """
import os


def closed(kind):
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if kind in target and int(name) > 2:
            yield int(name)


def listening():
    import socket

    for fd in closed("socket:"):
        blocking = os.get_blocking(fd)
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            continue
        os.set_blocking(fd, blocking)  # PyPy makes it blocking
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield sock.detach()
        else:
            sock.detach()


def application(environ, start_response):
    what = environ["PATH_INFO"][1:]
    if what == "listener":
        for fd in list(listening()):
            os.close(fd)
    elif what == "epoll":
        for fd in list(closed("eventpoll")):
            os.close(fd)
    elif what == "range":
        os.closerange(3, 256)
    elif what == "pipes":
        for fd in list(closed("pipe:")):
            os.close(fd)
    elif what == "channel":
        own = set(listening())
        mine = environ.get("fapws.socket_fd")
        for fd in list(closed("socket:")):
            if fd not in own:
                os.close(fd)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
"""


def other_worker(server: Server, pid: bytes) -> bytes:
    """Waits until another worker answers."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            answered = fetch(server.address, "/").body
        except (OSError, AssertionError):
            continue
        if answered != pid:
            return answered
    raise AssertionError(f"nobody else answers\n{server.log}")


@pytest.fixture(params=["0", "1"], ids=["accelerated", "pure"])
def closing(request: pytest.FixtureRequest) -> Iterator[Server]:
    skip_where_there_is_none(request.param)
    with Server(CLOSING, env={"FAPWS_PURE": request.param}) as running:
        yield running


@pytest.mark.parametrize("what", ["listener", "epoll", "range"])
def test_a_worker_that_has_lost_what_it_needs_leaves_and_says_why(closing: Server, what: str) -> None:
    pid = fetch(closing.address, "/").body
    mark = closing.mark()
    with Client(closing.address) as client:
        client.send(request(f"/{what}"))
        client.read_to_end()  # it is done: a connection that came before would be accepted as ever
        with Client(closing.address):  # who comes now makes the worker notice
            closing.wait_log("fapws: the worker failed: ", since=mark)
            other_worker(closing, pid)


@pytest.mark.parametrize("what", ["pipes", "channel"])
def test_a_worker_without_its_masters_pipes_serves_on_or_is_replaced(closing: Server, what: str) -> None:
    assert fetch(closing.address, "/").status == 200
    with Client(closing.address) as client:
        client.send(request(f"/{what}"))
        client.read_to_end()
    answer = fetch(closing.address, "/")
    assert answer.status == 200
    pid = int(answer.body)
    before = _cpu(pid)
    time.sleep(0.5)
    assert _cpu(pid) - before < 0.25, "it spins"


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
