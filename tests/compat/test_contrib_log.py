"""fapws.contrib.log.Log: one line a request, that nobody can forge."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.plain import ask
from support.raw import Client, fetch, request
from support.server import Server

from fapws.contrib.log import Log

LINE = re.compile(
    r'(?P<client>\S+) - (?P<user>\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "(?P<request>[^"]*)"'
    r' (?P<code>\S+) (?P<size>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


def line_of(application: Any, *given: Any, **environ: Any) -> dict[str, str]:
    """The fields of the one line that a request wrote."""
    output = io.StringIO()
    ask(Log(output)(application), *given, **environ)
    text = output.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    match = LINE.fullmatch(text[:-1])
    assert match is not None, text
    return match.groupdict()


def answering(result: Any, status: str = "200 OK", *more: tuple[str, str]) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain"), *more])
        return result

    return application


def test_the_line_is_the_combined_format() -> None:
    fields = line_of(
        answering([b"four"], "404 Not Found"),
        "/a",
        REMOTE_USER="me",
        REQUEST_URI="/a?b=c",
        HTTP_REFERER="http://r/",
        HTTP_USER_AGENT="agent/1 (x)",
    )
    assert fields == {
        "client": "192.0.2.1",
        "user": "me",
        "request": "GET /a?b=c HTTP/1.1",
        "code": "404",
        "size": "4",
        "referer": "http://r/",
        "agent": "agent/1 (x)",
    }


def test_what_is_unknown_is_a_dash_and_the_target_is_made_up() -> None:
    fields = line_of(answering([]), "/ü x", SCRIPT_NAME="/s", QUERY_STRING="q", REMOTE_ADDR="")
    assert fields["request"] == "GET /s/%FC%20x?q HTTP/1.1"
    assert [fields[name] for name in ("client", "user", "size", "referer", "agent")] == ["-"] * 5


@pytest.mark.parametrize(
    "name", ["HTTP_USER_AGENT", "HTTP_REFERER", "REQUEST_URI", "REMOTE_USER", "REMOTE_ADDR"]
)
@pytest.mark.parametrize(
    "text", ['"', "\n", "\r", "\\", '" 200 1 "', "\x1b[31m", "\x7f", "\x85", "\xff", "a\n127.0.0.1 - -"]
)
def test_nothing_a_client_sends_forges_a_line_or_a_field(name: str, text: str) -> None:
    fields = line_of(answering([b"x"]), **{name: f"x{text}y".replace(" ", "_")})
    assert all(" " <= character <= "~" for value in fields.values() for character in value)
    assert fields["code"] == "200"


def test_bytes_are_shown_in_hexadecimal() -> None:
    assert line_of(answering([]), HTTP_USER_AGENT='\xc3\xa9"\\\n')["agent"] == r"\xc3\xa9\x22\x5c\x0a"
    # An application may log text that is no native string of WSGI.
    output = io.StringIO()
    ask(Log(output)(answering([])), valid=False, HTTP_USER_AGENT="\u20ac")
    assert r"\xe2\x82\xac" in output.getvalue()


class Closing:
    """An answer in pieces that knows whether it was closed."""

    def __init__(self, *pieces: Any, fails: bool = False) -> None:
        self._pieces = iter(pieces)
        self._fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._pieces)

    def close(self) -> None:
        self.closed += 1
        if self._fails:
            raise OSError("no")


def test_pieces_are_counted_until_the_answer_is_closed() -> None:
    result = Closing(b"a", b"bc", b"")
    assert line_of(answering(result))["size"] == "3"
    assert result.closed == 1


def test_an_answer_that_cannot_be_iterated_is_closed() -> None:
    class Broken(Closing):
        def __iter__(self) -> Iterator[Any]:
            raise LookupError("broken")

    result = Broken()
    with pytest.raises(LookupError):
        ask(Log(io.StringIO())(answering(result)), valid=False)
    assert result.closed == 1


def test_a_client_that_leaves_is_logged_with_what_it_got() -> None:
    output = io.StringIO()
    result = Closing(b"ab", b"cd")
    started = Log(output)(answering(result))({}, lambda *given: None)
    assert next(started) == b"ab" and output.getvalue() == ""
    started.close()
    started.close()
    assert output.getvalue().count("\n") == 1 and " 200 2 " in output.getvalue()


def test_a_close_that_fails_is_logged_and_raised() -> None:
    output = io.StringIO()
    with pytest.raises(OSError):
        ask(Log(output)(answering(Closing(fails=True))), valid=False)
    assert output.getvalue().count("\n") == 1


def test_what_was_written_counts_too() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])(b"abc")
        return [b"de"]

    assert line_of(application)["size"] == "5"


def test_content_that_is_not_sent_is_not_counted() -> None:
    assert line_of(answering([b"xyz"]), method="HEAD")["size"] == "-"


def test_an_application_that_fails_is_500_and_fails() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise KeyError("oh")

    output = io.StringIO()
    with pytest.raises(KeyError):
        ask(Log(output)(application))
    assert " 500 - " in output.getvalue()


def test_a_wrapped_file_stays_one_and_its_length_is_the_declared() -> None:
    class Wrapper:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"12345"])

    wrapper = Wrapper()
    output = io.StringIO()
    application = Log(output)(answering(wrapper, "200 OK", ("Content-Length", "5")))
    assert application({"wsgi.file_wrapper": Wrapper}, lambda *given: None) is wrapper
    assert " 200 5 " in output.getvalue()


def test_the_output_is_that_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    ask(Log()(answering([b"x"])))
    assert " 200 1 " in capsys.readouterr().out


def test_an_output_that_fails_costs_the_line_and_nothing_else() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "no space")

    closed = io.StringIO()
    closed.close()
    for output in (Full(), closed):
        assert ask(Log(output)(answering([b"x"]))).body == b"x"


def test_the_function_keeps_its_name() -> None:
    def hello(environ: Any, start_response: Any) -> list[bytes]:
        """Greets."""
        return []

    assert (Log()(hello).__name__, Log()(hello).__doc__) == ("hello", "Greets.")


PROGRAM = """
import os
from fapws.contrib import log

OUTPUT = open({output!r}, "a", buffering=1)

@log.Log(OUTPUT)
def text(environ, start_response):
    return "h\\u00e9"

@log.Log(OUTPUT)
def added(environ, start_response):
    start_response.status_code = "203"
    start_response.add_header("X-Added", "yes")
    start_response.set_cookie("a", "b")
    return "x"

@log.Log(OUTPUT)
def pieces(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for number in range(3):
        yield "piece"

@log.Log(OUTPUT)
def file(environ, start_response):
    return open({source!r}, "rb")

@log.Log(OUTPUT)
def nothing(environ, start_response):
    start_response("204 No Content", [])

PATHS = [("/text", text), ("/added", added), ("/pieces", pieces), ("/file", file), ("/nothing", nothing)]
"""


def test_all_that_fapws4_takes_is_logged_as_it_went_out(tmp_path: Path) -> None:
    output, source = tmp_path / "log", tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    with Server(PROGRAM.format(output=str(output), source=str(source))) as server:
        sizes = [len(fetch(server.address, path).body) for path in ("/text", "/pieces", "/file", "/nothing")]
        added = fetch(server.address, "/added")
        assert sizes == [3, 15, 100_000, 0]
        assert (added.status, added.head.get("X-Added")) == (203, "yes")
        assert added.head.get("Set-Cookie") == "a=b; Path=/"
    seen = [LINE.fullmatch(line) for line in output.read_text().splitlines()]
    told = {match["request"].split()[1]: (match["code"], match["size"]) for match in seen if match}
    assert told == {
        "/text": ("200", "3"),
        "/pieces": ("200", "15"),
        "/file": ("200", "100000"),
        "/nothing": ("204", "-"),
        "/added": ("203", "1"),
    }


def test_what_a_hostile_client_sends_is_one_line(tmp_path: Path) -> None:
    output = tmp_path / "log"
    with Server(PROGRAM.format(output=str(output), source=sys.executable)) as server:
        with Client(server.address) as client:
            client.send(request('/text?"\\%0a', 'User-Agent: "\t\\ \xff', 'Referer: " 200 "'))
            assert client.read().status in (200, 400)
        fetch(server.address, "/text")
    assert all(LINE.fullmatch(line) for line in output.read_text().splitlines())
