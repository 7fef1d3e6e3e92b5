"""request_buffering = no: the application reads content while it comes. And content that waits in memory."""

from __future__ import annotations

import hashlib
import json
import platform
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import Client, chunked, fetch, request
from support.server import Server

APPLICATION = """
import hashlib
import io
import json
import signal
import sys
import threading

kept = []
ticked = []


def attempt(action):
    try:
        return action()
    except Exception as error:
        return [cls.__name__ for cls in type(error).__mro__]


def in_a_thread(action):
    got = []
    thread = threading.Thread(target=lambda: got.append(attempt(action)))
    thread.start()
    thread.join()
    return got[0]


def catch(action, caught):
    try:
        action()
    except Exception as error:
        caught.append(error)


def tick(number, frame):
    ticked.append(number)
    print("ticked", file=sys.stderr, flush=True)


def echo(content):
    while piece := content.read1(65536):
        yield piece


def application(environ, start_response):
    content = environ["wsgi.input"]
    path = environ["PATH_INFO"]
    if path == "/echo":
        start_response("200 OK", [])
        return echo(content)
    if path == "/about":
        told = {
            "length": environ.get("CONTENT_LENGTH"),
            "coding": environ.get("HTTP_TRANSFER_ENCODING"),
            "terminated": environ["wsgi.input_terminated"],
            "seekable": content.seekable(),
            "seek": attempt(lambda: content.seek(0)),
            "line": content.readline().decode(),
            "rest": content.read().decode(),
            "end": content.read(5).decode(),
        }
    elif path == "/digest":
        read = 0
        digest = hashlib.sha256()
        while piece := content.read(65536):
            read += len(piece)
            digest.update(piece)
        told = [read, digest.hexdigest()]
    elif path == "/mixed":
        line, large, small = content.readline(), content.read(100_000), content.read(7)
        told = [len(line), len(large), len(small), hashlib.sha256(line + large + small).hexdigest()]
    elif path == "/large":
        large = [content.read(size) for size in (50_000, 8_192, 10)]
        told = [[len(piece) for piece in large], hashlib.sha256(b"".join(large)).hexdigest()]
    elif path == "/large-and-ticks":
        signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        try:
            told = len(content.read(100_000))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        told = [told, len(ticked) > 0]
    elif path == "/keep":
        kept.append(content)
        told = len(content.read())
    elif path == "/kept":
        told = attempt(kept.pop().read)
    elif path == "/thread":
        told = [in_a_thread(content.read), content.read().decode()]
    elif path == "/ticks":
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        try:
            told = len(content.read())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    elif path == "/thread-raises":
        failed = []
        thread = threading.Thread(target=lambda: catch(content.read, failed))
        thread.start()
        thread.join()
        raise failed[0]
    elif path in ("/leave", "/leave-large"):
        told = attempt(content.read if path == "/leave" else lambda: content.read(65536))
        print("read gave", told, file=sys.stderr)
        if "OSError" not in told:
            raise AssertionError(told)
        raise OSError("the application passes it on")
    elif path == "/raise":
        told = content.read()
    else:
        told = "unread"
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(APPLICATION, options="request_buffering = no") as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """For clients that stop: of others it would ask that the machine lets them go on within a second."""
    with Server(APPLICATION, options="request_buffering = no\nbody_timeout = 1s") as running:
        yield running


def post_later(client: Client, path: str, content: bytes, *, reads: bool = True) -> None:
    """The content follows when the application has the request, so that it cannot come with its head."""
    client.send(request(path, f"Content-Length: {len(content)}", "Expect: 100-continue", method="POST"))
    if reads:
        assert client.read_head().status == 100
    client.send(content)


def test_the_application_hears_each_piece_when_it_comes(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/echo", "Content-Length: 200000", method="POST"))
        for letter in (b"a", b"b"):
            client.send(letter * 1000)
            assert client.read_head().status == 200 if letter == b"a" else True
            assert client.read_piece() == letter * 1000
        client.send(b"c" * 198_000)
        got = b""
        while piece := client.read_piece():
            got += piece
        assert got == b"c" * 198_000


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_what_is_known_of_content_that_is_still_to_come(server: Server, coding: str) -> None:
    content = b"first line\nthe rest"
    with Client(server.address) as client:
        for _ in range(2):
            if coding == "length":
                client.send(request("/about", f"Content-Length: {len(content)}", method="POST"))
                client.send(content)
            else:
                fields = ("Transfer-Encoding: chunked", "Expect: 100-continue")
                client.send(request("/about", *fields, method="POST"))
                assert client.read_head().status == 100  # else it might have come with its head
                client.send(chunked([content[:3], content[3:]]))
            answer = client.read()
            told = json.loads(answer.body)
            assert told["length"] == (str(len(content)) if coding == "length" else None)
            assert told["coding"] is None and told["terminated"] is True
            assert [told["line"], told["rest"], told["end"]] == ["first line\n", "the rest", ""]
            assert answer.head.get("Connection") is None  # all of it was read


def test_content_that_is_to_come_has_no_positions(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/about", "Content-Length: 70000", method="POST") + b"x" * 70_000)
        told = json.loads(client.read().body)
    assert told["seekable"] is False and "OSError" in told["seek"]


@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.parametrize("size", [1, 65_536, 300_000, 8 * 2**20])
def test_uploads_arrive_whole(server: Server, size: int, coding: str) -> None:
    content = random.Random(size).randbytes(size)
    with Client(server.address) as client:
        for _ in range(2):
            if coding == "length":
                client.send(request("/digest", method="PUT", body=content))
            else:
                client.send(request("/digest", "Transfer-Encoding: chunked", method="PUT"))
                client.send(chunked([content[at : at + 8191] for at in range(0, size, 8191)]))
            assert json.loads(client.read().body) == [size, hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.parametrize("path", ["/mixed", "/large"])
def test_reads_of_every_size_give_what_comes_next(server: Server, path: str, coding: str) -> None:
    """With a buffer between or not, and however the content comes in pieces."""
    content = b"x" * 99 + b"\n" + random.Random(5).randbytes(60_000)
    with Client(server.address) as client:
        if coding == "length":
            client.send(request(path, f"Content-Length: {len(content)}", method="POST"))
        else:
            client.send(request(path, "Transfer-Encoding: chunked", method="POST"))
        for at in range(0, len(content), 7000):
            piece = content[at : at + 7000]
            client.send(piece if coding == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"" if coding == "length" else b"0\r\n\r\n")
        *lengths, digest = json.loads(client.read().body)
    if path == "/mixed":
        assert (lengths, digest) == ([100, 60_000, 0], hashlib.sha256(content).hexdigest())
    else:
        assert (lengths[0], digest) == ([50_000, 8192, 10], hashlib.sha256(content[:58_202]).hexdigest())


def test_signals_are_handled_while_a_large_read_waits(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/large-and-ticks", "Content-Length: 30000", method="POST") + b"x" * 10_000)
        server.wait_log("ticked")
        client.send(b"x" * 20_000)
        assert json.loads(client.read().body) == [30_000, True]


@pytest.mark.parametrize("coding", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_client_that_leaves_raises_oserror_in_a_large_read(server: Server, coding: str) -> None:
    since = server.mark()
    with Client(server.address) as client:
        client.send(request("/leave-large", coding, method="POST"))
        client.send(b"x" * 20_000 if "Length" in coding else b"4e20\r\n" + b"x" * 20_000)
    server.wait_log(r"read gave .*OSError", since=since)
    assert fetch(server.address, "/unread").status == 200


def test_a_client_that_waits_hears_100_at_the_first_read_only(server: Server) -> None:
    fields = ("Content-Length: 3", "Expect: 100-continue")
    with Client(server.address) as client:
        client.send(request("/about", *fields, method="POST"))
        assert client.read_head().status == 100
        client.send(b"abc")
        assert json.loads(client.read().body)["line"] == "abc"
        client.send(request("/unread", *fields, method="POST"))
        answer = client.read()
        assert answer.status == 200 and answer.head.get("Connection") == "close"


def test_content_that_is_not_read_is_never_the_next_request(server: Server) -> None:
    with Client(server.address) as client:
        smuggled = request("/about")
        client.send(request("/unread", f"Content-Length: {70_000 + len(smuggled)}", method="POST"))
        client.send(b"x" * 70_000 + smuggled)
        answer = client.read()
        assert (answer.text, answer.head.get("Connection")) == ('"unread"', "close")
        assert client.at_end()


@pytest.mark.parametrize("coding", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_client_that_leaves_raises_oserror_in_read(server: Server, coding: str) -> None:
    since = server.mark()
    with Client(server.address) as client:
        client.send(request("/leave", coding, method="POST"))
    server.wait_log(r"read gave .*OSError", since=since)
    assert fetch(server.address, "/unread").status == 200


def test_a_client_that_stops_sending_gets_408_and_holds_nobody_longer(hasty: Server) -> None:
    with Client(hasty.address) as client:
        client.send(request("/raise", "Content-Length: 10", method="POST") + b"abc")
        assert client.read().status == 408
        assert client.at_end()
    assert fetch(hasty.address, "/unread").status == 200


def test_a_response_does_not_wait_for_the_content_of_the_next_request(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/first") + request("/digest", "Content-Length: 5", method="POST"))
        assert client.read().text == '"unread"'
        client.send(b"hello")
        assert json.loads(client.read().body)[0] == 5


def test_signals_give_a_client_that_stops_sending_no_more_time(hasty: Server) -> None:
    with Client(hasty.address) as client:
        client.send(request("/ticks", "Content-Length: 10", method="POST") + b"abc")
        assert client.read().status == 408


def test_malformed_chunks_get_400(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/raise", "Transfer-Encoding: chunked", method="POST") + b"zz\r\n")
        assert client.read().status == 400


def test_an_input_that_outlives_its_request_reads_nothing_of_the_next(server: Server) -> None:
    with Client(server.address) as client:
        post_later(client, "/keep", b"hello")
        assert client.read().text == "5"
        post_later(client, "/kept", b"secret", reads=False)
        answer = client.read()
        assert "ValueError" in json.loads(answer.body)


def test_another_thread_may_not_read(server: Server) -> None:
    with Client(server.address) as client:
        post_later(client, "/thread", b"hello")
        other, own = json.loads(client.read().body)
    assert "OSError" in other and own == "hello"


def test_an_exception_of_another_threads_read_leaves_no_client_without_a_response(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/thread-raises", "Content-Length: 5", method="POST"))
        assert client.read().status == 500
        assert client.at_end()


FAPWS4 = """
def form(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr((environ["fapws.params"], environ["wsgi.input"].read())).encode()]


PATHS = [("/form", form)]
SERVER = {"host": "127.0.0.1", "port": "0"}
"""


def test_the_servers_own_readers_get_along_without_positions() -> None:
    options = "request_buffering = no\ndebug = 3"
    with Server(APPLICATION, options=options) as server, Client(server.address) as client:
        post_later(client, "/about", b"a line")
        assert json.loads(client.read().body)["line"] == "a line"
    with Server(FAPWS4, options="request_buffering = no") as server, Client(server.address) as client:
        kind = "Content-Type: application/x-www-form-urlencoded"
        fields = (kind, "Content-Length: 7", "Expect: 100-continue")
        client.send(request("/form", *fields, method="POST"))
        assert client.read_head().status == 100
        client.send(b"a=1&b=2")
        assert client.read().text == "({'a': ['1'], 'b': ['2']}, b'a=1&b=2')"


MEMORY = """
def application(environ, start_response):
    content = environ["wsgi.input"]
    try:
        content.fileno()
        where = b"file"
    except OSError:
        where = b"memory"
    start_response("200 OK", [("Content-Length", str(len(where)))])
    return [where]
"""


LENGTH = """
def application(environ, start_response):
    length = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Length", str(len(length)))])
    return [length]
"""


def where(server: Server, size: int, framing: str = "") -> str:
    with Client(server.address) as client:
        if framing:
            client.send(request("/", framing, method="POST") + chunked([bytes(size)]))
        else:
            client.send(request("/", method="POST", body=bytes(size)))
        return client.read().text


def test_content_of_known_length_waits_in_memory_up_to_body_memory() -> None:
    with Server(MEMORY, options="body_memory = 200k") as server:
        assert where(server, 204_800) == "memory"
        assert where(server, 204_801) == "memory"  # a block of body_pool
        assert where(server, 100_000, "Transfer-Encoding: chunked") == "file"
    with Server(MEMORY, options="body_memory = 200k\nbody_pool = 100k") as server:
        assert where(server, 102_400) == "memory"
        assert where(server, 102_401) == "file"
    with Server(MEMORY, options="body_pool = 4m") as server:
        for size in (3 * 2**20, 3 * 2**20 + 1, 4 * 2**20):
            assert where(server, size) == "memory"
        assert where(server, 4 * 2**20 + 1) == "file"
    with Server(MEMORY, options="body_memory = 0") as server:
        assert where(server, 65_536) == "memory"
        assert where(server, 65_537) == "file"


def test_a_length_with_more_digits_than_int_takes_is_a_length() -> None:
    with Server(MEMORY) as server, Client(server.address) as client:
        client.send(request("/", f"Content-Length: {'0' * 5000}70000", method="POST"))
        client.send(bytes(70_000) + request("/"))
        assert [client.read().text for _ in range(2)] == ["memory", "memory"]


@pytest.mark.parametrize("option", ["request_buffering = yes", "request_buffering = no"])
@pytest.mark.parametrize("behind", [b"\r\n", request("/")])
def test_what_a_client_sends_behind_its_content_costs_it_no_response(option: str, behind: bytes) -> None:
    """Old clients end a form with CR LF that they do not count; a reset could overtake the response."""
    fields = ("Content-Length: 100000", "Connection: close")
    with Server(LENGTH, options=option) as server, Client(server.address) as client:
        client.send(request("/", *fields, method="POST") + bytes(99_999))
        client.send(b"x" + behind)
        assert client.read().text == "100000"
        assert client.socket.recv(1) == b""


def faults(server: Server) -> int:
    """Pages that the kernel has had to bring in so far."""
    return sum(
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])
        for pid in server.processes()
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
@pytest.mark.skipif(platform.python_implementation() != "CPython", reason="PyPy has a heap of its own")
@pytest.mark.parametrize("size", [99_328, 2**20])
def test_uploads_use_the_same_memory_again(size: int) -> None:
    with Server(MEMORY) as server:
        for _ in range(20):
            assert where(server, size) == "memory"
        before = faults(server)
        for _ in range(100):
            assert where(server, size) == "memory"
        assert faults(server) - before < 100 * 10  # 24 and more for each if the heap shrinks
