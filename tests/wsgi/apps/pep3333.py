"""Applications for test_pep3333.py: the first segment of the path names one.

Those marked ``valid`` run inside wsgiref.validate; the others break a rule on purpose, or return
what the validator would hide from the server.
"""

from __future__ import annotations

import functools
import gc
import io
import json
import re
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from registry import EVENTS, RAW, TEXT, VALID, Environ, at_gate, query, raw, valid

EVERY_BYTE = bytes(range(256)) + b"\r\n\n\r\r\n\r\n\0\n"


@raw
def events(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Takes the events recorded so far."""
    body = json.dumps(EVENTS).encode()
    EVENTS.clear()
    start_response("200 OK", TEXT)
    return [body]


@valid
def hello(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The shortest."""
    EVENTS.append("hello")
    start_response("200 OK", TEXT)
    return [b"Hello world!!"]


# ---- Specification Details -------------------------------------------------------------------


@raw
def dictionary(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The exact type of environ, outside the validator."""
    start_response("200 OK", TEXT)
    return [str(type(environ) is dict).encode()]


@raw
def every_byte(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """All bytes and all line ends, by each of the ways."""
    how = query(environ, "how")
    write = start_response("200 OK", TEXT)
    if how == "write":
        write(EVERY_BYTE)
        return []
    return iter([EVERY_BYTE]) if how == "iterator" else [EVERY_BYTE]


class Shy:
    """An iterable that records which of its attributes are used."""

    def __getattribute__(self, name: str) -> Any:
        EVENTS.append(name)
        return object.__getattribute__(self, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"shy"])

    def __len__(self) -> int:
        return 1

    def fileno(self) -> int:
        """A trap: not a file of the server's own type."""
        return 0

    def read(self, size: int = -1) -> bytes:
        """A trap as well."""
        return b"read"

    def close(self) -> None:
        """Allowed."""


@raw
def shy(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An iterable with attributes that are none of the server's business."""
    start_response("200 OK", TEXT)
    return Shy()


@raw
def by_index(environ: Environ, start_response: Any) -> Any:
    """Iteration by __getitem__ and IndexError."""

    class Old:
        def __getitem__(self, index: int) -> bytes:
            return [b"one", b"", b"two"][index]

        def close(self) -> None:
            EVENTS.append("by_index close")

    start_response("200 OK", TEXT)
    return Old()


@raw
def lengthy(environ: Environ, start_response: Any) -> Any:
    """An iterable that is no list and has a true len()."""

    class Pieces:
        def __init__(self, pieces: list[bytes]) -> None:
            self.pieces = pieces

        def __len__(self) -> int:
            return len(self.pieces)

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.pieces)

    start_response("200 OK", TEXT)
    return Pieces([b"piece"] * int(query(environ, "n")))


@raw
def no_iterator_after_all(environ: Environ, start_response: Any) -> Any:
    """An iterable whose __iter__ fails: close() is due all the same."""

    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("no-iterator-after-all")

        def close(self) -> None:
            EVENTS.append("broken close")

    start_response("200 OK", TEXT)
    return Broken()


# ---- environ ---------------------------------------------------------------------------------


@valid
def environ(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The strings of the environ, and the types of the rest."""
    shown = {k: v if isinstance(v, str) else f"({type(v).__name__})" for k, v in environ.items()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


@valid
def url(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The algorithm of "URL Reconstruction", as the PEP has it."""
    url = environ["wsgi.url_scheme"] + "://"
    if environ.get("HTTP_HOST"):
        url += environ["HTTP_HOST"]
    else:
        url += environ["SERVER_NAME"]
        if environ["wsgi.url_scheme"] == "https":
            if environ["SERVER_PORT"] != "443":
                url += ":" + environ["SERVER_PORT"]
        elif environ["SERVER_PORT"] != "80":
            url += ":" + environ["SERVER_PORT"]
    # PEP 3333 is older than quote()'s encoding; these are bytes in Latin-1.
    url += quote(environ.get("SCRIPT_NAME", "").encode("latin-1"))
    url += quote(environ.get("PATH_INFO", "").encode("latin-1"))
    if environ.get("QUERY_STRING"):
        url += "?" + environ["QUERY_STRING"]
    start_response("200 OK", TEXT)
    return [url.encode()]


@valid
def odd_errors(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Text for wsgi.errors that no encoding takes whole."""
    log = environ["wsgi.errors"]
    log.write("odd-errors \u20ac \U0001f600 \ud800 \xe9 end\n")
    log.flush()
    start_response("200 OK", TEXT)
    return [b"written"]


@valid
def inside(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Records when it is entered and left; stops between if a gate is named."""
    EVENTS.append("enter")
    gate = query(environ, "gate")
    if gate:
        at_gate(gate, "inside")
    EVENTS.append("leave")
    start_response("200 OK", TEXT)
    return [b"done"]


# ---- start_response --------------------------------------------------------------------------


@valid
def holds_the_head(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Empty pieces, a gate, then another head by exc_info: nothing may have been sent before."""
    fields = [*TEXT, ("Content-Length", "8")] if query(environ, "length") else TEXT

    def generate() -> Iterator[bytes]:
        start_response("200 OK", [*fields, ("X-First", "yes")])
        yield b""
        at_gate(query(environ, "gate"), "empty")
        yield b""
        try:
            raise ValueError("changed its mind")
        except ValueError:
            start_response("503 Changed", fields, sys.exc_info())
        yield b"replaced"

    return generate()


@raw
def checked_at_once(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Records what start_response itself says to wrong types, then calls it rightly."""
    for status, fields in ((200, TEXT), (b"200 OK", TEXT), ("200 OK", tuple(TEXT)), ("200 OK", ["A: b"])):
        try:
            start_response(status, fields, info())
        except Exception as error:
            EVENTS.append(type(error).__name__)
        else:
            EVENTS.append("accepted")
    start_response("200 OK", TEXT, info())
    return [b"right at last"]


def info() -> Any:
    """Some sys.exc_info()."""
    try:
        raise ValueError("for exc_info")
    except ValueError:
        return sys.exc_info()


@raw
def second_after_a_failed_one(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The first call raises; a second one without exc_info is a fatal error all the same."""
    try:
        start_response(200, TEXT)
    except Exception:
        EVENTS.append("first raised")
    start_response("201 Created", TEXT)
    EVENTS.append("second accepted")
    return [b"never"]


@valid
def no_reference(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Whether the server still holds exc_info when start_response has returned."""

    class Mark(Exception):
        pass

    def fail() -> weakref.ref[Mark]:
        try:
            raise Mark
        except Mark as error:
            start_response("200 OK", TEXT, sys.exc_info())
            return weakref.ref(error)

    mark = fail()
    if sys.implementation.name != "cpython":
        gc.collect()
    return [b"held" if mark() is not None else b"free"]


@raw
def any_case(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Field names in cases of their own."""
    start_response(
        "200 OK",
        [
            ("cONTENT-tYPE", "text/plain"),
            ("content-LENGTH", "5"),
            ("dATE", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("SERVER", "own"),
        ],
    )
    return iter([b"12345"])


@raw  # the validator would hide the list, and with it the length
def dumb(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Fields that invite a server to be clever."""
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/html"),
            ("ETag", '"tag"'),
            ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Cache-Control", "no-cache"),
            ("Accept-Ranges", "bytes"),
            ("Location", "relative?a=b"),
        ],
    )
    return [b"<p>the same to everybody</p>"]


# ---- Content-Length, buffering ---------------------------------------------------------------


class Counted:
    """Pieces that are counted in EVENTS, with close()."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self.pieces)
        EVENTS.append("piece")
        return piece

    def close(self) -> None:
        EVENTS.append("close")


@raw
def more_than_its_length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Content-Length: 20, then 2,000 pieces of 10 bytes."""
    start_response("200 OK", [*TEXT, ("Content-Length", "20")])
    return Counted(b"0123456789" for _ in range(2000))


@raw
def writes_more_than_its_length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Content-Length: 5, then write() of more."""
    write = start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    write(b"123")
    write(b"4567")
    return []


@raw
def empties(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Empty pieces until another request was answered (at most a million)."""
    gate = query(environ, "gate")

    def generate() -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        at_gate(gate, "begun")
        for _ in range(1_000_000):
            if "hello" in EVENTS:
                yield b"the other was served meanwhile"
                return
            yield b""
        yield b"the other had to wait"

    return generate()


# ---- wsgi.file_wrapper -----------------------------------------------------------------------


class FileLike:
    """read() and, if wanted, close(); nothing else."""

    def __init__(self, data: bytes, step: int = 1_000_000) -> None:
        self.stream = io.BytesIO(data)
        self.step = step

    def read(self, size: int = -1) -> bytes:
        """Never more than a step at once, as a pipe does it."""
        EVENTS.append("read")
        return self.stream.read(self.step if size < 0 else min(size, self.step))


class Closable(FileLike):
    """The same with close()."""

    def close(self) -> None:
        EVENTS.append("file close")


class Failing(Closable):
    """Breaks in the middle."""

    def read(self, size: int = -1) -> bytes:
        """1,000 bytes, then an error."""
        data = super().read(1000)
        if not data:
            raise OSError("file-like-broke")
        return data


class Noted:
    """A real file that records close()."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "rb")  # noqa: SIM115
        self.read, self.fileno, self.seek, self.tell = (
            self.file.read,
            self.file.fileno,
            self.file.seek,
            self.file.tell,
        )

    def close(self) -> None:
        EVENTS.append("file close")
        self.file.close()


@raw
def wrapper(environ: Environ, start_response: Any) -> Any:
    """One use of wsgi.file_wrapper, by ?kind."""
    wrap = environ["wsgi.file_wrapper"]
    kind, path = query(environ, "kind"), query(environ, "path")
    length = query(environ, "length")
    fields = [*TEXT, ("Content-Length", length)] if length else TEXT
    start_response(query(environ, "status", "200 OK"), fields)
    data = b"0123456789" * 1000
    if kind == "like":
        return wrap(FileLike(data, 777), 100)
    if kind == "closable":
        return wrap(Closable(data))
    if kind == "failing":
        return wrap(Failing(data[:1000]))
    if kind == "memory":
        return wrap(io.BytesIO(data), 4096)
    file = Noted(path)
    if kind == "unused":
        wrap(file).close()
        return [b"something else"]
    result = wrap(file, 8192) if query(environ, "block") else wrap(file)
    if kind == "later":
        file.seek(100)  # after the wrapper was made, before it is sent
    if kind == "middleware":
        return Counted(result) if not hasattr(result, "close") else Passing(result)
    return result


class Passing:
    """What middleware makes of an iterable: pieces in upper case, close() passed on."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.close = result.close

    def __iter__(self) -> Iterator[bytes]:
        return (piece.upper() for piece in self.result)


# ---- Callables -------------------------------------------------------------------------------


def function(environ: Environ, start_response: Any, /) -> Iterable[bytes]:
    """Chooses by the path; its names are positional only."""
    name = re.split("[/?]", environ["PATH_INFO"].lstrip("/"))[0]
    app = VALID.get(name) or RAW.get(name)
    if app is None:
        start_response("404 Not Found", TEXT)
        return [b"no such application"]
    return app(environ, start_response)


class AppClass:
    """The PEP's own: the class is the application, its instances are what it returns."""

    def __init__(self, environ: Environ, start_response: Any) -> None:
        self.environ = environ
        self.start = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start("200 OK", [("Content-type", "text/plain")])
        yield b"from a class"


class Instance:
    """An instance and a bound method."""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [b"from an instance"]

    def method(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Bound."""
        start_response("200 OK", TEXT)
        return [b"from a method"]


def from_a_generator(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """A generator function: its body runs at the first iteration."""
    start_response("200 OK", TEXT)
    yield b"from a generator"


instance = Instance()
method = instance.method
partial = functools.partial(
    lambda word, environ, start: (start("200 OK", TEXT), [word])[1], b"from a partial"
)
application = function
