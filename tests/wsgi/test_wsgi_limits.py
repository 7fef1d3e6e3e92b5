"""Time and number (docs/http.md): timeouts, connections, descriptors."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gate import Gate
from support.house import wait_until
from support.raw import Client, fetch, request
from support.server import Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"
SLACK = 8.0
"""Seconds that a coarse clock and a busy machine may add; below the default of every timeout."""
HEAD, BODY, IDLE, WRITE = 0.6, 0.7, 2.0, 0.9
PATIENT = 4.0
"""Seconds: a client that goes on is not kept waiting by the machine for so long."""


# One timeout each: a client that the machine keeps waiting must not meet another one.


def served_with(**seconds: float) -> Any:
    """A fixture: a server with these timeouts."""

    @pytest.fixture(scope="module")
    def served() -> Iterator[Server]:
        options = "\n".join(f"{name} = {limit}s" for name, limit in seconds.items())
        with Server(BEHAVIOURS, options=options) as running:
            yield running

    return served


short_head = served_with(header_timeout=HEAD)
short_body = served_with(body_timeout=BODY)
short_idle = served_with(keepalive_timeout=IDLE)
short_write = served_with(write_timeout=WRITE)
# For clients that go on.
patient = served_with(body_timeout=PATIENT, keepalive_timeout=PATIENT, write_timeout=PATIENT)


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


def assert_timed(started: float, limit: float) -> None:
    """The end came after the limit, and not much after it."""
    took = time.monotonic() - started
    assert limit * 0.8 <= took <= limit + SLACK, took


# ---- Timeouts --------------------------------------------------------------------------------


def test_a_head_that_stops_is_408(short_head: Server) -> None:
    with Client(short_head.address) as client:
        started = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        answer = client.read()
        assert answer.status == 408
        assert "close" in answer.head.tokens("Connection")
        client.assert_ended()
        assert_timed(started, HEAD)


def test_a_head_that_drips_is_408_all_the_same(short_head: Server) -> None:
    with Client(short_head.address) as client:
        started = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\n")
        # quiet() waits for the answer; the next byte goes out when it has not come in time.
        for _ in range(100):
            if not client.quiet(0.05):
                break
            client.send_pieces([b"X"])
        assert client.read().status == 408
        client.assert_ended()
        assert_timed(started, HEAD)


def test_the_head_of_a_second_request_is_timed_too(short_head: Server) -> None:
    with Client(short_head.address) as client:
        assert client.get("/hello").status == 200
        started = time.monotonic()
        client.send(b"GET / HT")
        assert client.read().status == 408
        client.assert_ended()
        assert_timed(started, HEAD)


@pytest.mark.parametrize("coding", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_content_that_stops_is_408(short_body: Server, coding: str) -> None:
    events(short_body)
    with Client(short_body.address) as client:
        started = time.monotonic()
        client.send(request("/upload", coding, method="POST") + b"5\r\nhe")
        answer = client.read()
        assert answer.status == 408
        assert "close" in answer.head.tokens("Connection")
        client.assert_ended()
        assert_timed(started, BODY)
    assert events(short_body) == []


def test_content_that_was_promised_but_never_begins_is_408(short_body: Server) -> None:
    with Client(short_body.address) as client:
        client.send(request("/upload", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        assert client.read().status == 100
        assert client.read().status == 408
        client.assert_ended()


def test_content_that_keeps_coming_is_not_cut_off(patient: Server) -> None:
    with Client(patient.address) as client:
        client.send(request("/upload", "Content-Length: 12", method="POST"))
        started = time.monotonic()
        for _ in range(12):
            assert client.quiet(0.4)
            client.send(b"x")
        assert json.loads(client.read().body)[0] == 12
        assert time.monotonic() - started > PATIENT


def test_an_idle_connection_is_closed_without_a_word(short_idle: Server) -> None:
    with Client(short_idle.address) as client:
        started = time.monotonic()  # before the answer, of which a busy machine tells late
        assert client.get("/hello").status == 200
        client.assert_ended()
        assert_timed(started, IDLE)


def test_a_connection_that_never_speaks_is_closed_without_a_word(short_idle: Server) -> None:
    with Client(short_idle.address) as client:
        client.assert_ended()


def test_use_starts_the_idle_time_anew(patient: Server) -> None:
    with Client(patient.address) as client:
        started = time.monotonic()
        for _ in range(12):
            assert client.get("/hello").status == 200
            assert client.quiet(0.4)
        assert time.monotonic() - started > PATIENT
        assert client.get("/hello").status == 200


def test_a_slow_application_is_no_idle_connection(patient: Server, gate: Gate) -> None:
    with Client(patient.address) as client:
        client.send(request(f"/wait?gate={gate.path}"))
        gate.arrival()
        assert client.quiet(PATIENT + 1)
        client.send(request("/hello"))  # before it may be called idle
        gate.open()
        assert [client.read().body for _ in range(2)] == [b"waited", b"Hello world!!"]


def test_a_reader_that_stops_is_closed(short_write: Server, gate: Gate) -> None:
    events(short_write)
    with Client(short_write.address, receive_buffer=4096) as client:
        started = time.monotonic()
        client.send(request(f"/flood?n=1000000&label=stop&gate={gate.path}"))
        assert gate.arrival() == "close"
        assert_timed(started, WRITE)
    assert events(short_write).count("stop close") == 1


def test_a_reader_that_stops_in_one_large_answer_is_closed(short_write: Server) -> None:
    with Client(short_write.address, receive_buffer=4096) as client:
        client.send(request(f"/large?n={10 * 2**20}"))
        client.read_head()
        with Client(short_write.address) as other:
            # Time passes on another connection, which stays in use.
            for _ in range(8):
                assert other.get("/hello").status == 200
                other.quiet(0.4)
        assert len(client.read_to_end()) < 10 * 2**20


def test_a_slow_reader_that_makes_progress_is_kept(patient: Server) -> None:
    with Client(patient.address, receive_buffer=4096) as client:
        client.send(request("/flood?n=100&label=progress"))
        client.read_head()
        total = 0
        started = time.monotonic()
        with Client(patient.address) as other:
            while time.monotonic() - started < PATIENT * 1.25:
                total += len(client.read_piece())
                assert other.get("/hello").status == 200
                other.quiet(0.2)
        assert total + len(client.read_rest()) == 100 * 65536


def test_many_timeouts_at_once(short_head: Server) -> None:
    clients = [Client(short_head.address) for _ in range(100)]
    try:
        for number, client in enumerate(clients):
            client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * number)
        for client in clients:
            assert client.read().status == 408
            client.assert_ended()
    finally:
        for client in clients:
            client.close()
    assert fetch(short_head.address, "/hello").status == 200


# ---- Number of connections -------------------------------------------------------------------

# Each client speaks before the next one comes: the kernel gives silent ones to the server (TCP_DEFER_ACCEPT)
# after a second or so, and then in an order of its own.


def test_above_max_connections_accepting_pauses_and_nobody_is_refused() -> None:
    with Server(BEHAVIOURS, options="max_connections = 4") as own:
        held: list[Client] = []
        waiting: list[Client] = []
        try:
            for _ in range(4):
                held.append(Client(own.address))
                assert held[-1].get("/hello").status == 200
            for _ in range(3):
                waiting.append(Client(own.address))
                waiting[-1].send(request("/hello"))
            for client in held:
                assert client.get("/hello").status == 200
            assert all(client.quiet() for client in waiting)
            for client, other in zip(held, waiting):
                client.close()
                assert other.read().body == b"Hello world!!"
        finally:
            for client in held + waiting:
                client.close()
        assert fetch(own.address, "/hello").status == 200


OPENS_FILES = """
import os

def application(environ, start_response):
    files = [open(os.devnull) for _ in range(12)]
    start_response("200 OK", [])
    for file in files:
        file.close()
    return [b"opened"]
"""


@pytest.mark.parametrize("content", [b"", b"x" * 70_000], ids=["idle", "uploading"])
def test_clients_leave_descriptors_to_the_application(content: bytes) -> None:
    """128 descriptors and 200 clients: connections and temporary files together leave it enough."""
    limited = ["sh", "-c", 'ulimit -n 128 && exec "$@"', "sh"]
    with Server(OPENS_FILES, prefix=limited) as own:
        clients = [Client(own.address)]
        try:
            clients[0].send(request("/"))
            assert clients[0].read().body == b"opened"
            length = f"Content-Length: {len(content) + 1}"
            for _ in range(199):
                clients.append(Client(own.address))
                clients[-1].send(request("/", length, method="POST") + content if content else request("/"))
            if not content:
                for client in clients[1:40]:
                    assert client.read().body == b"opened"
            for _ in range(3):
                clients[0].send(request("/"))
                assert clients[0].read().body == b"opened"
            assert "Too many open files" not in own.log
        finally:
            for client in clients:
                client.close()


def answered(clients: list[Client], number: int) -> list[Client]:
    """Those that have something to read, once they are so many."""
    found = [client for client in clients if not client.quiet()]
    return found if len(found) >= number else []


def test_content_in_temporary_files_is_bounded_and_the_bound_is_told() -> None:
    options = "max_body_size = 100k\nmax_spool = 200k\nbody_memory = 0"
    with Server(BEHAVIOURS, options=options) as own:
        clients = [Client(own.address) for _ in range(4)]
        try:
            for client in clients:
                client.send(request("/hello", "Content-Length: 100000", method="POST") + b"x" * 90_000)
            own.wait_log("content is refused with 503: max_spool is reached")
            # Which ones there is room for depends on how much of each is read when.
            refused = wait_until(lambda: answered(clients, 2), "two are refused")
            for client in clients:
                if client in refused:
                    assert client.read().status == 503
                    continue
                client.send(b"x" * 10_000)
                assert client.read().status == 200
            with Client(own.address) as other:
                other.send(request("/hello", "Content-Length: 100000", method="POST") + b"x" * 100_000)
                assert other.read().status == 200
        finally:
            for client in clients:
                client.close()


def ticks(server: Server) -> int:
    """CPU time of the server's processes, in clock ticks."""
    total = 0
    for pid in server.processes():
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(stat[11]) + int(stat[12])
    return total


def least_used(server: Server, client: Client, seconds: float, most: float) -> float:
    """Seconds of CPU while a client stays quiet: the least of five times, for what was asked before may still
    be worked on behind its answer. The first that is not more than ``most`` is enough."""
    spent = []
    for _ in range(5):
        before = ticks(server)
        assert client.quiet(seconds)
        spent.append((ticks(server) - before) / os.sysconf("SC_CLK_TCK"))
        if spent[-1] <= most:
            break
    return min(spent)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads CPU time from /proc")
def test_without_descriptors_it_waits_and_recovers() -> None:
    limited = ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"]
    with Server(BEHAVIOURS, prefix=limited) as own:
        mark = own.mark()
        clients: list[Client] = []
        try:
            for _ in range(150):
                clients.append(Client(own.address))
                clients[-1].send(request("/hello"))
            assert clients[0].read().body == b"Hello world!!"
            # The first are served and stay open; the others wait in the backlog.
            spent = least_used(own, clients[0], 1.5, 0.5)
            assert spent <= 0.5, f"{spent} s of CPU while there was nothing to do"
            assert clients[0].get("/hello").status == 200
            clients[0].close()
            for number, client in enumerate(clients[1:], 1):
                assert client.read().body == b"Hello world!!", number
                client.close()
        finally:
            for client in clients:
                client.close()
        assert fetch(own.address, "/hello").status == 200
        lines = own.log_since(mark).splitlines()
        assert len(lines) <= 3, lines


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads CPU time from /proc")
def test_an_idle_server_uses_no_cpu(server: Server) -> None:
    with Client(server.address) as idle:
        assert idle.get("/hello").status == 200
        spent = least_used(server, idle, 2.0, 0.1)
    assert spent <= 0.1, spent


# ---- Sizes that are configured ---------------------------------------------------------------


def test_limits_of_the_head_are_configured() -> None:
    options = "max_header_size = 2k\nmax_headers = 5\nmax_uri = 100"
    with Server(BEHAVIOURS, options=options) as own:
        assert fetch(own.address, "/hello", "A: b", "C: d", "E: f", "G: h").status == 200
        assert fetch(own.address, "/hello", "A: b", "C: d", "E: f", "G: h", "I: j").status == 431
        assert fetch(own.address, "/hello", "A: " + "b" * 1000).status == 200
        assert fetch(own.address, "/hello", "A: " + "b" * 2048).status == 431
        assert fetch(own.address, "/hello?" + "x" * 93).status == 200
        assert fetch(own.address, "/hello?" + "x" * 94).status == 414


def test_a_timeout_of_0_is_off() -> None:
    options = "keepalive_timeout = 0\nheader_timeout = 0"
    with Server(BEHAVIOURS, options=options) as own, Client(own.address) as client:
        assert client.get("/hello").status == 200
        assert client.quiet(1.5)
        client.send(b"GET /hello HTTP/1.1\r\n")
        assert client.quiet(1.5)
        client.send(b"Host: a\r\n\r\n")
        assert client.read().status == 200
