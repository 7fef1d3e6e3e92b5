"""request_id: a name for each request, in environ, both logs and the response."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fapws._core import lib
from support.raw import Answer, Client, Cut, fetch
from support.server import Server

from fapws.wsgi.request_ids import NamedErrors

ID_MAX = lib.FW_REQUEST_ID_MAX

APPLICATION = """
import json, sys


def application(environ, start_response):
    name = environ["fapws.request_id"]
    assert environ["HTTP_X_REQUEST_ID"] == name
    path = environ["PATH_INFO"]
    environ["wsgi.errors"].write("first line\\nsecond ")
    environ["wsgi.errors"].write("line\\n")
    headers = [("Content-Type", "application/json")]
    if path == "/reads":
        environ["wsgi.input"].read()
    if path == "/fails":
        raise RuntimeError("on purpose")
    if path == "/stream":
        return stream(start_response, headers)
    if path == "/own":
        headers.append(("x-request-id", "its-own"))
    if path == "/tuple":
        headers = tuple(headers)
    start_response("200 OK", headers)
    return [json.dumps(name).encode()]


def stream(start_response, headers):
    start_response("200 OK", headers)
    yield b"some"
    raise RuntimeError("in the stream")
"""
MADE = re.compile(r"[0-9a-f]{32}")
OPTIONS = (
    'request_id = yes\ntrusted_proxies = 127.0.0.1\naccess_format = $request_id "$request_id" $request_uri\n'
    "ready_path = /ready\nlog_ready = yes\nmax_body_size = 100\ndebug = 1\n"
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "access"


@pytest.fixture(scope="module")
def naming(log: Path) -> Iterator[Server]:
    folder = log.with_name("files")
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    options = f"{OPTIONS}access_log = {log}\nstatic = /static:{folder}\n"
    with Server(APPLICATION, options=options) as running:
        yield running


def test_name_is_made_and_in_environ_and_response(naming: Server) -> None:
    with Client(naming.address) as client:
        names = []
        for _ in range(3):
            answer = client.get("/")
            names.append(json.loads(answer.body))
            assert answer.head.all("X-Request-ID") == [names[-1]]
    assert all(MADE.fullmatch(name) for name in names)
    assert len(set(names)) == 3


@pytest.mark.parametrize("name", ["a", "x" * ID_MAX, "7f3e.~!#$%&'*+-^_`|"])
def test_name_that_a_trusted_proxy_gives_is_kept(naming: Server, name: str) -> None:
    answer = fetch(naming.address, "/", f"X-Request-ID: {name}")
    assert json.loads(answer.body) == name
    assert answer.head.all("X-Request-ID") == [name]


@pytest.mark.parametrize(
    "name", ["", "x" * (ID_MAX + 1), "two words", 'quo"te', "a,b", "a\tb", "\xe9", "a;b"]
)
def test_what_is_no_token_of_that_size_is_replaced(naming: Server, name: str) -> None:
    answer = fetch(naming.address, "/", f"X-Request-ID: {name}")
    assert MADE.fullmatch(json.loads(answer.body))


def test_two_fields_are_no_name(naming: Server) -> None:
    answer = fetch(naming.address, "/", "X-Request-ID: a", "X-Request-ID: b")
    assert MADE.fullmatch(json.loads(answer.body))


@pytest.mark.parametrize("proxies", ["", "trusted_proxies = 10.0.0.0/8"])
def test_other_clients_give_no_name(proxies: str) -> None:
    with Server(APPLICATION, options=f"request_id = yes\n{proxies}") as server:
        answer = fetch(server.address, "/", "X-Request-ID: mine", "X-Forwarded-For: 10.0.0.1")
        assert MADE.fullmatch(json.loads(answer.body))


def test_proxy_that_tells_of_another_client_is_still_trusted(naming: Server) -> None:
    answer = fetch(naming.address, "/", "X-Request-ID: from-proxy", "X-Forwarded-For: 192.0.2.7")
    assert json.loads(answer.body) == "from-proxy"


def test_name_of_the_applications_own_is_replaced(naming: Server) -> None:
    assert fetch(naming.address, "/own", "X-Request-ID: ours").head.all("X-Request-ID") == ["ours"]


def test_name_is_in_the_access_log(naming: Server, log: Path) -> None:
    fetch(naming.address, "/logged", "X-Request-ID: in-log`")
    with pytest.raises(Cut):
        fetch(naming.address, "/stream", "X-Request-ID: of-stream")
    naming.wait_log(r"request of-stream")
    for _ in range(1000):
        if "of-stream" in log.read_text():
            break
        fetch(naming.address, "/")  # a line for it comes behind
    lines = log.read_text().splitlines()
    assert 'in-log` "in-log`" /logged' in lines
    assert any('of-stream "of-stream" /stream' in line for line in lines)


def test_name_is_in_error_lines_and_in_the_500(naming: Server) -> None:
    mark = naming.mark()
    answer = fetch(naming.address, "/fails", "X-Request-ID: fails-1")
    assert answer.status == 500
    assert answer.head.all("X-Request-ID") == ["fails-1"]
    naming.wait_log(r"the application failed at GET /fails \(request fails-1\)", since=mark)
    naming.wait_log(r"\[fails-1\] first line$", since=mark)
    naming.wait_log(r"\[fails-1\] second line$", since=mark)


def test_mistake_in_headers_is_told_as_without_a_name(naming: Server) -> None:
    mark = naming.mark()
    answer = fetch(naming.address, "/tuple", "X-Request-ID: tuple-1")
    assert answer.status == 500
    naming.wait_log(r"failed at GET /tuple \(request tuple-1\)", since=mark)
    naming.wait_log(r"TypeError: ", since=mark)


def ask(server: Server, line: str, more: str) -> Answer:
    """A connection's only response. more: fields, the empty line and content."""
    with Client(server.address) as client:
        client.send(f"{line}\r\nHost: a\r\n{more}".encode())
        return client.read(line.split()[0])


@pytest.mark.parametrize("line", ["BAD", "GET / HTTP/1.1\r\nX-Request-ID: unread\r\na b: c"])
def test_refusal_of_what_cannot_be_read_has_a_name_of_its_own(naming: Server, line: str) -> None:
    mark = naming.mark()
    (name,) = ask(naming, line, "\r\n").head.all("X-Request-ID")
    assert MADE.fullmatch(name)
    naming.wait_log(rf"debug: \w+ \(request {name}\) from 127", since=mark)


OWN = [
    ("GET /ready HTTP/1.1", "\r\n", 200),
    ("GET /ready HTTP/1.0", "\r\n", 200),
    ("HEAD /ready HTTP/1.1", "\r\n", 200),
    ("GET /static/a.txt HTTP/1.1", "\r\n", 200),
    ("HEAD /static/a.txt HTTP/1.1", "\r\n", 200),
    ("GET /static/a.txt HTTP/1.0", "\r\n", 200),
    ("GET /static/a.txt HTTP/1.1", "If-None-Match: *\r\n\r\n", 304),
    ("GET /static/a.txt HTTP/1.1", "Range: bytes=1-2\r\n\r\n", 206),
    ("GET /static/none HTTP/1.1", "\r\n", 404),
    ("DELETE /static/a.txt HTTP/1.1", "\r\n", 405),
    ("POST /reads HTTP/1.1", "Content-Length: 101\r\n\r\n", 413),
    ("POST /reads HTTP/1.1", "Transfer-Encoding: chunked\r\n\r\nno chunk\r\n", 400),
]


@pytest.mark.parametrize(("line", "more", "status"), OWN)
def test_responses_of_the_servers_own_have_the_name(
    naming: Server, line: str, more: str, status: int
) -> None:
    answer = ask(naming, line, f"X-Request-ID: given\r\n{more}")
    assert (answer.status, answer.head.all("X-Request-ID")) == (status, ["given"])


def test_each_response_of_the_servers_own_has_another_name(naming: Server) -> None:
    asked = [ask(naming, line, more) for line, more, _ in OWN for _ in range(3)]
    names = [answer.head.get("X-Request-ID") or "" for answer in asked]
    assert all(map(MADE.fullmatch, names))
    assert len(set(names)) == len(names)


def test_access_log_has_the_names_of_the_servers_own_responses(naming: Server, log: Path) -> None:
    expected = []
    for number, (line, more, _) in enumerate(OWN):
        ask(naming, line, f"X-Request-ID: own-{number}\r\n{more}")
        expected.append(f'own-{number} "own-{number}" {line.split()[1]}')
    (name,) = ask(naming, "BAD", "\r\n").head.all("X-Request-ID")
    expected.append(f'{name} "{name}" -')
    for _ in range(1000):  # it is written behind the responses: each request brings a line more
        if set(expected) <= set(log.read_text().splitlines()):
            break
        fetch(naming.address, "/")
    assert set(expected) - set(log.read_text().splitlines()) == set()


def test_without_the_option_nothing_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    options = f"trusted_proxies = 127.0.0.1\nready_path = /ready\nstatic = /static:{tmp_path}\n"
    with Server("def application(e, s):\n    s('200 OK', [])\n    return []\n", options=options) as server:
        for path in ("/", "/ready", "/static/a.txt", "/static/none"):
            assert fetch(server.address, path, "X-Request-ID: x").head.all("X-Request-ID") == []


def test_debug_lines_and_the_page_of_a_failure_have_the_name() -> None:
    options = "request_id = yes\ndebug = 2\n"
    with Server(APPLICATION, options=options, arguments=["--reload"]) as server:
        name = json.loads(fetch(server.address, "/told").body)
        server.wait_log(rf"debug: request GET /told from \S+ \(request {name}\)$")
        server.wait_log(rf"debug: response to GET /told from \S+ \(request {name}\): status 200")
        page = fetch(server.address, "/fails", "Accept: text/html")
        (name,) = page.head.all("X-Request-ID")
        assert b"on purpose" in page.body
        server.wait_log(rf"failed at GET /fails \(request {name}\)")


class Kept:
    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def test_each_line_of_wsgi_errors_begins_with_the_name() -> None:
    kept = Kept()
    errors = NamedErrors(kept, "n")
    for piece in ("a", "", "b\nc", "\n", "\n\nd", "\n"):
        errors.write(piece)
    errors.writelines(["e\n", "f"])
    assert kept.text == "[n] ab\n[n] c\n[n] \n[n] \n[n] d\n[n] e\n[n] f"
    assert errors.encoding == "utf-8"
