"""What docs/from-fapws3-and-fapws4.md says is different on purpose, in a program of fapws3, in each form.

The rows that have tests of their own elsewhere (routes, cookies, tracebacks, sessions, uploads) are not here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.house import House
from support.raw import Client, fetch
from support.server import Address, Server

PROGRAM = """
from fapws.contrib import views
def environment(environ, start_response):
    return repr([environ.get(name) for name in ("CONTENT_LENGTH", "wsgi.url_scheme", "HTTP_X_A", "HTTP_X_B")])
def number(environ, start_response):
    return 7
def text(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return "\\u00e9" + environ["QUERY_STRING"]
def pieces(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield "a"
    yield "b"
def fails():
    raise RuntimeError("in a timer")
evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.add_timer(0.01, fails)
for route in (("/environ", environment), ("/number", number), ("/text", text), ("/pieces", pieces)):
    evwsgi.wsgi_cb(route)
evwsgi.wsgi_cb(("/static", views.Staticfile(FOLDER)))
evwsgi.run()
"""


@pytest.fixture(params=["hand", "master", "ini"])
def asked(request: pytest.FixtureRequest, tmp_path: Path, house: House) -> Iterator[Address]:
    """Where the program serves."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("content", encoding="utf-8")
    (folder / ".secret").write_text("content", encoding="utf-8")
    text = PROGRAM.replace("FOLDER", repr(str(folder)))
    with contextlib.ExitStack() as stack:
        if request.param == "hand":
            yield stack.enter_context(ByHand(text)).address
        elif request.param == "master":
            yield stack.enter_context(Server(BEGIN + text)).address
        else:
            house.write_app(BEGIN + text)
            house.configure()
            house.start()
            house.ctl("reload")
            yield "127.0.0.1", house.port()
            house.ctl("stop")


def status(address: Address, text: str) -> int:
    """Of the response to these lines."""
    with Client(address) as client:
        client.send(text.replace("\n", "\r\n").encode("latin-1"))
        return client.read().status


def test_the_connection_stays_and_responses_are_framed(asked: Address) -> None:
    with Client(asked) as client:
        for _ in range(2):
            answer = client.get("/text")
            assert answer.head.get("Content-Length") == "2" and answer.head.get("Date")
            assert answer.head.get("Server") == "fapws"
            assert client.get("/pieces").head.get("Transfer-Encoding") == "chunked"


def test_a_post_without_length_has_no_content_and_a_length_is_a_str(asked: Address) -> None:
    with Client(asked) as client:
        client.send(b"POST /environ HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.read()
        assert (answer.status, answer.text.split(",")[0]) == (200, "[None")
        assert client.get("/environ", method="PUT", body=b"12").text.startswith("['2', 'http'")


def test_names_with_an_underscore_do_not_reach_the_program(asked: Address) -> None:
    assert fetch(asked, "/environ", "X-A: 1", "X_B: 2").text.endswith("'1', None]")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("GET /text HTTP/1.1\n\n", 400),
        ("GET /text HTTP/1.1\nHost: a\nHost: b\n\n", 400),
        ("GET /text HTTP/1.1\nHost : a\n\n", 400),
        ("GET /text HTTP/1.1\nHost: a\nX: 1\n 2\n\n", 400),
        ("GET /text HTTP/1.1\nHost: a\nX: \x01\n\n", 400),
        ("POST /text HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\n", 400),
        ("POST /text HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", 400),
        ("GET /text HTTP/1.1\nHost: a\nX: " + 32 * 1024 * "x" + "\n\n", 431),
        ("GET /text HTTP/1.1\nHost: a\n" + 101 * "X: y\n" + "\n", 431),
        ("GET /text?" + 8192 * "x" + " HTTP/1.1\nHost: a\n\n", 414),
    ],
)
def test_what_http_forbids_is_refused(asked: Address, text: str, refused: int) -> None:
    assert status(asked, text) == refused


def test_files_have_tags_in_quotes_and_hidden_names_are_not_served(asked: Address) -> None:
    answer = fetch(asked, "/static/a.txt")
    tag = answer.head.get("ETag")
    assert tag is not None and tag[0] == tag[-1] == '"' and answer.head.get("Last-Modified")
    assert fetch(asked, "/static/a.txt", f"If-None-Match: {tag}").status == 304
    hidden = fetch(asked, "/static/.secret")
    assert hidden.status == 404 and hidden.body


def test_text_is_utf8_and_says_so_and_a_number_is_no_content(asked: Address) -> None:
    answer = fetch(asked, "/text")
    assert answer.body == "\u00e9".encode() and answer.head.get("Content-Type") == "text/plain; charset=utf-8"
    assert fetch(asked, "/number").status == 500
