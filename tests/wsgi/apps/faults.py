"""Applications that break a rule, for behaviours.py: what the server must make of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from urllib.parse import parse_qs

from registry import TEXT, Closing, Environ, query, raw

# ---- Faults of the application ---------------------------------------------------------------


def twice(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A second start_response without exc_info."""
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"never"]


def twice_in_iterator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A second one before anything was sent."""
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    yield b"never"


def never(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """No start_response at all."""
    return [b"never"]


def never_empty(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """No start_response and no content."""
    return []


def never_iterator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """No start_response in a generator."""
    yield b"never"


def raises(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception before start_response."""
    raise RuntimeError("secret-of-the-traceback")


def raises_after_start(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception after start_response, before any content."""
    start_response("200 OK", TEXT)
    raise RuntimeError("secret-of-the-traceback")


def raises_in_iterator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception before the first piece."""
    start_response("200 OK", TEXT)

    def generate() -> Iterator[bytes]:
        yield b""
        raise RuntimeError("secret-of-the-traceback")

    return Closing(generate(), "raises_in_iterator")


def raises_in_close(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception in close(): the answer is whole already."""

    class Bad(Closing):
        def close(self) -> None:
            super().close()
            raise RuntimeError("secret-of-the-traceback")

    start_response("200 OK", TEXT)
    return Bad([b"whole"], "raises_in_close")


def raises_base(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """What is no Exception: must not end the worker silently."""

    class Odd(BaseException):
        pass

    raise Odd("secret-of-the-traceback")


def raises_exit(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """sys.exit() in a request."""
    sys.exit(3)


def raises_unprintable(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception whose text cannot be had."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    raise Unprintable


def raises_late(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception after content was sent."""
    start_response("200 OK", TEXT)

    def generate() -> Iterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError("secret-of-the-traceback")

    return Closing(generate(), "raises_late")


def raises_late_with_length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The same with a Content-Length."""
    start_response("200 OK", [*TEXT, ("Content-Length", "2000")])

    def generate() -> Iterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError("secret-of-the-traceback")

    return Closing(generate(), "raises_late_with_length")


def raises_after_write(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An exception after write()."""
    start_response("200 OK", TEXT)(b"x" * 1000)
    raise RuntimeError("secret-of-the-traceback")


for _app in (
    twice,
    twice_in_iterator,
    never,
    never_empty,
    never_iterator,
    raises,
    raises_after_start,
    raises_in_iterator,
    raises_in_close,
    raises_base,
    raises_exit,
    raises_unprintable,
    raises_late,
    raises_late_with_length,
    raises_after_write,
):
    raw(_app)


class NoIterator:
    """Cannot be iterated."""


WRONG: dict[str, Callable[[Any], Any]] = {
    "str-body": lambda start: (start("200 OK", TEXT), "a string")[1],
    "str-piece": lambda start: (start("200 OK", TEXT), ["a string"])[1],
    "str-piece-of-iterator": lambda start: (start("200 OK", TEXT), iter(["a string"]))[1],
    "int-piece": lambda start: (start("200 OK", TEXT), [1])[1],
    "none-piece": lambda start: (start("200 OK", TEXT), [None])[1],
    "none-piece-of-iterator": lambda start: (start("200 OK", TEXT), iter([None]))[1],
    "none": lambda start: (start("200 OK", TEXT), None)[1],
    "int": lambda start: (start("200 OK", TEXT), 42)[1],
    "object": lambda start: (start("200 OK", TEXT), NoIterator())[1],
    "bytes-status": lambda start: (start(b"200 OK", TEXT), [b"x"])[1],
    "int-status": lambda start: (start(200, TEXT), [b"x"])[1],
    "none-status": lambda start: (start(None, TEXT), [b"x"])[1],
    "status-without-space": lambda start: (start("200OK", TEXT), [b"x"])[1],
    "status-of-two-digits": lambda start: (start("20 OK", TEXT), [b"x"])[1],
    "status-of-four-digits": lambda start: (start("2000 OK", TEXT), [b"x"])[1],
    "status-of-letters": lambda start: (start("abc OK", TEXT), [b"x"])[1],
    "status-empty": lambda start: (start("", TEXT), [b"x"])[1],
    "status-099": lambda start: (start("099 Low", TEXT), [b"x"])[1],
    "status-100": lambda start: (start("100 Continue", TEXT), [b"x"])[1],
    "status-euro": lambda start: (start("200 \u20ac", TEXT), [b"x"])[1],
    "status-odd-digits": lambda start: (start("\u0662\u0660\u0660 OK", TEXT), [b"x"])[1],
    "tuple-headers": lambda start: (start("200 OK", tuple(TEXT)), [b"x"])[1],
    "dict-headers": lambda start: (start("200 OK", {"A": "b"}), [b"x"])[1],
    "none-headers": lambda start: (start("200 OK", None), [b"x"])[1],
    "str-headers": lambda start: (start("200 OK", "A: b"), [b"x"])[1],
    "header-of-one": lambda start: (start("200 OK", [("A",)]), [b"x"])[1],
    "header-of-three": lambda start: (start("200 OK", [("A", "b", "c")]), [b"x"])[1],
    "header-str": lambda start: (start("200 OK", ["Ab"]), [b"x"])[1],
    "header-none": lambda start: (start("200 OK", [None]), [b"x"])[1],
    "bytes-name": lambda start: (start("200 OK", [(b"A", "b")]), [b"x"])[1],
    "bytes-value": lambda start: (start("200 OK", [("A", b"b")]), [b"x"])[1],
    "int-value": lambda start: (start("200 OK", [("A", 1)]), [b"x"])[1],
    "none-value": lambda start: (start("200 OK", [("A", None)]), [b"x"])[1],
    "euro-value": lambda start: (start("200 OK", [("A", "\u20ac")]), [b"x"])[1],
    "euro-name": lambda start: (start("200 OK", [("\u20ac", "b")]), [b"x"])[1],
    "name-empty": lambda start: (start("200 OK", [("", "b")]), [b"x"])[1],
    "name-space": lambda start: (start("200 OK", [("A B", "b")]), [b"x"])[1],
    "name-colon": lambda start: (start("200 OK", [("A:", "b")]), [b"x"])[1],
    "name-latin": lambda start: (start("200 OK", [("A\xe9", "b")]), [b"x"])[1],
    "name-space-at-end": lambda start: (start("200 OK", [("A ", "b")]), [b"x"])[1],
    "length-text": lambda start: (start("200 OK", [("Content-Length", "five")]), [b"x"])[1],
    "length-negative": lambda start: (start("200 OK", [("Content-Length", "-1")]), [b"x"])[1],
    "length-empty": lambda start: (start("200 OK", [("Content-Length", "")]), [b"x"])[1],
    "length-list": lambda start: (start("200 OK", [("Content-Length", "1, 1")]), [b"x"])[1],
    "length-twice": lambda start: (
        start("200 OK", [("Content-Length", "1"), ("content-length", "1")]),
        [b"x"],
    )[1],
    "write-str": lambda start: (start("200 OK", TEXT)("a string"), [])[1],
    "exc-info-text": lambda start: (start("200 OK", TEXT, "exc_info"), [b"x"])[1],
    "no-headers": lambda start: (start("200 OK"), [b"x"])[1],
}
"""Wrong types and malformed values, each to be answered by 500."""


@raw
def wrong(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """One of WRONG."""
    result: Iterable[bytes] = WRONG[environ["PATH_INFO"].split("/")[2]](start_response)
    return result


@raw
def split(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Puts ?text (percent-decoded, Latin-1) where ?where says, as a careless application would."""
    text = parse_qs(environ["QUERY_STRING"], encoding="latin-1", keep_blank_values=True)["text"][0]
    where = query(environ, "where")
    line, fields = "200 OK", [("Content-Type", "text/plain")]
    if where == "status":
        line = "200 " + text
    elif where == "name":
        fields.append((text, "v"))
    else:
        fields.append(("X-Test", text))
    start_response(line, fields)
    if query(environ, "kind") == "iterator":
        return iter([b"con", b"tent"])
    return [b"content"]


@raw
def hop(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Sends the hop-by-hop field of the query."""
    name, value = query(environ, "name"), query(environ, "value")
    start_response("200 OK", [*TEXT, (name, value), ("X-Kept", "yes")])
    if query(environ, "kind") == "iterator":
        return iter([b"con", b"tent"])
    return [b"content"]
