"""What fapws3 got wrong, one test for each, against a real server.

Those of Staticfile (the root that could be left, prefixes, zero bytes, max-age) and of timers are tested
where these are.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.program import Program
from support.raw import Client, fetch, request
from support.server import Server

PROGRAM = Path(__file__).parent / "programs" / "old_bugs.py"
BY_HAND = PROGRAM.with_name("old_bugs_evwsgi.py")
NONE_CALLS = 2500
"""After so many, None had no reference left and the process aborted."""


@pytest.fixture(scope="module", params=["fapws4", "evwsgi", "evwsgi-under-a-master"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The same functions in fapws4's form, as fapws3 ran them by hand, and that under the master."""
    if request.param == "fapws4":
        running = Server(PROGRAM)
    elif request.param == "evwsgi":
        running = Program(BY_HAND, directory=BY_HAND.parent)
    else:
        running = Server(BY_HAND)
    with running:
        yield running


@pytest.fixture
def worker(server: Server) -> Iterator[Server]:
    """The server, whose worker must be the same one when the test is over."""
    before = fetch(server.address, "/pid").text
    yield server
    assert fetch(server.address, "/pid").text == before, "the worker has died"


def test_exception_does_not_kill_the_process(worker: Server) -> None:
    assert fetch(worker.address, "/fail").status == 500


def test_empty_iterator_does_not_kill_the_process(worker: Server) -> None:
    answer = fetch(worker.address, "/empty")
    assert (answer.status, answer.body) == (200, b"")


def test_response_head_over_16_kb_arrives_whole(worker: Server) -> None:
    answer = fetch(worker.address, "/long_head")
    assert [answer.head.get(f"X-{number}") for number in range(40)] == ["x" * 1000] * 40
    assert answer.text == "body"


def test_request_head_over_16_kb_is_read_or_refused(worker: Server) -> None:
    assert fetch(worker.address, "/field", "X-Later: " + "x" * 20_000).text == "x" * 20_000
    assert fetch(worker.address, "/field", "X-Later: " + "x" * 40_000).status == 431


@pytest.mark.parametrize("length", ["-1", "-9223372036854775808", "+5", "0x5", "5.0", "99999999999999999999"])
def test_content_length_that_is_no_number_is_refused(worker: Server, length: str) -> None:
    with Client(worker.address) as client:
        client.send(request("/echo", f"Content-Length: {length}", method="POST") + b"abcde")
        assert client.read().status in (400, 413)
        client.assert_ended()


def test_half_closed_post_is_answered(worker: Server) -> None:
    with Client(worker.address) as client:
        client.send(request("/echo", method="POST", body=b"abc"))
        client.half_close()
        assert client.read().text == "abc"


def test_short_content_is_not_filled_up(worker: Server) -> None:
    with Client(worker.address) as client:
        client.send(request("/echo?short", "Content-Length: 1000", method="POST") + b"short")
        client.half_close()
        assert client.read_to_end()[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408")
    # The log comes later than the response, but in order.
    fetch(worker.address, "/echo?after")
    worker.wait_log("echo is called: after")
    assert "echo is called: short" not in worker.log, "the program was given content that never came"


@pytest.mark.parametrize("name", ["content-length", "CONTENT-LENGTH", "Content-length"])
def test_content_length_in_any_case(worker: Server, name: str) -> None:
    with Client(worker.address) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\n%s: 5\r\n\r\nabcde" % name.encode())
        assert client.read().text == "abcde"


def test_line_without_colon_is_refused_and_drops_nothing_silently(worker: Server) -> None:
    assert fetch(worker.address, "/field", "X-Later: 1").text == "1"
    assert fetch(worker.address, "/field", "no colon here", "X-Later: 1").status == 400


def test_slow_reader_holds_up_nobody(worker: Server) -> None:
    with Client(worker.address, receive_buffer=4096) as slow:
        slow.send(request("/large"))
        assert slow.read_head().status == 200
        for _ in range(20):
            assert fetch(worker.address, "/scheme").status == 200


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads the time of a process from /proc")
def test_slow_reader_costs_no_time_of_the_processor(worker: Server) -> None:
    pid = fetch(worker.address, "/pid").text

    def spent() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with Client(worker.address, receive_buffer=4096) as slow:
        slow.send(request("/large"))
        slow.read_head()
        fetch(worker.address, "/pid")  # what could be sent is sent
        before = spent()
        select.select([], [], [], 1.0)  # a second in which nothing happens is what is measured
        assert spent() - before < 0.3


def test_function_that_returns_none_may_be_called_for_ever(worker: Server) -> None:
    with Client(worker.address) as client:
        for _ in range(NONE_CALLS // 50):
            client.send(request("/nothing") * 50)
            for _ in range(50):
                assert client.read().status == 200


def test_generator_is_closed(worker: Server) -> None:
    with Client(worker.address) as client:  # the same one: on others it may be closed a moment later
        client.get("/generator")
        assert "generator" in client.get("/closed").text


def test_every_client_is_told_its_own_address_under_load(worker: Server) -> None:
    wrong: list[str] = []

    def ask(number: int) -> None:
        # Linux gives every address of 127/8 to the loopback.
        source = f"127.0.0.{number + 1}" if sys.platform == "linux" else "127.0.0.1"
        for _ in range(20):
            with socket.create_connection(worker.address, 30, (source, 0)) as connection:  # type: ignore[arg-type]
                host, port = connection.getsockname()
                connection.sendall(b"GET /peer HTTP/1.0\r\n\r\n")
                told = b"".join(iter(lambda: connection.recv(4096), b"")).rpartition(b"\r\n")[2].decode()
                if told != f"{host}:{port}":
                    wrong.append(f"{told} instead of {host}:{port}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_of_the_program_run_while_the_server_waits(worker: Server) -> None:
    mark = worker.mark()
    assert fetch(worker.address, "/thread").text == "started"
    worker.wait_log("the thread has run", since=mark)


def test_scheme_is_in_lower_case(worker: Server) -> None:
    assert fetch(worker.address, "/scheme").text == "http"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_methods_reach_the_program_with_their_content(worker: Server, method: str) -> None:
    assert fetch(worker.address, "/method", method=method, body=b"abc").text == f"{method}:abc"


def test_there_is_a_file_wrapper(worker: Server) -> None:
    assert fetch(worker.address, "/wrapped").body == PROGRAM.read_bytes()
