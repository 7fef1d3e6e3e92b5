"""Connections: pipelining, half-close, resets, many at once (docs/http.md, "Response", "Content")."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pytest
from support.gate import Gate
from support.raw import Client, chunked, fetch, request
from support.server import Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


def numbered(count: int) -> bytes:
    """Pipelined requests that can be told apart."""
    return b"".join(request(f"/environ/{n}") for n in range(count))


def expect_numbers(client: Client, count: int) -> None:
    """Their answers, in order."""
    for number in range(count):
        assert json.loads(client.read().body)["PATH_INFO"] == f"/environ/{number}"


@pytest.mark.parametrize("count", [2, 16, 100, 500])
def test_pipelined_requests_are_answered_in_order(server: Server, count: int) -> None:
    with Client(server.address) as client:
        client.send(numbered(count))
        expect_numbers(client, count)
        client.assert_open()


def test_a_pipeline_cut_anywhere(server: Server) -> None:
    data = numbered(16)
    chance = random.Random(3)
    with Client(server.address) as client:
        for _ in range(20):
            places = sorted(chance.sample(range(1, len(data)), 5))
            client.send_pieces(data[a:b] for a, b in zip([0, *places], [*places, len(data)]))
            expect_numbers(client, 16)


def test_a_pipeline_of_all_kinds(server: Server) -> None:
    with Client(server.address) as client:
        client.send(
            request("/hello")
            + request("/pieces")
            + request("/upload", method="POST", body=b"x" * 100_000)
            + request("/hello", method="HEAD")
            + request("/upload", "Transfer-Encoding: chunked", method="POST")
            + chunked([b"y" * 10])
            + request("/status?line=204%20No%20Content")
            + request("/nowhere")
            + request("/raises")
        )
        assert client.read().body == b"Hello world!!"
        assert client.read().framing == "chunked"
        assert json.loads(client.read().body)[0] == 100_000
        assert client.read("HEAD").status == 200
        assert json.loads(client.read().body)[0] == 10
        assert client.read().status == 204
        assert client.read().status == 404
        assert client.read().status == 500


def test_a_pipeline_whose_answers_nobody_reads_yet(server: Server) -> None:
    # 16 answers of 1 MB: the server may stop reading, it must not lose or mix anything.
    with Client(server.address, receive_buffer=4096) as client:
        client.send(request("/large?n=1000000") * 16)
        for _ in range(5):
            assert fetch(server.address, "/hello").status == 200
        for _ in range(16):
            assert len(client.read().body) == 1_000_000
        client.assert_open()


def test_a_flood_of_pipelined_requests_does_not_grow_without_bound(server: Server) -> None:
    with Client(server.address) as client:
        client.socket.setblocking(False)
        sent, piece = 0, request("/hello") * 100
        while sent < 20_000_000:
            try:
                sent += client.socket.send(piece)
            except BlockingIOError:
                break
        # It was stopped by back-pressure, not by 20 MB being taken.
        assert sent < 20_000_000
        client.socket.settimeout(client.seconds)
    assert fetch(server.address, "/hello").status == 200


def test_half_close_gets_its_answers(server: Server) -> None:
    with Client(server.address) as client:
        client.send(numbered(16))
        client.half_close()
        expect_numbers(client, 16)
        client.assert_ended()


def test_half_close_during_the_application(server: Server, gate: Gate) -> None:
    with Client(server.address) as client:
        client.send(request(f"/wait?gate={gate.path}"))
        gate.arrival()
        client.half_close()
        gate.open()
        assert client.read().body == b"waited"
        client.assert_ended()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_during_the_application(server: Server, gate: Gate, how: str) -> None:
    client = Client(server.address)
    client.send(request(f"/wait?gate={gate.path}") + request("/hello"))
    gate.arrival()
    if how == "reset":
        client.reset()
    else:
        client.close()
    gate.open()
    assert fetch(server.address, "/hello").status == 200


def test_clients_that_reset_in_every_place(server: Server) -> None:
    data = request("/upload", method="POST", body=b"z" * 300) + request("/pieces")
    for at in range(0, len(data), 7):
        client = Client(server.address)
        client.send(data[:at])
        client.reset()
    assert fetch(server.address, "/hello").status == 200


def test_connections_that_send_nothing(server: Server) -> None:
    clients = [Client(server.address) for _ in range(100)]
    assert fetch(server.address, "/hello").status == 200
    for number, client in enumerate(clients):
        if number % 2:
            client.reset()
        else:
            client.close()
    assert fetch(server.address, "/hello").status == 200


def test_hundreds_of_connections_at_once(server: Server) -> None:
    clients = [Client(server.address) for _ in range(400)]
    try:
        for _ in range(3):
            for number, client in enumerate(clients):
                client.send(request(f"/environ/{number}"))
            for number, client in enumerate(clients):
                seen = json.loads(client.read().body)
                assert seen["PATH_INFO"] == f"/environ/{number}"
                assert seen["REMOTE_PORT"] == str(client.socket.getsockname()[1])
    finally:
        for client in clients:
            client.close()


def test_requests_in_a_row_on_one_connection(server: Server) -> None:
    with Client(server.address) as client:
        for _ in range(2000):
            assert client.get("/hello").body == b"Hello world!!"


def test_requests_in_a_row_on_fresh_connections(server: Server) -> None:
    for _ in range(500):
        assert fetch(server.address, "/hello", "Connection: close").body == b"Hello world!!"


def test_an_error_after_a_stream_in_a_pipeline(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/flood?n=20&label=e") + b"BAD\r\n\r\n" + request("/unread"))
        assert len(client.read().body) == 20 * 65536
        assert client.read().status == 400
        client.assert_ended()


def test_nothing_is_read_behind_an_error(server: Server) -> None:
    events(server)
    with Client(server.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + request("/unread") * 5)
        assert client.read().status == 400
        client.assert_ended()
    assert events(server) == []


def test_random_bytes_never_reach_the_application(server: Server) -> None:
    chance = random.Random(11)
    events(server)
    for _ in range(300):
        data = chance.randbytes(chance.randrange(1, 400)) + b"\r\n\r\n"
        with Client(server.address) as client:
            client.send_pieces([data])
            client.half_close()
            if not client.at_end():
                assert client.read().status in (400, 414, 431, 501, 505)
            client.assert_ended()
    assert events(server) == []


def test_mutated_requests_never_end_the_worker(server: Server) -> None:
    chance = random.Random(12)
    whole = (
        request("/upload", "Cookie: a=b", "Transfer-Encoding: chunked", method="POST")
        + chunked([b"hello", b"world"])
        + request("/hello", "Connection: close")
    )
    pid = json.loads(fetch(server.address, "/pid").body)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                del data[at]
        with Client(server.address) as client:
            client.send_pieces([bytes(data)])
            client.half_close()
            text = client.read_to_end()
            assert not text or text.startswith(b"HTTP/1.1 "), text[:100]
    assert json.loads(fetch(server.address, "/pid").body) == pid


def test_interrupt_ends_it_with_connections_open() -> None:
    with Server(BEHAVIOURS) as own, Client(own.address) as idle, Client(own.address) as begun:
        assert idle.get("/hello").status == 200
        begun.send(b"GET / HTTP/1.1\r\nHo")
        assert own.stop(signal.SIGINT) == 0
        idle.assert_ended()


def test_terminate_lets_the_request_in_hand_finish(gate: Gate) -> None:
    with Server(BEHAVIOURS) as own, Client(own.address) as idle, Client(own.address) as busy:
        assert idle.get("/hello").status == 200
        busy.send(request(f"/wait?gate={gate.path}"))
        gate.arrival()
        os.kill(own.pid, signal.SIGTERM)
        # A second one would be the fast stop: the server ends by itself now.
        gate.open()
        answer = busy.read()
        assert answer.body == b"waited"
        busy.assert_ended()
        idle.assert_ended()
        assert own.wait() == 0


def test_a_unix_socket_serves_like_tcp() -> None:
    with Server(BEHAVIOURS, unix=True) as own, Client(own.address) as client:
        client.send(numbered(16))
        expect_numbers(client, 16)
        body = b"u" * 200_000
        assert json.loads(client.get("/upload", method="POST", body=body).body)[0] == len(body)
        assert len(client.get("/large?n=1000000").body) == 1_000_000
        client.half_close()
        client.assert_ended()
