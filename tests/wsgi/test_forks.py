"""An application that forks: the child is no server, and what it still holds keeps no client waiting."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accelerated import skip_where_there_is_none
from support.ports import unused_port
from support.raw import Client, fetch, request
from support.server import Server

APPLICATION = Path(__file__).parent / "apps" / "forks.py"


@pytest.fixture(scope="module", params=["0", "1"], ids=["accelerated", "pure"])
def forking(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with one worker."""
    skip_where_there_is_none(request.param)
    with Server(APPLICATION, env={"FAPWS_PURE": request.param}) as running:
        yield running


@pytest.mark.parametrize("way", ["exit", "raise", "return", "generate", "in_generator", "write", "c_fork"])
def test_the_child_of_a_fork_answers_nobody(forking: Server, way: str) -> None:
    if way == "c_fork":
        pytest.importorskip("ctypes", reason="needs a Python with ctypes", exc_type=ImportError)
    pid = fetch(forking.address, "/pid").body
    mark = forking.mark()
    with Client(forking.address) as client:
        client.send(request(f"/fork/{way}") + request("/pid"))
        assert client.read().body == b"parent"
        assert client.read().body == pid
        child = int(forking.wait_log(r"process (\d+), .*forked", since=mark)[1])
        fetch(forking.address, f"/await?{child}")  # its status is collected: it is over
        assert client.get("/pid").body == pid
    assert fetch(forking.address, "/pid").body == pid
    assert len(forking.processes()) == 2


def test_the_status_of_the_child_is_the_one_it_left_with(forking: Server) -> None:
    mark = forking.mark()
    assert fetch(forking.address, "/fork/exit").body == b"parent"
    child = int(forking.wait_log(r"process (\d+), .*forked", since=mark)[1])
    assert fetch(forking.address, f"/await?{child}").body == b"3"


@pytest.mark.parametrize("fields", [("HTTP/1.0",), ("HTTP/1.1", "Connection: close")])
@pytest.mark.parametrize("way", ["sleeping", "process"])
def test_the_end_of_an_answer_does_not_wait_for_the_child(
    forking: Server, way: str, fields: tuple[str, ...]
) -> None:
    version, *more = fields
    with Client(forking.address) as client:  # the child sleeps for longer than this waits
        client.send("\r\n".join([f"GET /{way} {version}", "Host: x", *more, "", ""]).encode())
        answer = client.read_to_end()
    child = int(answer.rpartition(b"\r\n\r\n")[2])
    os.kill(child, 0)  # it lives
    os.kill(child, signal.SIGTERM)  # and obeys: the worker's handler is not its own
    assert fetch(forking.address, f"/await?{child}").body == b"-15"


def test_children_hold_nothing_of_the_server(forking: Server) -> None:
    with Client(forking.address):  # a connection that waits
        child = int(fetch(forking.address, "/sleeping").body)
        held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
    os.kill(child, signal.SIGTERM)
    fetch(forking.address, f"/await?{child}")
    assert not [what for what in held if what.startswith("socket:")], held
    assert sum("eventpoll" in what for what in held) <= 1, held  # libuv's, which holds only timers


@pytest.mark.parametrize("number", ["TERM", "INT", "HUP"])
@pytest.mark.parametrize("way", ["sleeping", "process", "executed"])
def test_children_obey_signals_as_usual(forking: Server, way: str, number: str) -> None:
    wanted = getattr(signal, f"SIG{number}")
    child = int(fetch(forking.address, f"/{way}").body)
    os.kill(child, wanted)
    # Python's own handler of SIGINT raises KeyboardInterrupt.
    ends = {b"%d" % -wanted, b"1"} if number == "INT" else {b"%d" % -wanted}
    assert fetch(forking.address, f"/await?{child}").body in ends


def test_a_child_that_lives_on_holds_no_port() -> None:
    source = APPLICATION.read_text()
    # A port that the system gives to nobody else as soon as it is free.
    with Server(source, bind=f"127.0.0.1:{unused_port()}") as server:
        child = int(fetch(server.address, "/daemon").body)
        try:
            assert isinstance(server.address, tuple)
            port = server.address[1]
            server.stop(signal.SIGTERM)
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", port))
                again.listen()
        finally:
            os.kill(child, signal.SIGKILL)
