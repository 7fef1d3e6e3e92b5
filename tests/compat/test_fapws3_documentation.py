"""Programs in the form that fapws3's documentation taught, each by itself and under a master."""

from __future__ import annotations

import contextlib
import gzip
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.program import Program
from support.raw import fetch
from support.samples import wait_for
from support.server import Server

PROGRAMS = Path(__file__).parent / "programs" / "fapws3"
LONG = b"".join(b"line %d\n" % number for number in range(30_000))

pytestmark = pytest.mark.parametrize("how", ["python program.py", "script ="])


@contextlib.contextmanager
def serving(name: str, how: str, tmp_path: Path, unix: bool = False) -> Iterator[Server]:
    """A program in a folder of its own, where static/long.txt is LONG."""
    folder = shutil.copytree(PROGRAMS, tmp_path / "programs")
    (folder / "static" / "long.txt").write_bytes(LONG)
    program = folder / name
    server = (
        Program(program, unix=unix, directory=folder)
        if how == "python program.py"
        else Server(program, unix=unix, options="workers = 1", name=program.stem)
    )
    with server:
        yield server


RETURNED = {
    "/hello": b"Hello world!!",
    "/hello/and/more": b"Hello world!!",
    "/helloZZZ": b"Hello world!!",
    "/plain": b"Hello plain",
    "/nothing": b"",
    "/generator": b"Hello generator",
    "/empty": b"",
    "/tuple": b"Hello tuple",
    "/file": LONG,
    "/split": LONG,
    "/class": b"Hello class",
}
"""What each route of answers.py sends."""


@pytest.mark.parametrize("target", RETURNED)
def test_what_an_object_returns_is_sent(how: str, target: str, tmp_path: Path) -> None:
    with serving("answers.py", how, tmp_path) as server:
        for _ in range(3):
            answer = fetch(server.address, target)
            assert (answer.status, answer.body) == (200, RETURNED[target])


def test_state_errors_fallback_and_the_end(how: str, tmp_path: Path) -> None:
    with serving("answers.py", how, tmp_path) as server:
        assert [fetch(server.address, "/class").head.get("X-Count") for _ in range(3)] == ["1", "2", "3"]
        assert fetch(server.address, "/wrong").status == 500
        assert "start_reponse" not in fetch(server.address, "/wrong").text, "tracebacks are for the log"
        server.wait_log("NameError.*start_reponse")
        missing = fetch(server.address, "/missing?x=1")
        assert (missing.status, missing.text) == (404, "no /missing")
        assert fetch(server.address, "/hello").status == 200
        server.stop()
        server.wait_log(r"run\(\) has returned", 0)


def test_environ_has_fapws3s_keys(how: str, tmp_path: Path) -> None:
    with serving("answers.py", how, tmp_path) as server:
        answer = fetch(server.address, "/envZZZ%20z?a=1&b=", "X-Own: v", "Content-Type: text/x-own")
        told = dict(line.split(":", 1) for line in answer.text.splitlines() if ":" in line)
        assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("/env", "ZZZ z", "a=1&b=")
        assert told["fapws.uri"] == "/envZZZ%20z?a=1&b="
        assert told["fapws.params"] == "{'a': ['1'], 'b': ['']}"
        assert (told["HTTP_X_OWN"], told["REQUEST_METHOD"]) == ("v", "GET")
        assert told["CONTENT_TYPE"] == told["HTTP_CONTENT_TYPE"] == "text/x-own"
        assert told["fapws.remote_addr"] == told["REMOTE_ADDR"] == "127.0.0.1"
        assert int(told["fapws.remote_port"]) > 0
        assert told["wsgi.url_scheme"] == "http"
        assert told["REQUEST_PROTOCOL"] == told["SERVER_PROTOCOL"] == "HTTP/1.1"
        assert told["fapws.raw_header"].startswith("GET /envZZZ%20z?a=1&b= HTTP/1.1")
        assert {"fapws.major_minor", "fapws.socket_fd", "SERVER_NAME", "SERVER_PORT", "wsgi.input"} <= set(
            told
        )


def test_forms(how: str, tmp_path: Path, browser: requests.Session) -> None:
    with serving("forms.py", how, tmp_path) as server:
        url = server.url
        form = browser.post(url + "/post?a=query", data={"a": ["1", "é"], "b": ""}, timeout=30)
        assert form.text == "params: {'a': ['1', 'é'], 'b': ['']}"
        upload = browser.post(url + "/post", files={"f": ("n.txt", b"content")}, timeout=30)
        assert "content" in upload.text and upload.text.startswith("params: b'--")
        long = browser.post(url + "/post", files={"f": ("n.txt", LONG)}, timeout=30)
        assert len(long.content) > len(LONG) and long.text.startswith("params: b'--")
        nothing = fetch(server.address, "/post", "Content-Type: multipart/form-data", method="POST")
        assert nothing.text == "params: b''"
        other = browser.post(url + "/post", data=b"raw", headers={"Content-Type": "a/b"}, timeout=30)
        assert other.text == "params: b'raw'"
        query = browser.get(url + "/query?a=1&a=2+3&c=%41&empty=", timeout=30)
        assert query.text == "[('a', ['1', '2 3']), ('c', ['A']), ('empty', [''])] True"


def test_redirects_and_cookies(how: str, tmp_path: Path, browser: requests.Session) -> None:
    with serving("forms.py", how, tmp_path) as server:
        for path, status in (("/old", 302), ("/moved", 301)):
            answer = browser.get(server.url + path, timeout=30)
            assert [step.status_code for step in answer.history] == [status]
            assert answer.text == f"[('from', ['{path[1:]}'])] True"
        first = fetch(server.address, "/cookie")
        sent = first.head.all("Set-Cookie")
        assert [field.partition("=")[0].strip() for field in sent] == ["first", "second", "third"]
        assert "max-age=3600" in sent[0].lower()
        browser.get(server.url + "/cookie", timeout=30)
        assert browser.get(server.url + "/cookie", timeout=30).text.split("; ") == ["second=2", "first=1"]


def test_files_and_decorators(how: str, tmp_path: Path) -> None:
    with serving("forms.py", how, tmp_path) as server:
        short = fetch(server.address, "/static/short.txt")
        assert (short.status, short.body) == (200, b"short\n")
        assert short.head.get("Content-Type") == "text/plain; charset=utf-8"
        assert "max-age=3600" in (short.head.get("Cache-Control") or "")
        since = f"If-Modified-Since: {short.head.get('Last-Modified')}"
        assert fetch(server.address, "/static/short.txt", since).status == 304
        assert fetch(server.address, "/static/long.txt").body == LONG
        assert fetch(server.address, "/static/none.txt").status == 404
        for outside in (
            "/static/../forms.py",
            "/static/..%2fforms.py",
            "/static/%2e%2e/forms.py",
            "/static%00",
        ):
            assert fetch(server.address, outside).status in (400, 403, 404)
        assert fetch(server.address, "/one").body == b"short\n"

        zipped = fetch(server.address, "/zipped", "Accept-Encoding: gzip")
        assert zipped.head.get("Content-Encoding") == "gzip"
        assert gzip.decompress(zipped.body) == b"long " * 1000
        assert fetch(server.address, "/zipped").body == b"long " * 1000
        server.wait_log("/zipped")


def results(server: Server) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\[.*?\]|\d+)", fetch(server.address, "/results").text))


def test_timers(how: str, tmp_path: Path) -> None:
    with serving("later.py", how, tmp_path) as server:
        wait_for(lambda: int(results(server)["lambda"]) > 5, "a lambda as timer, again and again")
        stopped = results(server)
        assert (stopped["twice"], stopped["broken"]) == ("2", "1")
        server.wait_log("RuntimeError: a timer that fails")
        assert fetch(server.address, "/stop").text == "stopped"
        stopped = results(server)
        wait_for(lambda: int(results(server)["lambda"]) > int(stopped["lambda"]) + 5, "the lambda goes on")
        assert results(server)["tick"] == stopped["tick"]
        assert fetch(server.address, "/again").text == "again"
        wait_for(lambda: int(results(server)["tick"]) > int(stopped["tick"]), "the first timer goes on")
        # fapws3 had room for ten.
        assert [fetch(server.address, "/more").text for _ in range(12)] == [str(n) for n in range(5, 17)]


def test_deferred_calls(how: str, tmp_path: Path) -> None:
    with serving("later.py", how, tmp_path) as server:
        # Of equal pairs one is kept with combine, without it each.
        assert fetch(server.address, "/work").text == "4"
        done = wait_for(lambda: (got := results(server))["waiting"] == "0" and got, "the queue runs dry")
        assert done["sums"] == "[1, 2, 3, 3]"


def test_base_module_of_ones_own(how: str, tmp_path: Path) -> None:
    with serving("own_base.py", how, tmp_path) as server:
        answer = fetch(server.address)
        assert (answer.status, answer.text) == (200, "headers uri request Environ localhost")
        assert answer.head.get("X-Own") == "yes"
        assert fetch(server.address, method="REPORT").status == 200
        assert fetch(server.address, method="PUT").status == 501
        server.wait_log("too early: Base module not set")


def test_unix_socket(how: str, tmp_path: Path) -> None:
    with serving("unix_socket.py", how, tmp_path, unix=True) as server:
        assert fetch(server.address, "/hello").body == b"Hello socket"
