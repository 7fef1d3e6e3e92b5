"""Applications that read their content, or leave it, for behaviours.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from registry import EVENTS, TEXT, Environ, query, raw, valid

# ---- Content ---------------------------------------------------------------------------------


@raw
def input(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Does to wsgi.input what ?ops says: JSON list of [method, argument...]; results as JSON."""
    stream = environ["wsgi.input"]
    results: list[Any] = []
    for name, *arguments in json.loads(query(environ, "ops")):
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
    start_response("200 OK", TEXT)
    return [json.dumps(results).encode()]


@valid
def upload(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Size and digest of the content, read in pieces."""
    digest, size = hashlib.sha256(), 0
    while True:
        piece = environ["wsgi.input"].read(100_000)
        if not piece:
            break
        digest.update(piece)
        size += len(piece)
    EVENTS.append(f"upload {size}")
    start_response("200 OK", TEXT)
    return [json.dumps([size, digest.hexdigest(), environ.get("CONTENT_LENGTH")]).encode()]


@valid
def unread(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Does not look at its content."""
    EVENTS.append("unread")
    start_response("200 OK", TEXT)
    return [b"unread"]


@valid
def partly_read(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Reads the first bytes of its content."""
    first = environ["wsgi.input"].read(3)
    start_response("200 OK", TEXT)
    return [first]


@raw
def keep_input(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Reads its content in the iterator, after the head is sent."""
    stream = environ["wsgi.input"]
    start_response("200 OK", TEXT)
    yield b"then:"
    yield stream.read()


@raw
def file(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A file through wsgi.file_wrapper, from ?start on."""
    opened = open(query(environ, "path"), "rb")  # noqa: SIM115 -- the server closes it
    opened.seek(int(query(environ, "start", "0")))
    headers = list(TEXT)
    if query(environ, "length"):
        headers.append(("Content-Length", query(environ, "length")))
    start_response("200 OK", headers)
    result: Iterable[bytes] = environ["wsgi.file_wrapper"](opened)
    return result
