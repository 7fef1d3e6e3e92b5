"""wsgi.input is a binary file whatever the size of the content: nothing, in memory, in a file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from support.raw import Client, fetch
from support.server import Server

APPLICATION = """
import cgi_like, gc, io, json


def attempt(call):
    try:
        result = call()
    except Exception as error:
        return type(error).__name__
    return result.decode("latin-1") if isinstance(result, bytes) else result


def text(file):
    with io.TextIOWrapper(file, "latin-1", newline="") as wrapped:
        return wrapped.read()


def into(file):
    room = bytearray(4)
    return [file.readinto(room), bytes(room).decode("latin-1")]


def application(environ, start_response):
    file = environ["wsgi.input"]
    told = {
        "is": isinstance(file, io.BufferedIOBase),
        "flags": [file.readable(), file.seekable(), file.writable(), file.isatty(), file.closed],
        "at": file.tell(),
        "end": file.seek(0, 2),
        "back": [file.seek(0), file.tell()],
        "one": attempt(lambda: file.read1(3)),
        "again": [file.seek(0), attempt(lambda: into(file))],
        "lines": [file.seek(0), len(list(file)), len(file.readlines())],
        "rest": attempt(file.read),
        "value": len(file.getvalue()),
        "write": attempt(lambda: file.write(b"x")),
        "writelines": attempt(lambda: file.writelines([b"x"])),
        "truncate": attempt(lambda: file.truncate(0)),
        "negative": attempt(lambda: file.seek(-1)),
        "text": [file.seek(0), text(file)],
    }
    del file
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
""".replace("cgi_like, ", "")


@pytest.fixture(scope="module")
def inputs() -> Iterator[Server]:
    with Server(APPLICATION) as running:
        yield running


@pytest.mark.parametrize("size", [0, 1, 5, 65_536, 65_537, 300_000])
def test_every_size_behaves_like_a_file(inputs: Server, size: int) -> None:
    content = (b"line of text\n" * (size // 13 + 1))[:size]
    with Client(inputs.address) as client:
        for _ in range(2):  # what one request has done to it is no matter for the next
            told = json.loads(client.get("/", method="POST", body=content).body)
            assert told == {
                "is": True,
                "flags": [True, True, False, False, False],
                "at": 0,
                "end": size,
                "back": [0, 0],
                "one": content[:3].decode(),
                "again": [0, [len(content[:4]), (content[:4] + bytes(4))[:4].decode()]],
                "lines": [0, len(io.BytesIO(content).readlines()), 0],
                "rest": "",
                "value": size,
                "write": "UnsupportedOperation",
                "writelines": "UnsupportedOperation",
                "truncate": "UnsupportedOperation",
                "negative": told["negative"],
                "text": [0, content.decode()],
            }
            assert told["negative"] in ("ValueError", "OSError")


def test_a_request_without_content_has_the_same(inputs: Server) -> None:
    told = json.loads(fetch(inputs.address, "/").body)
    assert told["is"] and told["text"] == [0, ""] and told["end"] == 0
