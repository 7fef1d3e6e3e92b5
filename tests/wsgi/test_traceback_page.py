"""fapws --reload tells in the browser what has failed: readable, harmless, and to this machine alone."""

from __future__ import annotations

import html.parser
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.house import wait_until
from support.server import Server

from fapws.wsgi import traceback_page

APP = """
class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def deeper(what):
    return {}[what]  # <b>here</b>

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/odd":
        raise Odd()
    if path == "/chain":
        try:
            deeper("first")
        except KeyError as error:
            raise ValueError("second") from error
    if path == "/late":
        start_response("200 OK", [])
        return late()
    if path == "/loop":
        error = ValueError("loop")
        error.__cause__ = error
        raise error
    if path == "/deep":
        return deep(900)
    if path == "/fine":
        start_response("200 OK", [])
        return [b"fine"]
    deeper("<script>alert(1)</script>\\x1b[31m")

def late():
    yield b"begun"
    raise ValueError("late")

def deep(number):
    return deep(number - 1) if number else deeper("deep")
"""
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "p", "main", "section"),
    *("h2", "h3", "pre", "mark", "footer"),
}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def reloading() -> Iterator[Server]:
    with Server(APP, arguments=["--reload"]) as server:
        yield server


class Elements(html.parser.HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.marked: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._inside = tag == "mark"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.marked.append(data)
        self._inside = False


def seen(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    return found


def test_a_browser_is_shown_the_line_that_failed(reloading: Server) -> None:
    answer = requests.get(f"{reloading.url}/", headers=BROWSER, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    page = seen(answer.text)
    assert page.marked[0].endswith("return {}[what]  # <b>here</b>")
    assert "KeyError" in answer.text and "in deeper" in answer.text and "GET /" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_nothing_in_it_runs_or_asks(reloading: Server) -> None:
    answer = requests.get(f"{reloading.url}/", headers=BROWSER, timeout=30)
    page = seen(answer.text)
    assert page.names <= ELEMENTS
    assert page.attributes <= {"lang", "charset", "name", "content", "class"}
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text and "\x1b" not in answer.text


def test_a_terminal_is_sent_text(reloading: Server) -> None:
    answer = requests.get(f"{reloading.url}/chain", timeout=30)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "direct cause" in answer.text and answer.text.endswith("ValueError: second\n")


def test_what_led_to_it_is_shown_too(reloading: Server) -> None:
    text = requests.get(f"{reloading.url}/chain", headers=BROWSER, timeout=30).text
    assert text.index("ValueError: second") < text.index("because of this one: KeyError")


@pytest.mark.parametrize(
    ("path", "told"), [("/odd", "Odd"), ("/loop", "ValueError: loop"), ("/deep", "KeyError")]
)
def test_odd_exceptions_are_shown(reloading: Server, path: str, told: str) -> None:
    answer = requests.get(f"{reloading.url}{path}", headers=BROWSER, timeout=30)
    assert answer.status_code == 500 and told in answer.text and "<main>" in answer.text


def test_head_has_no_content_and_the_connection_goes_on(reloading: Server) -> None:
    with requests.Session() as session:
        assert session.head(f"{reloading.url}/", headers=BROWSER, timeout=30).text == ""
        assert session.get(f"{reloading.url}/fine", timeout=30).text == "fine"
        assert len(session.get(f"{reloading.url}/deep", headers=BROWSER, timeout=30).text) > 10_000
        assert session.get(f"{reloading.url}/fine", timeout=30).text == "fine"


def test_a_response_that_has_begun_is_cut(reloading: Server) -> None:
    with pytest.raises(requests.RequestException):
        requests.get(f"{reloading.url}/late", headers=BROWSER, timeout=30)


@pytest.mark.parametrize(
    "fields",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "192.0.2.1"},
        {"Host": "rebound.example"},
        {"Host": "127.0.0.1.example"},
        {"Host": "localhost.example:8888"},
    ],
)
def test_others_are_told_nothing(reloading: Server, fields: dict[str, str]) -> None:
    answer = requests.get(f"{reloading.url}/", headers={**BROWSER, **fields}, timeout=30)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")


@pytest.mark.parametrize("options", ["", "autoreload = yes"])
def test_without_the_option_of_the_command_line_nobody_is_told(options: str) -> None:
    with Server(APP, options=options) as server:
        answer = requests.get(f"{server.url}/", headers=BROWSER, timeout=30)
        assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")


def test_a_unix_socket_is_told_nothing() -> None:
    with Server(APP, unix=True, arguments=["--reload"]) as server, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(server.address))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.endswith(b"\r\n\r\nInternal Server Error\n")


def test_a_reload_that_fails_is_told_until_one_succeeds(tmp_path: Path) -> None:
    program = tmp_path / "site.py"
    program.write_text(APP)
    with Server(program, arguments=["--reload"]) as server:

        def get() -> requests.Response:
            return requests.get(f"{server.url}/fine", headers=BROWSER, timeout=30)

        assert get().text == "fine"
        replace(program, "def broken(:\n")
        wait_until(lambda: get().status_code == 500, "the failed reload is shown")
        assert "SyntaxError" in get().text and "does not load" in get().text
        others = {**BROWSER, "Host": "rebound.example"}
        assert requests.get(f"{server.url}/fine", headers=others, timeout=30).text == "fine"
        replace(program, APP.replace('b"fine"', 'b"mended"'))
        wait_until(lambda: get().text == "mended", "the mended program is served")


def test_a_program_that_never_loaded_is_told_until_it_is_mended(tmp_path: Path) -> None:
    program = tmp_path / "site.py"
    program.write_text("import helper_of_this_page\n" + APP)
    helper = tmp_path / "helper_of_this_page.py"
    helper.write_text("def broken(:\n")
    with Server(program, arguments=["--reload"]) as server:

        def get(**fields: str) -> requests.Response:
            return requests.get(f"{server.url}/fine", headers={**BROWSER, **fields}, timeout=30)

        assert "SyntaxError" in get().text and "does not load" in get().text
        elsewhere = get(Host="rebound.example")
        assert (elsewhere.status_code, elsewhere.text) == (500, "Internal Server Error\n")
        server.wait_log("tried again when a file is saved", 30)
        replace(helper, "mended = True\n")
        wait_until(lambda: get().text == "fine", "the mended program is served")


def replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)


# ---- Who is this machine -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 80), True),
        (("127.8.9.10", 80), True),
        (("::1", 80, 0, 0), True),
        (("::ffff:127.0.0.1", 80, 0, 0), True),
        (("10.0.0.1", 80), False),
        (("::ffff:10.0.0.1", 80, 0, 0), False),
        (("fe80::1%lo", 80, 0, 1), False),
        (("2001:db8::127.1", 80, 0, 0), False),
        ("", False),
        (b"\0abstract", False),
    ],
)
def test_loopback_addresses(address: Any, expected: bool) -> None:
    assert traceback_page._is_loopback(address) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:8888", True),
        ("shop.localhost:80", True),
        ("127.0.0.1:8888", True),
        ("[::1]:8888", True),
        ("example.org", False),
        ("127.0.0.1.nip.example", False),
        ("127.0.0", False),
        ("[::2]", False),
        ("", False),
        (None, False),
    ],
)
def test_names_of_this_machine(host: Any, expected: bool) -> None:
    assert traceback_page._names_this_machine(host) is expected


def test_both_ends_count() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert not traceback_page.may_see(left.fileno(), {"HTTP_HOST": "localhost"})
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert traceback_page.may_see(accepted.fileno(), {"HTTP_HOST": "localhost"})
            assert not traceback_page.may_see(accepted.fileno(), {})
            assert accepted.fileno() >= 0, "it is still open"
    assert not traceback_page.may_see(-1, {"HTTP_HOST": "localhost"})
