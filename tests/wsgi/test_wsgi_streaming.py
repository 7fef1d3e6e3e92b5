"""Streaming answers: order, back-pressure, close() exactly once (docs/http.md, "Response")."""

from __future__ import annotations

import json

import pytest
from support.gate import Gate
from support.raw import Client, fetch, request
from support.server import Server


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


def settle(server: Server, label: str) -> int:
    """How many pieces a flood gave until it stood still: same count over many exchanges."""
    total, still = 0, 0
    for _ in range(5000):
        news = events(server).count(f"{label} piece")
        total += news
        still = 0 if news else still + 1
        if still == 200:
            return total
    raise AssertionError(f"{label} does not stand still: {total} pieces")


@pytest.mark.parametrize("target", ["/stepwise", "/stepwise_write"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_each_piece_is_on_the_wire_before_the_next_is_asked_for(
    server: Server, gate: Gate, target: str, version: str
) -> None:
    with Client(server.address) as client:
        client.send(request(f"{target}?gate={gate.path}", version=version))
        client.read_head()
        assert client.read_until(6) == b"step 0"
        assert gate.arrival() == "before 1"
        assert client.quiet()
        gate.open()
        assert client.read_until(6) == b"step 1"
        assert gate.arrival() == "before 2"
        gate.open()
        assert client.read_rest() == b"step 2"


@pytest.mark.parametrize("size", [4095, 4096, 70_000])
def test_large_pieces_do_not_wait_for_the_next_either(server: Server, gate: Gate, size: int) -> None:
    """The kernel may join them into full segments, but holds nothing back for good."""
    with Client(server.address) as client:
        client.send(request(f"/stepwise?gate={gate.path}&size={size}"))
        client.read_head()
        for number in range(2):
            assert client.read_until(size) == (b"step %d" % number).ljust(size, b".")
            assert gate.arrival() == f"before {number + 1}"
            gate.open()
        assert client.read_rest() == b"step 2".ljust(size, b".")
        client.send(request("/hello"))
        assert client.read_head().status in (200, 404)


def test_the_head_does_not_wait_for_a_second_piece(server: Server, gate: Gate) -> None:
    with Client(server.address) as client:
        client.send(request(f"/stepwise?gate={gate.path}"))
        assert client.read_head().status == 200
        assert client.read_piece() == b"step 0"
        for _ in range(2):
            gate.arrival()
            gate.open()
        assert client.read_rest() == b"step 1step 2"


def test_close_once_after_the_whole_answer(server: Server) -> None:
    events(server)
    for fields in ([], ["Connection: close"]):
        with Client(server.address) as client:
            assert client.get("/closing", *fields).body == b"onetwo"
        assert events(server) == ["closing piece", "closing piece", "closing close"]


def test_close_is_due_for_a_list_too(server: Server) -> None:
    events(server)
    fetch(server.address, "/closing_list")
    assert events(server) == ["closing_list close"]


def test_close_comes_before_the_next_request_of_the_connection(server: Server) -> None:
    events(server)
    with Client(server.address) as client:
        client.send(request("/closing") + request("/events"))
        client.read()
        assert json.loads(client.read().body)[-1] == "closing close"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_close_once_when_the_client_leaves(server: Server, gate: Gate, how: str) -> None:
    events(server)
    client = Client(server.address, receive_buffer=4096)
    client.send(request(f"/flood?n=100000&label=left&gate={gate.path}"))
    client.read_head()
    client.read_piece()
    if how == "reset":
        client.reset()
    else:
        client.close()
    assert gate.arrival() == "close"
    seen = events(server)
    assert seen.count("left close") == 1
    # Nothing of it moves any more.
    assert fetch(server.address, "/hello").status == 200
    assert events(server) == []
    assert gate.nobody()


def test_close_when_the_client_leaves_an_iterator_that_stands_still(server: Server, gate: Gate) -> None:
    client = Client(server.address, receive_buffer=4096)
    client.send(request(f"/flood?n=100000&label=still&gate={gate.path}"))
    client.read_head()
    settle(server, "still")
    client.close()
    assert gate.arrival() == "close"
    assert events(server).count("still close") == 1


def test_a_slow_reader_holds_its_own_iterator_back_and_nobody_else(server: Server, gate: Gate) -> None:
    events(server)
    with Client(server.address, receive_buffer=4096) as slow:
        slow.send(request(f"/flood?n=2000&label=slow&gate={gate.path}"))
        slow.read_head()
        pieces = settle(server, "slow")
        # The kernel takes a few MB at most; the rest of 125 MB must not have been asked for.
        assert pieces < 300, pieces
        for _ in range(20):
            assert fetch(server.address, "/hello").body == b"Hello world!!"
        with Client(server.address) as other:
            assert len(other.get("/flood?n=50&label=other").body) == 50 * 65536
        assert len(slow.read_rest()) == 2000 * 65536
        assert gate.arrival() == "close"
        slow.assert_open()
    assert events(server).count("slow close") == 1


def test_many_slow_readers_at_once(server: Server) -> None:
    slow = [Client(server.address, receive_buffer=4096) for _ in range(30)]
    try:
        for client in slow:
            client.send(request("/flood?n=100&size=20000&label=many"))
        for client in slow:
            assert client.read_head().status == 200
        assert fetch(server.address, "/hello").body == b"Hello world!!"
        for client in reversed(slow):
            assert len(client.read_rest()) == 100 * 20000
            client.assert_open()
    finally:
        for client in slow:
            client.close()


def test_a_half_closed_reader_gets_the_whole_stream(server: Server) -> None:
    with Client(server.address, receive_buffer=4096) as client:
        client.send(request("/flood?n=200&label=half"))
        client.half_close()
        assert len(client.read().body) == 200 * 65536
        client.assert_ended()


def test_a_stream_in_a_pipeline_delays_what_follows(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/flood?n=50&label=first") + request("/pieces") + request("/hello"))
        assert len(client.read().body) == 50 * 65536
        assert client.read().body.endswith(b"piece 4\n")
        assert client.read().body == b"Hello world!!"


def test_threads_of_the_application_run_while_the_worker_waits(server: Server, gate: Gate) -> None:
    assert fetch(server.address, f"/thread?gate={gate.path}").body == b"started"
    # No further request is made: only a worker that gave up the interpreter lets this come.
    assert gate.arrival() == f"thread {sum(range(200_000))}"
