"""One application, many behaviours: the first segment of the path says which.

Those in VALID keep to PEP 3333 and run inside wsgiref.validate, which raises on anything the server
does wrong; those in RAW break a rule on purpose or ask for what the validator forbids.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from urllib.parse import parse_qs
from wsgiref.validate import validator

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

TEXT = [("Content-Type", "text/plain")]
EVENTS: list[str] = []
"""What happened in iterators and handlers; GET /events takes the list."""

VALID: dict[str, Application] = {}
RAW: dict[str, Application] = {}


def valid(app: Application) -> Application:
    """Registers an application that keeps the rules."""
    VALID[app.__name__] = validator(app)
    return app


def raw(app: Application) -> Application:
    """Registers an application that does not."""
    RAW[app.__name__] = app
    return app


def query(environ: Environ, key: str, default: str = "") -> str:
    """One value of the query."""
    values = parse_qs(str(environ["QUERY_STRING"])).get(key, [default])
    return values[0]


def at_gate(path: str, word: str, wait: bool = True) -> None:
    """Tells the test that this place was reached and waits for its leave (at most 20 s)."""
    with socket.socket(socket.AF_UNIX) as gate:
        gate.settimeout(20)
        gate.connect(path)
        gate.sendall(word.encode() + b"\n")
        if wait:
            gate.recv(1)


class Closing:
    """An iterator that records each call of close()."""

    def __init__(self, pieces: Iterable[Any], label: str, gate: str = "") -> None:
        self.pieces = iter(pieces)
        self.label = label
        self.gate = gate

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self.pieces)
        EVENTS.append(f"{self.label} piece")
        return piece

    def close(self) -> None:
        EVENTS.append(f"{self.label} close")
        if self.gate:
            at_gate(self.gate, "close", wait=False)


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


# ---- Time and order --------------------------------------------------------------------------


@valid
def stepwise(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Stops at the gate before each piece but the first."""
    gate = query(environ, "gate")

    def generate() -> Iterator[bytes]:
        for number in range(3):
            if number:
                at_gate(gate, f"before {number}")
            yield b"step %d" % number

    start_response("200 OK", TEXT)
    return generate()


@valid
def stepwise_write(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The same with write()."""
    gate = query(environ, "gate")
    write = start_response("200 OK", TEXT)
    write(b"step 0")
    at_gate(gate, "before 1")
    write(b"step 1")
    at_gate(gate, "before 2")
    return [b"step 2"]


@raw
def flood(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Many pieces; records each one and close(), which also knocks at the gate."""
    start_response("200 OK", TEXT)
    count, size = int(query(environ, "n")), int(query(environ, "size", "65536"))
    return Closing((b"f" * size for _ in range(count)), query(environ, "label"), query(environ, "gate"))


@valid
def large(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """One large bytes object of a pattern that shows a lost or doubled part."""
    count = int(query(environ, "n"))
    data = b"".join(b"%07d\n" % n for n in range(count // 8))
    start_response("200 OK", [*TEXT, ("X-Digest", hashlib.sha256(data).hexdigest())])
    return iter([data]) if query(environ, "kind") == "iterator" else [data]


@raw
def closing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An iterable with close()."""
    start_response("200 OK", TEXT)
    return Closing([b"one", b"two"], "closing")


@raw
def closing_list(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A list with close(): close() is due for any iterable."""

    class List(list):  # type: ignore[type-arg]
        def close(self) -> None:
            EVENTS.append("closing_list close")

    start_response("200 OK", TEXT)
    return List([b"one"])


@raw
def wait(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Stops at the gate inside the application."""
    at_gate(query(environ, "gate"), "inside")
    start_response("200 OK", TEXT)
    return [b"waited"]


@raw
def thread(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Starts a thread that works while the worker has nothing to do."""
    gate = query(environ, "gate")

    def work() -> None:
        total = 0
        for number in range(200_000):
            total += number
        at_gate(gate, f"thread {total}", wait=False)

    threading.Thread(target=work, daemon=True).start()
    start_response("200 OK", TEXT)
    return [b"started"]


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


def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Passes the request to the behaviour that its path names."""
    name = environ["PATH_INFO"].split("/")[1]
    app = VALID.get(name) or RAW.get(name)
    if app is None:
        start_response("404 Not Found", TEXT)
        return [b"no such behaviour: " + environ["PATH_INFO"].encode("latin-1")]
    return app(environ, start_response)
