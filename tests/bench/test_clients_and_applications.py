"""The bench's own client in bursts, the floor, its network, and the pages of the frameworks."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import os
import platform
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

import pytest
from support.ports import unused_port

from . import clients, install, network

HERE = Path(__file__).resolve().parent
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello world!"
CONNECTIONS = 5


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("load") / "load"
    install.build_load(HERE / "load.c", target)
    return target


class Peer:
    """A server that responds when it has a request of every connection, and not before."""

    def __init__(self, page: bytes, closes: bool) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.bursts = 0
        self._page, self._closes = page, closes
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        open_: list[socket.socket] = []
        with contextlib.suppress(OSError):
            while True:
                while len(open_) < CONNECTIONS:
                    open_.append(self.listener.accept()[0])
                asked = [connection.recv(4096) for connection in open_]
                if b"" in asked:
                    break
                self.requests += asked
                self.bursts += 1
                for connection in open_:
                    connection.sendall(self._page)
                if self._closes:
                    while open_:
                        open_.pop().close()
        for connection in open_:
            connection.close()

    def end(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(10)


@pytest.mark.parametrize("closes", [False, True])
def test_a_burst_asks_on_every_connection_before_it_reads(load: Path, closes: bool) -> None:
    page = PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if closes else PAGE
    peer = Peer(page, closes)
    goal = clients.Goal(peer.listener.getsockname()[1], 0.1, load)
    request = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: n=0000000000000000\r\n\r\n"
    command = clients.load_command(goal, "-b", "-c", str(CONNECTIONS))
    try:
        ran = subprocess.run(command, input=request, capture_output=True, check=True, timeout=20)
    finally:
        peer.end()
    answered = clients.check(clients.parse_load(ran.stdout.decode()))
    assert answered.requests == len(peer.requests) == peer.bursts * CONNECTIONS
    assert answered.p99_ms == 0.0  # of requests that wait for others: not told
    assert len(set(peer.requests)) == len(peer.requests)  # each with a number of its own


def test_the_longest_wait_is_told(load: Path) -> None:
    said = "requests 3\nper_second 3.00\np50_ms 1.000\np99_ms 2.000\nlongest_ms 21.500\nwrong 0\n"
    assert clients.parse_load(said).longest_ms == 21.5


def test_parts_of_a_second_reach_the_clients_that_know_them(load: Path) -> None:
    goal = clients.Goal(80, 0.3, load)
    assert "-d1s" in clients.wrk_command(goal, None, 1, "/")
    assert clients.load_command(goal)[1:3] == ["-d", "0.3"]


@pytest.mark.skipif(
    platform.python_implementation() != "CPython"
    or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="floor.c is an extension of CPython: it needs Python.h",
)
def test_the_floor_serves_what_the_application_returns(tmp_path: Path) -> None:
    command = ["cc", "-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{sysconfig.get_path('include')}", "-o", str(tmp_path / "bench_floor.so")]
    subprocess.run([*command, str(HERE / "floor.c")], check=True, timeout=60)
    port = unused_port()
    program = [sys.executable, str(HERE / "apps" / "run.py"), "floor", "hello:application", str(port), "5"]
    with subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(tmp_path)}) as floor:
        try:
            connection = _connected(port, floor)
            for _ in range(3):
                connection.request("GET", "/")
                response = connection.getresponse()
                assert (response.status, response.getheader("Content-Type")) == (200, "text/plain")
                assert response.read() == b"Hello world!"
            connection.close()
        finally:
            floor.terminate()


def _connected(port: int, process: subprocess.Popen[bytes]) -> http.client.HTTPConnection:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(ConnectionRefusedError):
            connection.connect()
            return connection
    raise AssertionError(f"it ended with {process.returncode}")


ENTER = """
import socket
from tests.bench import network
print(network.enter())
print(",".join(name for _, name in socket.if_nameindex()))
with socket.create_server(("127.0.0.1", 0)) as listener:
    socket.create_connection(listener.getsockname()).close()
"""


def test_the_bench_has_a_network_of_its_own_or_says_what_is_in_force() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ENTER], capture_output=True, text=True, timeout=30, cwd=HERE.parents[1]
    )
    assert ran.returncode == 0, ran.stderr
    words, names = ran.stdout.splitlines()
    if words == f"{network.WANTED}, in a network namespace":
        assert names == "lo"
    else:
        assert words.startswith(f"{network.control()}, of the host's own network (")


def _respond(application: Any, target: str) -> tuple[bytes, dict[str, str], Any]:
    """The content, the header fields, and what the application returned, not closed."""
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {"PATH_INFO": target}
    setup_testing_defaults(environ)
    head: dict[str, str] = {}
    returned = application(environ, lambda status, fields, *rest: head.update(fields))
    return b"".join(returned), head, returned


# In a Python of its own: Django's settings are the whole process's, and other tests have others.
PAGES = """
import importlib, sys
from wsgiref.util import setup_testing_defaults

def respond(application, target, cookie=""):
    environ = {"PATH_INFO": target, "HTTP_COOKIE": cookie}
    setup_testing_defaults(environ)
    head = {}
    returned = application(environ, lambda status, fields, *rest: head.update(fields))
    return b"".join(returned), head, returned

pages = importlib.import_module(sys.argv[1])
for application in (pages.application, pages.with_session):
    before = int(respond(application, "/closed")[0])
    content, head, returned = respond(application, "/")
    assert content == b"Hello world!", content
    assert int(respond(application, "/closed")[0]) == before
    returned.close()
    assert int(respond(application, "/closed")[0]) == before + 1
first = head["Set-Cookie"].split(";")[0]
again = respond(pages.with_session, "/", first)[1]["Set-Cookie"].split(";")[0]
assert again != first, "it has not counted the visits in the session that the client named"
"""


@pytest.mark.parametrize("name", ["flask", "django"])
def test_pages_of_a_framework_count_what_is_closed_and_know_their_sessions(name: str) -> None:
    pytest.importorskip(name, reason=f"runs where {name} is installed")
    program = [sys.executable, "-c", PAGES, f"{name}_pages"]
    ran = subprocess.run(program, cwd=HERE / "apps", capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_the_iterable_and_the_list_are_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE / "apps"))
    monkeypatch.setitem(sys.modules, "iterables", None)  # taken away afterwards, and what was there put back
    del sys.modules["iterables"]  # other tests have one of this name
    pages = importlib.import_module("iterables")
    listed, iterable = _respond(pages.listed, "/"), _respond(pages.iterable, "/")
    assert listed[:2] == iterable[:2]
    assert type(listed[2]) is list
    assert callable(iterable[2].close)
