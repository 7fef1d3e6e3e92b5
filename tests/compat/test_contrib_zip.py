"""fapws.contrib.zip.Gzip: which clients get compressed responses, and what else changes with them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gate import APPLICATION_SIDE, Gate
from support.plain import Plain, ask
from support.raw import Client, fetch, request
from support.server import Server

from fapws.contrib.zip import Gzip, accepts_gzip, with_vary

TEXT = b"many words " * 100
PLAIN = ("Content-Type", "text/plain")


def answering(result: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        given = list(headers)
        if not any(name == "Content-Type" for name, _ in given) and status[:3] not in ("204", "304"):
            given.insert(0, PLAIN)
        start_response(status, given)
        return result() if callable(result) else result

    return application


def get(application: Any, coding: str = "gzip", **given: Any) -> Plain:
    environ = {"HTTP_ACCEPT_ENCODING": coding} if coding else {}
    return ask(Gzip()(application), **{**environ, **given})


def packed(answer: Plain) -> bool:
    return answer.get("Content-Encoding") == "gzip"


# ---- What a client accepts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip;q=1.000", True),
        ("gzip ; q=0.001", True),
        ("*", True),
        ("*;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*, gzip;q=0.0", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("identity;q=0, gzip;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzipped", False),
        ("not-gzip", False),
        ("gzip;q=", False),
        ("gzip;q=2", False),
        ("gzip;q=-1", False),
        ("gzip;q=nan", False),
        ("gzip;q=1.0000", False),
        (",,;,", False),
    ],
)
def test_weights_are_respected(field: str, wanted: bool) -> None:
    assert accepts_gzip(field) is wanted
    assert packed(get(answering([TEXT]), field)) is wanted


def test_a_client_that_says_nothing_gets_it_as_it_is() -> None:
    answer = get(answering([TEXT]), "")
    assert (answer.body, answer.get("Vary")) == (TEXT, "Accept-Encoding")


# ---- What else changes -----------------------------------------------------------------------------


def test_the_head_tells_of_what_is_sent() -> None:
    headers = [("ETag", '"tag"'), ("Content-Length", "1100"), ("Accept-Ranges", "bytes"), ("X-Other", "kept")]
    answer = get(answering([TEXT[:100], TEXT[100:]], *headers))
    assert gzip.decompress(answer.body) == TEXT
    assert dict(answer.fields) == {
        "Content-Type": "text/plain",
        "ETag": 'W/"tag"',
        "X-Other": "kept",
        "Vary": "Accept-Encoding",
        "Content-Encoding": "gzip",
        "Content-Length": str(len(answer.body)),
    }


def test_a_weak_tag_stays_as_it_is() -> None:
    assert get(answering([TEXT], ("ETag", 'W/"tag"'))).get("ETag") == 'W/"tag"'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Accept-Encoding"]),
        ([("Vary", "Cookie")], ["Cookie, Accept-Encoding"]),
        ([("Vary", "Cookie"), ("vary", "Accept")], ["Cookie, Accept, Accept-Encoding"]),
        ([("Vary", "accept-encoding , Cookie")], ["accept-encoding , Cookie"]),
        ([("Vary", "*")], ["*"]),
    ],
)
def test_vary_is_added_to_what_there_is(before: list[tuple[str, str]], after: list[str]) -> None:
    assert [value for name, value in with_vary(before) if name.lower() == "vary"] == after


@pytest.mark.parametrize(
    ("application", "varies"),
    [
        (answering([b"x" * 499]), True),
        (answering([]), True),
        (answering([TEXT], ("Content-Encoding", "br")), False),
        (answering([TEXT], ("Content-Type", "image/png")), False),
        (answering([TEXT], ("Cache-Control", "public, No-Transform")), False),
        (answering([TEXT], ("Content-Range", "bytes 0-1/2"), status="206 Partial Content"), False),
        (answering([], status="204 No Content"), False),
    ],
)
def test_what_is_not_compressed(application: Any, varies: bool) -> None:
    answer = get(application)
    assert not packed(answer) or answer.get("Content-Encoding") == "br"
    assert answer.get("Vary") == ("Accept-Encoding" if varies else None)
    assert answer.body in (TEXT, b"x" * 499, b"")


KINDS = ["text/html; charset=utf-8", "application/json", "image/svg+xml", "application/ld+json", "TEXT/CSS"]


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_all_kinds_is_compressed(kind: str) -> None:
    assert packed(get(answering([TEXT], ("Content-Type", kind))))


def test_304_names_the_answer_it_confirms() -> None:
    not_modified = answering([], ("ETag", '"tag"'), status="304 Not Modified")
    answer = get(not_modified)
    assert (answer.get("ETag"), answer.get("Vary"), packed(answer)) == ('W/"tag"', "Accept-Encoding", False)
    assert get(not_modified, "").get("ETag") == '"tag"'


def test_level_and_minimum_can_be_chosen() -> None:
    answer = ask(Gzip(level=9, minimum=0)(answering([b""])), HTTP_ACCEPT_ENCODING="gzip")
    assert gzip.decompress(answer.body) == b""
    with pytest.raises(ValueError, match="1 to 9"):
        Gzip(level=10)


# ---- HEAD ------------------------------------------------------------------------------------------


def test_head_with_a_length_says_gzip_and_not_that_length() -> None:
    answer = get(answering([], ("Content-Length", "1100"), ("ETag", '"t"')), method="HEAD")
    assert packed(answer) and answer.get("Content-Length") is None
    assert (answer.get("ETag"), answer.body) == ('W/"t"', b"")
    assert not isinstance(answer.result, list)


def test_head_of_what_is_small_or_unknown_is_left_alone() -> None:
    assert not packed(get(answering([], ("Content-Length", "10")), method="HEAD"))
    assert not packed(get(answering([]), method="HEAD"))


# ---- Pieces ----------------------------------------------------------------------------------------


class Closing:
    """Pieces that know whether they were closed."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._pieces)

    def close(self) -> None:
        self.closed += 1


def test_each_piece_can_be_read_before_the_next_is_asked_for() -> None:
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield b"piece %d" % number

    started = Gzip()(answering(pieces))({"HTTP_ACCEPT_ENCODING": "gzip"}, lambda *given: None)
    unpacker = zlib.decompressobj(31)
    for number in range(3):
        assert unpacker.decompress(next(started)) == b"piece %d" % number
        assert asked == list(range(number + 1))
    assert unpacker.decompress(b"".join(started)) == b"" and unpacker.eof


@pytest.mark.parametrize("result", [[5], [None, 5], Closing(b"a", 5)])
def test_what_is_no_content_is_an_error_and_no_bytes(result: Any) -> None:
    with pytest.raises(TypeError, match=r"not (int|NoneType)"):
        ask(Gzip()(answering(result)), valid=False, HTTP_ACCEPT_ENCODING="gzip")


@pytest.mark.parametrize("coding", ["gzip", ""])
def test_close_is_passed_on(coding: str) -> None:
    result = Closing(b"", TEXT, b"", TEXT)
    answer = get(answering(result), coding)
    assert (gzip.decompress(answer.body) if coding else answer.body) == TEXT * 2
    assert result.closed == 1


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=50), st.just(TEXT))), st.booleans())
def test_any_pieces_come_back_the_same(pieces: list[bytes], whole: bool) -> None:
    answer = get(answering(list(pieces) if whole else Closing(*pieces)))
    assert (gzip.decompress(answer.body) if packed(answer) else answer.body) == b"".join(pieces)
    assert packed(answer) or not pieces or whole


def test_an_application_may_start_late_or_write() -> None:
    def late(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [PLAIN])
        write(b"written ")
        yield b"yielded"

    answer = get(late)
    assert (gzip.decompress(answer.body), packed(answer)) == (b"written yielded", True)

    def writing(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [PLAIN])
        write(b"one ")
        write(b"two ")
        return [b"three"]

    assert gzip.decompress(get(writing).body) == b"one two three"
    assert get(writing, "").body == b"one two three"


def test_a_declared_length_that_is_small_is_left_alone() -> None:
    answer = get(answering(Closing(b"small"), ("Content-Length", "5")))
    assert (answer.body, answer.get("Content-Length")) == (b"small", "5")


@pytest.mark.parametrize("first", [["200 OK", [PLAIN]], []])
def test_an_error_page_takes_the_place_of_a_head_that_is_not_sent(first: list[Any]) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        try:
            if first:
                start_response(*first)
            raise KeyError
        except KeyError as error:
            start_response("500 Oh", [PLAIN], (KeyError, error, None))
        return [TEXT]

    answer = get(application)
    assert (answer.status, gzip.decompress(answer.body)) == ("500 Oh", TEXT)


def test_starting_twice_is_an_error_as_without_it() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [PLAIN])
        start_response("200 OK", [PLAIN])
        return []

    with pytest.raises(AssertionError, match="twice"):
        ask(Gzip()(application), valid=False)


# ---- Real servers ----------------------------------------------------------------------------------

PROGRAM = """
from fapws.contrib import zip
from fapws.contrib.views import Staticfile

@zip.Gzip()
def text(environ, start_response):
    return "h\\u00e9llo " * 500

@zip.Gzip()
def added(environ, start_response):
    start_response.status_code = "203"
    start_response.add_header("Content-Type", "text/plain")
    start_response.add_header("X-Added", "yes")
    start_response.set_cookie("a", "b")
    start_response.set_cookie("c", "d")
    return ["x" * 1000]

@zip.Gzip()
def encoded(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    start_response.add_header("Content-Encoding", "br")
    return ["x" * 1000]

@zip.Gzip()
def nothing(environ, start_response):
    pass

@zip.Gzip()
def pieces(environ, start_response):
    for number in range(3):
        yield "pi\\u00e8ce "
        {gate}

static = zip.Gzip()(Staticfile({root!r}))

PATHS = [("/text", text), ("/added", added), ("/encoded", encoded), ("/nothing", nothing),
         ("/pieces", pieces), ("/static", static)]

def application(environ, start_response):
    environ["PATH_INFO"] = environ["PATH_INFO"].replace("/static", "", 1)
    return static(environ, start_response)
"""
GZIP = "Accept-Encoding: gzip"


def program(root: Path, kind: str, gate: str = "pass") -> str:
    """A fapws4 script with PATHS, or one with a WSGI application."""
    text = PROGRAM.format(root=str(root), gate=gate)
    other = ("def application", "def plain") if kind == "paths" else ("PATHS", "ROUTES")
    return text.replace(*other)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    (folder / "a.txt").write_bytes(TEXT * 1000)
    (folder / "a.png").write_bytes(TEXT * 1000)
    return folder


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with Server(program(root, "paths")) as running:
        yield running


@pytest.fixture(scope="module", params=["paths", "wsgi"])
def static(request: pytest.FixtureRequest, root: Path) -> Iterator[Server]:
    with Server(program(root, request.param)) as running:
        yield running


@pytest.mark.parametrize("path", ["/text", "/added", "/pieces", "/nothing"])
def test_what_fapws4_functions_return_is_compressed_and_otherwise_the_same(server: Server, path: str) -> None:
    bare, small = fetch(server.address, path), fetch(server.address, path, GZIP)
    told = small.head.get("Content-Encoding")
    assert told == (None if path == "/nothing" else "gzip")
    assert (gzip.decompress(small.body) if told else small.body) == bare.body
    for name in ("Content-Type", "X-Added", "Vary"):
        assert small.head.get(name) == bare.head.get(name)
    assert small.head.all("Set-Cookie") == bare.head.all("Set-Cookie")
    assert small.status == bare.status == (203 if path == "/added" else 200)
    assert requests.get(server.url + path, timeout=30).content == bare.body


def test_text_has_its_charset_when_compressed(server: Server) -> None:
    for path in ("/text", "/pieces"):
        assert fetch(server.address, path, GZIP).head.get("Content-Type") == "text/html; charset=utf-8"


def test_a_field_added_later_is_heard(server: Server) -> None:
    answer = fetch(server.address, "/encoded", GZIP)
    assert (answer.head.get("Content-Encoding"), answer.body) == ("br", b"x" * 1000)


def test_static_files_behind_it(static: Server) -> None:
    mark = static.mark()
    with Client(static.address) as client:
        small = client.get("/static/a.txt", GZIP)
        tag = small.head.get("ETag") or ""
        assert gzip.decompress(small.body) == TEXT * 1000
        assert tag.startswith('W/"') and small.head.get("Accept-Ranges") is None
        assert client.get("/static/a.txt").body == TEXT * 1000
        again = client.get("/static/a.txt", GZIP, f"If-None-Match: {tag}")
        assert (again.status, again.head.get("ETag")) == (304, tag)
        part = client.get("/static/a.txt", GZIP, "Range: bytes=0-9")
        assert (part.status, part.body, part.head.get("Content-Encoding")) == (206, TEXT[:10], None)
        image = client.get("/static/a.png", GZIP)
        assert (image.framing, image.body, image.head.get("Vary")) == ("length", TEXT * 1000, None)
        head = client.get("/static/a.txt", GZIP, method="HEAD")
        assert (head.head.get("Content-Encoding"), head.head.get("ETag")) == ("gzip", tag)
        assert head.head.get("Content-Length") is None
        client.assert_open()
    assert static.log_since(mark) == ""


def test_a_piece_reaches_the_client_before_the_next_is_made(root: Path) -> None:
    with Gate() as gate:
        text = APPLICATION_SIDE + program(root, "paths", f"at_gate({gate.path!r})")
        with Server(text) as running, Client(running.address) as client:
            client.send(request("/pieces", GZIP))
            gate.arrival()
            client.read_head()
            unpacker = zlib.decompressobj(31)
            assert unpacker.decompress(client.read_piece()) == "pièce ".encode()
            for _ in range(2):
                gate.open()
                gate.arrival()
            gate.open()
            assert unpacker.decompress(client.read_rest()) == "pièce pièce ".encode()


def test_an_answer_that_cannot_be_iterated_is_closed() -> None:
    class Broken(Closing):
        def __iter__(self) -> Iterator[Any]:
            raise LookupError("broken")

    result = Broken()
    with pytest.raises(LookupError):
        ask(Gzip()(answering(result)), valid=False, HTTP_ACCEPT_ENCODING="gzip")
    assert result.closed == 1
