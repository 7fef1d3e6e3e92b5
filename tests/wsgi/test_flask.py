"""A real Flask application, driven by requests."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.server import Server

SITE = Path(__file__).parent / "apps" / "flask_site.py"
BIG = random.Random(5).randbytes(3_000_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The site, with two workers and a static folder."""
    static = tmp_path_factory.mktemp("static")
    (static / "style.css").write_text("body { color: black }\n")
    (static / "big.bin").write_bytes(BIG)
    with Server(SITE, arguments=["-w", "2"], env={"STATIC": str(static)}) as running:
        yield running


@pytest.fixture
def browser(site: Server) -> Iterator[requests.Session]:
    """A client with cookies and kept connections."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["User-Agent"] = "tests"
        yield session


def test_login_session_flash_and_logout(site: Server, browser: requests.Session) -> None:
    assert browser.get(site.url + "/", timeout=30).text == "user=- messages=[]"
    assert "form" in browser.get(site.url + "/login", timeout=30).text
    answer = browser.post(site.url + "/login", data={"user": "J\xf6rg & co"}, timeout=30)
    assert [step.status_code for step in answer.history] == [302]
    assert answer.text == "user=J\xf6rg & co messages=['welcome']"
    # The session is in the cookie: any worker knows it.
    for _ in range(10):
        assert "user=J\xf6rg & co" in browser.get(site.url + "/", timeout=30).text
    answer = browser.post(site.url + "/logout", timeout=30)
    assert answer.history[0].status_code == 303
    assert answer.text.startswith("user=-")


def test_upload_of_several_files(site: Server, browser: requests.Session) -> None:
    files = [
        ("small", ("a.txt", b"hello", "text/plain")),
        ("large", ("b\u00e9.bin", BIG, "application/octet-stream")),
        ("empty", ("c", b"", "text/plain")),
    ]
    data = {"title": "A \u20ac title", "tags": ["x", "y"]}
    answer = browser.post(site.url + "/upload", files=files, data=data, timeout=30).json()
    assert answer["files"]["small"] == ["a.txt", 5, hashlib.sha256(b"hello").hexdigest()]
    assert answer["files"]["large"][1:] == [len(BIG), hashlib.sha256(BIG).hexdigest()]
    assert answer["files"]["empty"][1] == 0
    assert answer["form"] == {"title": ["A \u20ac title"], "tags": ["x", "y"]}


def test_a_chunked_upload(site: Server, browser: requests.Session) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"a": '
        yield b'"' + b"x" * 100_000 + b'"}'

    headers = {"Content-Type": "application/json"}
    answer = browser.post(site.url + "/json", data=pieces(), headers=headers, timeout=30)
    assert len(answer.json()["got"]["a"]) == 100_000


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_json_by_every_method(site: Server, browser: requests.Session, method: str) -> None:
    answer = browser.request(method, site.url + "/json?q=1", json={"k": [1, None]}, timeout=30)
    assert answer.json() == {"method": method, "got": {"k": [1, None]}, "args": {"q": "1"}}


def test_a_streamed_answer(site: Server, browser: requests.Session) -> None:
    with browser.get(site.url + "/stream?word=w", stream=True, timeout=30) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        lines = list(answer.iter_lines())
    assert lines == [b"w %d" % number for number in range(100)]


def test_static_files_and_conditional_requests(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/static/style.css", timeout=30)
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.text == "body { color: black }\n"
    again = browser.get(
        site.url + "/static/style.css",
        headers={"If-None-Match": answer.headers["ETag"]},
        timeout=30,
    )
    assert (again.status_code, again.content) == (304, b"")
    assert browser.get(site.url + "/static/../apps/flask_site.py", timeout=30).status_code == 404
    assert browser.get(site.url + "/static/none", timeout=30).status_code == 404


def test_download_whole_in_part_and_head(site: Server, browser: requests.Session) -> None:
    url = site.url + "/download"
    assert browser.get(url, timeout=30).content == BIG
    part = browser.get(url, headers={"Range": "bytes=1000-1999"}, timeout=30)
    assert (part.status_code, part.content) == (206, BIG[1000:2000])
    head = browser.head(url, timeout=30)
    assert (head.headers["Content-Length"], head.content) == (str(len(BIG)), b"")
    assert browser.get(url, timeout=30).content == BIG


def test_cookies_both_ways(site: Server, browser: requests.Session) -> None:
    browser.cookies.set("mine", "m")
    assert browser.get(site.url + "/cookies", timeout=30).json() == {"mine": "m"}
    assert browser.get(site.url + "/cookies", timeout=30).json() == {
        "mine": "m",
        "one": "1",
        "two": "zwei drei",
    }


def test_errors(site: Server, browser: requests.Session) -> None:
    assert browser.get(site.url + "/teapot", timeout=30).status_code == 418
    assert browser.get(site.url + "/nowhere", timeout=30).status_code == 404
    answer = browser.delete(site.url + "/login", timeout=30)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    mark = site.mark()
    answer = browser.get(site.url + "/boom", timeout=30)
    assert answer.status_code == 500
    assert "flask-boom" not in answer.text
    site.wait_log("RuntimeError: flask-boom", since=mark)


def test_paths_and_queries_beyond_ascii(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/unicode/\u65e5\u672c", params={"q": "\u20ac&"}, timeout=30)
    assert answer.text == "name=\u65e5\u672c query=\u20ac&"


def test_the_address_as_flask_sees_it(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/host?x=%20y", timeout=30)
    assert answer.text == f"{site.url}/host?x=%20y 127.0.0.1 False"


def test_options_and_head_of_a_page(site: Server, browser: requests.Session) -> None:
    assert "GET" in browser.options(site.url + "/", timeout=30).headers["Allow"]
    head = browser.head(site.url + "/", timeout=30)
    assert head.status_code == 200
    assert head.headers["Content-Length"] == str(len("user=- messages=[]"))
