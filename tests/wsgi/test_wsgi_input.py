"""wsgi.input and the content of requests (docs/http.md, "Content"; PEP 3333 "Input and Error Streams")."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.raw import Client, chunked, fetch, request
from support.server import Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"

LINES = b"first line\nsecond\n\n\r\nfifth without end"
CONTENTS = {
    "nothing": b"",
    "one line": b"line\n",
    "lines": LINES,
    "no line": b"x" * 1000,
    "line feeds": b"\n" * 100,
    "all bytes": bytes(range(256)) * 4,
    "spooled": b"".join(b"line %d of a content that needs a file\n" % n for n in range(5000)),
    "spooled without line": random.Random(1).randbytes(70_000).replace(b"\n", b""),
}
OPERATIONS: list[list[list[Any]]] = [
    [["read"]],
    [["read"], ["read"], ["read", 5], ["readline"], ["readlines"], ["iter"]],
    [["read", 5], ["read", 0], ["read", 1], ["read"]],
    [["read", -1], ["read", 1]],
    [["read", 10_000_000], ["read", 1]],
    [["readline"], ["readline"], ["readline"], ["readline"], ["readline"], ["readline"]],
    [["readline", 3], ["readline", 100], ["readline", 0], ["readline", -1], ["read"]],
    [["readlines"], ["read"]],
    [["iter"], ["iter"], ["read"]],
    [["next"], ["read", 2], ["readline"], ["next"], ["read"]],
    [["read", 3], ["readline"], ["iter"]],
    [["readline"], ["readlines"]],
    [["readline"], ["getvalue"], ["read", 3], ["getvalue"], ["read"], ["getvalue"]],
]


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """Takes 100,000 bytes of content at most."""
    with Server(BEHAVIOURS, options="max_body_size = 100000") as running:
        yield running


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


def expected(content: bytes, operations: list[list[Any]]) -> list[Any]:
    """What a file of this content would give: the standard library is the oracle."""
    stream = io.BytesIO(content)
    results: list[Any] = []
    for name, *arguments in operations:
        if name == "iter":
            value: Any = list(stream)
        elif name == "next":
            value = next(iter(stream), None)
        else:
            value = getattr(stream, name)(*arguments)
        if isinstance(value, bytes):
            results.append(value.decode("latin-1"))
        elif isinstance(value, list):
            results.append([line.decode("latin-1") for line in value])
        else:
            results.append(value)
    return results


def cut(content: bytes, size: int) -> list[bytes]:
    """The content in pieces."""
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_input_reads_like_a_file(server: Server, name: str, coding: str) -> None:
    content = CONTENTS[name]
    with Client(server.address) as client:
        for operations in OPERATIONS:
            target = "/input?ops=" + quote(json.dumps(operations), safe="")
            if coding == "length":
                client.send(request(target, f"Content-Length: {len(content)}", method="POST") + content)
            else:
                client.send(request(target, "Transfer-Encoding: chunked", method="POST"))
                client.send(chunked(cut(content, 777)))
            answer = client.read()
            assert answer.status == 200, operations
            assert json.loads(answer.body) == expected(content, operations), operations


def test_readlines_with_a_hint_gives_whole_lines(server: Server) -> None:
    target = "/input?ops=" + quote(json.dumps([["readlines", 5], ["read"]]), safe="")
    lines, rest = json.loads(fetch(server.address, target, method="POST", body=LINES).body)
    assert ("".join(lines) + rest).encode("latin-1") == LINES
    assert lines[0] == "first line\n"


def test_none_means_everything(server: Server) -> None:
    target = "/input?ops=" + quote(json.dumps([["read", None], ["readline", None]]), safe="")
    assert json.loads(fetch(server.address, target, method="POST", body=LINES).body) == [
        LINES.decode("latin-1"),
        "",
    ]


@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.parametrize("size", [1, 1000, 65_535, 65_536, 65_537, 300_000, 8 * 2**20])
def test_uploads_arrive_whole(server: Server, size: int, coding: str) -> None:
    content = random.Random(size).randbytes(size)
    with Client(server.address) as client:
        for _ in range(2):
            if coding == "length":
                client.send(request("/upload", method="PUT", body=content))
            else:
                client.send(request("/upload", "Transfer-Encoding: chunked", method="PUT"))
                client.send(chunked(cut(content, 8191)))
            received, digest, length = json.loads(client.read().body)
            assert received == size
            assert digest == hashlib.sha256(content).hexdigest()
            assert length == str(size)  # of the decoded content, RFC 9112 7.1.3


def test_uploads_of_several_clients_do_not_mix(server: Server) -> None:
    contents = [random.Random(n).randbytes(150_000 + n) for n in range(8)]
    clients = [Client(server.address) for _ in contents]
    try:
        for client, content in zip(clients, contents):
            client.send(request("/upload", f"Content-Length: {len(content)}", method="POST"))
        for at in range(0, 160_000, 10_000):
            for client, content in zip(clients, contents):
                client.send(content[at : at + 10_000])
        for client, content in zip(clients, contents):
            received, digest, _ = json.loads(client.read().body)
            assert (received, digest) == (len(content), hashlib.sha256(content).hexdigest())
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("target", ["/unread", "/partly_read", "/hello", "/nowhere", "/raises"])
@pytest.mark.parametrize("size", [10, 50_000, 500_000])
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_unread_content_is_never_the_next_request(
    server: Server, target: str, size: int, coding: str
) -> None:
    content = (b"GET /unread?smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 30 + 1))[:size]
    events(server)
    with Client(server.address) as client:
        if coding == "length":
            client.send(request(target, method="POST", body=content))
        else:
            client.send(request(target, "Transfer-Encoding: chunked", method="POST"))
            client.send(chunked(cut(content, 4000)))
        client.send_pieces([request("/hello")])
        answer = client.read()
        assert answer.status in (200, 404, 500)
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            assert client.read().body == b"Hello world!!"
            assert client.quiet()
    assert events(server).count("unread") == (target == "/unread")


def test_content_is_there_after_the_head_is_sent(server: Server) -> None:
    for content in (b"small", b"large" * 50_000):
        answer = fetch(server.address, "/keep_input", method="POST", body=content)
        assert answer.body == b"then:" + content


def test_content_may_drip_in(server: Server) -> None:
    content = random.Random(7).randbytes(2000)
    with Client(server.address) as client:
        client.send(request("/upload", f"Content-Length: {len(content)}", method="POST"))
        client.send_pieces(cut(content, 1))
        assert json.loads(client.read().body)[1] == hashlib.sha256(content).hexdigest()
        client.send(request("/upload", "Transfer-Encoding: chunked", method="POST"))
        client.send_pieces(cut(chunked(cut(content, 3)), 1))
        assert json.loads(client.read().body)[1] == hashlib.sha256(content).hexdigest()


# ---- Too much --------------------------------------------------------------------------------


def test_exactly_max_body_size_passes(small: Server) -> None:
    content = b"x" * 100_000
    with Client(small.address) as client:
        assert json.loads(client.get("/upload", method="POST", body=content).body)[0] == 100_000
        client.send(request("/upload", "Transfer-Encoding: chunked", method="POST"))
        client.send(chunked(cut(content, 1000)))
        assert json.loads(client.read().body)[0] == 100_000


def test_too_large_a_length_is_413_before_any_content(small: Server) -> None:
    events(small)
    with Client(small.address) as client:
        client.send(request("/upload", "Content-Length: 100001", method="POST"))
        answer = client.read()
        assert answer.status == 413
        assert "input body too big" in answer.text
        assert "close" in answer.head.tokens("Connection")
        client.assert_ended()
    assert events(small) == []


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_the_client_sees_413_although_it_goes_on_sending(small: Server, coding: str) -> None:
    # Without a lingering read the kernel answers the rest by RST, which may destroy the 413.
    events(small)
    content = b"x" * 1_000_000
    for _ in range(10):
        with Client(small.address) as client:
            if coding == "length":
                data = request("/upload", method="POST", body=content)
            else:
                data = request("/upload", "Transfer-Encoding: chunked", method="POST")
                data += chunked(cut(content, 5000))
            client.send_pieces(cut(data, 50_000))
            answer = client.read()
            assert answer.status == 413
            assert "input body too big" in answer.text
            client.assert_ended()
    assert events(small) == []


def test_nothing_after_a_413_is_read(small: Server) -> None:
    events(small)
    with Client(small.address) as client:
        client.send_pieces([request("/upload", method="POST", body=b"x" * 100_001) + request("/unread")])
        assert client.read().status == 413
        client.assert_ended()
    assert events(small) == []


def test_413_in_a_pipeline_comes_after_the_answers_before_it(small: Server) -> None:
    with Client(small.address) as client:
        client.send(
            request("/hello")
            + request("/pieces")
            + request("/upload", "Content-Length: 100001", method="POST")
        )
        assert client.read().body == b"Hello world!!"
        assert client.read().body.endswith(b"piece 4\n")
        assert client.read().status == 413
        client.assert_ended()


def test_413_needs_no_100(small: Server) -> None:
    with Client(small.address) as client:
        client.send(request("/upload", "Content-Length: 100001", "Expect: 100-continue", method="POST"))
        assert client.read().status == 413


# ---- Ends early ------------------------------------------------------------------------------

PARTS = {
    "length": request("/upload", "Content-Length: 1000", method="POST") + b"x" * 999,
    "length of a spooled one": request("/upload", "Content-Length: 200000", method="POST") + b"x" * 199_999,
    "no content at all": request("/upload", "Content-Length: 1", method="POST"),
    "inside a chunk": request("/upload", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhell",
    "after a chunk": request("/upload", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n",
    "before the last line": request("/upload", "Transfer-Encoding: chunked", method="POST")
    + b"5\r\nhello\r\n0\r\n",
    "inside the head": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Le",
}


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("part", sorted(PARTS))
def test_content_that_ends_early_reaches_no_application(server: Server, part: str, how: str) -> None:
    events(server)
    client = Client(server.address)
    client.send(PARTS[part])
    if how == "reset":
        client.reset()
    elif how == "close":
        client.close()
    else:
        client.half_close()
        if not client.at_end():
            assert client.read().status == 400
            client.assert_ended()
        client.close()
    for _ in range(3):
        assert fetch(server.address, "/hello").status == 200
    assert events(server) == []


# ---- Expect ----------------------------------------------------------------------------------


def test_100_continue_is_awaited_and_comes_once(server: Server) -> None:
    content = b"y" * 200_000
    with Client(server.address) as client:
        for _ in range(3):
            client.send(
                request(
                    "/upload",
                    "Expect: 100-continue",
                    f"Content-Length: {len(content)}",
                    method="POST",
                )
            )
            assert client.read().status == 100
            client.send(content)
            answer = client.read()
            assert answer.status == 200
            assert json.loads(answer.body)[0] == len(content)


def test_100_continue_does_not_overtake_the_answer_before(server: Server) -> None:
    with Client(server.address) as client:
        client.send(
            request("/flood?n=20&label=x")
            + request("/upload", "Expect: 100-continue", "Content-Length: 2", method="POST")
        )
        assert len(client.read().body) == 20 * 65536
        assert client.read().status == 100
        client.send(b"ab")
        assert json.loads(client.read().body)[0] == 2
