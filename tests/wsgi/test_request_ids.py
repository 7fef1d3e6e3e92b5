"""request_id: a name for each request, in environ, both logs and the response."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import Client, Cut, fetch
from support.server import Server

from fapws.wsgi.request_ids import ID_MAX, NamedErrors

APPLICATION = """
import json, sys


def application(environ, start_response):
    name = environ["fapws.request_id"]
    assert environ["HTTP_X_REQUEST_ID"] == name
    path = environ["PATH_INFO"]
    environ["wsgi.errors"].write("first line\\nsecond ")
    environ["wsgi.errors"].write("line\\n")
    headers = [("Content-Type", "application/json")]
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
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "access"


@pytest.fixture(scope="module")
def naming(log: Path) -> Iterator[Server]:
    with Server(APPLICATION, options=f"{OPTIONS}access_log = {log}") as running:
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


def test_refusal_has_no_name(naming: Server, log: Path) -> None:
    with Client(naming.address) as client:
        client.send(b"BAD\r\n\r\n")
        assert client.read().head.all("X-Request-ID") == []
    for _ in range(1000):
        if re.search(r'^- "-" ', log.read_text(), re.MULTILINE):
            return
        fetch(naming.address, "/")
    pytest.fail("no line of the refusal")


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
