"""conf/samples/proxy: what it hands on, what it keeps back, and what it says when it cannot."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import Client, chunked, fetch
from support.samples import PATIENCE, running
from support.server import Server

UPSTREAM = """\
import json, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Keep-Alive", "timeout=5")])
        return (b"%d\\n" % number for number in range(1000))
    if path == "/missing":
        start_response("404 Gone Fishing", [("Content-Type", "text/plain")])
        return [b"no"]
    body = environ["wsgi.input"].read()
    if path == "/echo":
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Set-Cookie", "a=1"),
                                  ("Set-Cookie", "b=2")])
        return [body]
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""


@pytest.fixture
def upstream() -> Iterator[Server]:
    with Server(UPSTREAM) as server:
        yield server


def test_proxy_hands_on_what_belongs_to_both_ends(tmp_path: Path, upstream: Server) -> None:
    with running("proxy/proxy.py", tmp_path, UPSTREAM=upstream.url) as proxy:
        own = ("X-Own: 1", "Cookie: c=d", "X-Forwarded-For: 6.6.6.6")
        hops = ("Connection: keep-alive, X-Mine", "X-Mine: 2", "TE: trailers")
        answer = fetch(proxy.address, "/a%2Fb/?q=%20", *own, *hops)
        seen = json.loads(answer.body)
        assert (seen["REQUEST_URI"], seen["HTTP_HOST"]) == ("/a%2Fb/?q=%20", "localhost")
        assert (seen["HTTP_X_OWN"], seen["HTTP_COOKIE"]) == ("1", "c=d")
        assert (seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_X_FORWARDED_PROTO"]) == ("127.0.0.1", "http")
        assert not {"HTTP_X_MINE", "HTTP_TE"}.intersection(seen)

        streamed = fetch(proxy.address, "/stream")
        assert (streamed.framing, streamed.body) == ("chunked", b"".join(b"%d\n" % n for n in range(1000)))
        assert streamed.head.get("Keep-Alive") is None
        assert fetch(proxy.address, "/stream", method="HEAD").body == b""
        assert (fetch(proxy.address, "/missing").status, fetch(proxy.address, "/missing").text) == (404, "no")

        body = bytes(range(256)) * 2000
        echo = fetch(proxy.address, "/echo", "Content-Type: a/b", method="PUT", body=body)
        assert (echo.framing, echo.body) == ("length", body)
        assert echo.head.all("Set-Cookie") == ["a=1", "b=2"]
        with Client(proxy.address) as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(chunked([b"a", b"bc"]))
            assert client.read().body == b"abc"


def test_proxy_says_504_when_the_upstream_is_silent(tmp_path: Path) -> None:
    # Nobody accepts: the kernel does, and then there is silence.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with running("proxy/proxy.py", tmp_path, UPSTREAM=url, TIMEOUT="0.2") as proxy:
            assert fetch(proxy.address).status == 504


def test_proxy_says_502_when_the_upstream_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as deaf:  # bound, so that nobody else takes the port, but not listening
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with running("proxy/proxy.py", tmp_path, UPSTREAM=url) as proxy:
            assert fetch(proxy.address).status == 502
            proxy.wait_log("proxy: ConnectionRefusedError")


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    """An upstream whose every byte the test decides."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def answering(wire: socket.socket, data: bytes) -> threading.Thread:
    """Reads one request head, sends these bytes and hangs up."""

    def serve() -> None:
        connection, _ = wire.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_proxy_says_502_when_the_answer_is_none(tmp_path: Path, wire: socket.socket) -> None:
    url = f"http://127.0.0.1:{wire.getsockname()[1]}"
    with running("proxy/proxy.py", tmp_path, UPSTREAM=url) as proxy:
        for data in (b"", b"garbage\r\n\r\n"):
            thread = answering(wire, data)
            assert fetch(proxy.address).status == 502
            thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("framing", "half", "told"),
    [
        ("Content-Length: 10", b"half", b"half"),
        ("Transfer-Encoding: chunked", b"4\r\nhalf\r\n", b"4\r\nhalf\r\n"),
    ],
)
def test_proxy_cuts_what_the_upstream_cut(
    framing: str, half: bytes, told: bytes, tmp_path: Path, wire: socket.socket
) -> None:
    url = f"http://127.0.0.1:{wire.getsockname()[1]}"
    with running("proxy/proxy.py", tmp_path, UPSTREAM=url) as proxy, Client(proxy.address) as client:
        thread = answering(wire, f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + half)
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_head().status == 200
        assert client.read_to_end() == told, "no end that would look like the whole"
        proxy.wait_log("IncompleteRead")
        thread.join(PATIENCE)
