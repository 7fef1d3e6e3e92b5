"""One application, many behaviours: the first segment of the path says which.

The rest of them stand in faults.py, flow.py and content.py; registry.py knows them all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import content  # noqa: F401 -- registers its applications
import faults  # noqa: F401
import flow  # noqa: F401
from registry import EVENTS, RAW, TEXT, VALID, Closing, Environ, query, raw, valid

# ---- What the server says --------------------------------------------------------------------


@valid
def environ(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The environ as JSON: strings as they are, other values by their type and value."""
    shown: dict[str, Any] = {}
    for key, value in environ.items():
        shown[key] = value if isinstance(value, str) else repr(value)
    shown["types"] = {key: type(value).__name__ for key, value in environ.items()}
    shown["content"] = environ["wsgi.input"].read(65536).decode("latin-1")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


@valid
def events(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Takes the events recorded so far."""
    body = json.dumps(EVENTS).encode()
    EVENTS.clear()
    start_response("200 OK", TEXT)
    return [body]


@valid
def pid(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The worker's process id."""
    start_response("200 OK", TEXT)
    return [str(os.getpid()).encode()]


@valid
def errors(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Writes to wsgi.errors by every method it has."""
    log = environ["wsgi.errors"]
    log.write("errors-write\n")
    log.writelines(["errors-line-1\n", "errors-line-2 \u20ac\n"])
    log.flush()
    start_response("200 OK", TEXT)
    return [b"ok"]


@raw
def spoil(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Changes its environ as a middleware may; the next request must not notice."""
    names = sorted(environ)
    for key in list(environ):
        if isinstance(environ[key], str):
            environ[key] = "spoilt"
    environ["x.spoilt"] = "yes"
    environ["SCRIPT_NAME"] = "/spoilt"
    del environ["QUERY_STRING"]
    start_response("200 OK", TEXT)
    return [json.dumps(names).encode()]


# ---- Answers that keep the rules -------------------------------------------------------------


@valid
def hello(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The shortest."""
    start_response("200 OK", TEXT)
    return [b"Hello world!!"]


@raw
def plain(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A list of one element, outside the validator, which would hide the list."""
    start_response("200 OK", TEXT)
    return [b"plain"]


@valid
def status(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Any status line."""
    code = query(environ, "line", "200 OK")
    no_content = code[:3] in ("204", "304")
    start_response(code, [] if no_content else TEXT)
    return [] if no_content else [b"content"]


@raw
def content_anyway(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Content where there must be none."""
    fields = [("Content-Length", query(environ, "length"))] if query(environ, "length") else []
    start_response(query(environ, "line"), fields)
    return Closing([b"con", b"tent"], "anyway")


@valid
def pieces(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A generator of several pieces, some of them empty."""

    def generate() -> Iterator[bytes]:
        for number in range(5):
            yield b"piece %d\n" % number
            yield b""

    start_response("200 OK", TEXT)
    return generate()


@raw  # the validator would hide the list behind an iterator
def sequence(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A list, a tuple, of none, one or several pieces."""
    parts = [b"part %d;" % n for n in range(int(query(environ, "n", "1")))]
    start_response("200 OK", TEXT)
    return tuple(parts) if query(environ, "kind") == "tuple" else parts


@valid
def late(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Calls start_response only when the first piece is asked for."""

    def generate() -> Iterator[bytes]:
        start_response("200 OK", [*TEXT, ("X-Late", "yes")])
        yield b"late"

    return generate()


@valid
def late_empty(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Calls start_response late and yields nothing."""

    def generate() -> Iterator[bytes]:
        start_response("202 Accepted", [*TEXT, ("X-Late", "yes")])
        yield from ()

    return generate()


@valid
def write(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The write() callable, then an iterable."""
    write = start_response("200 OK", TEXT)
    for number in range(int(query(environ, "n", "3"))):
        write(b"written %d\n" % number)
    return [b"returned\n"]


@valid
def write_only(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Only write()."""
    start_response("200 OK", TEXT)(b"written")
    return []


@valid
def write_length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """write() with a Content-Length."""
    write = start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    write(b"four")
    write(b"more")
    return []


@raw
def write_large(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """write() of more than any buffer holds."""
    write = start_response("200 OK", TEXT)
    for _ in range(int(query(environ, "n"))):
        write(b"w" * 65536)
    return []


@valid
def length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A Content-Length of its own before several pieces."""
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return iter([b"01234", b"", b"56789"])


@raw
def length_wrong(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Content-Length ?given, content of ?sizes, as a list or an iterator with close()."""
    parts = [b"x" * int(size) for size in query(environ, "sizes").split(",")]
    start_response("200 OK", [*TEXT, ("Content-Length", query(environ, "given"))])
    return parts if query(environ, "kind") == "list" else Closing(parts, "length")


@raw  # the validator forbids a tab, RFC 9110 allows it
def fields(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Repeated fields, Latin-1 values, a Server of its own."""
    start_response(
        "200 OK",
        [
            *TEXT,
            ("Set-Cookie", "a=1"),
            ("X-Latin", "caf\xe9"),
            ("Set-Cookie", "b=2"),
            ("X-Empty", ""),
            ("X-Tab", "a\tb"),
            ("Server", "own/1"),
        ],
    )
    return [b"ok"]


@valid
def big_head(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A head far beyond any buffer: one large value and many fields."""
    cookies = [("Set-Cookie", f"c{n}=v") for n in range(int(query(environ, "cookies")))]
    start_response("200 OK", [*TEXT, ("X-Big", "b" * int(query(environ, "size"))), *cookies])
    if query(environ, "kind") == "iterator":
        return iter([b"one", b"two"])
    return [b"onetwo"]


@raw
def date(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A Date of its own."""
    start_response("200 OK", [*TEXT, ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")])
    return [b"ok"]


@valid
def exc_info_before(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Replaces its head before anything was sent."""
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    try:
        raise ValueError("first-attempt")
    except ValueError:
        start_response("503 Busy", [*TEXT, ("X-Second", "yes")], sys.exc_info())
    return [b"replaced"]


@valid
def exc_info_in_iterator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Replaces its head in the iterator, before the first piece that is not empty."""

    def generate() -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        try:
            raise ValueError("first-attempt")
        except ValueError:
            start_response("503 Busy", [*TEXT, ("X-Second", "yes")], sys.exc_info())
        yield b"replaced"

    return generate()


@valid
def exc_info_first(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The very first call has exc_info."""
    try:
        raise ValueError("at-once")
    except ValueError:
        start_response("500 Oops", TEXT, sys.exc_info())
    return [b"oops"]


@raw
def exc_info_after(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Tries to replace a head that is sent: start_response must raise what it was given."""

    def generate() -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"x" * 1000
        try:
            raise ValueError("too-late-for-another-head")
        except ValueError as error:
            try:
                start_response("500 Oops", TEXT, sys.exc_info())
            except BaseException as raised:
                EVENTS.append(f"exc_info_after raised same {raised is error}")
                raise
        EVENTS.append("exc_info_after went on")
        yield b"never"

    return Closing(generate(), "exc_info_after")


@raw
def exc_info_swallowed(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """As before, but goes on after the error."""

    def generate() -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"first;"
        try:
            raise ValueError("swallowed")
        except ValueError:
            try:
                start_response("500 Oops", TEXT, sys.exc_info())
            except ValueError:
                yield b"second"

    return generate()


def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Passes the request to the behaviour that its path names."""
    name = environ["PATH_INFO"].split("/")[1]
    app = VALID.get(name) or RAW.get(name)
    if app is None:
        start_response("404 Not Found", TEXT)
        return [b"no such behaviour: " + environ["PATH_INFO"].encode("latin-1")]
    return app(environ, start_response)
