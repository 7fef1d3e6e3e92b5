"""httpbin behind fapws, asked by requests: what a client library expects of any server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth
from support.server import Server
from support.venvs import venv_with

PIECES = [b"first ", b"second ", b"third " * 20_000]


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """httpbin with two workers: one of them may sleep."""
    # It has a Flask of its own, whatever the tests have.
    packages = venv_with("httpbin", "httpbin >= 0.10.2, < 0.11", "cffi")
    with Server("httpbin:app", options=f"virtualenv = {packages.home}\nworkers = 2") as server:
        yield server


@pytest.fixture
def url(site: Server) -> str:
    """Where it is."""
    return site.url


def test_get_shows_what_was_asked(url: str, browser: requests.Session) -> None:
    seen = browser.get(
        url + "/get", params={"a": ["1", "\u20ac"], "b": ""}, headers={"X-Test": "caf\xe9"}, timeout=30
    ).json()
    assert seen["args"] == {"a": ["1", "\u20ac"], "b": ""}
    assert seen["headers"]["X-Test"] == "caf\xe9"
    assert seen["origin"] == "127.0.0.1"
    assert seen["url"].startswith(url + "/get?a=1")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_content_by_every_method(url: str, browser: requests.Session, method: str) -> None:
    target = f"{url}/{method}"
    form = {"k": "v\u00e9"}
    assert browser.request(method, target, data=form, timeout=30).json()["form"] == form
    assert browser.request(method, target, json={"k": [1]}, timeout=30).json()["json"] == {"k": [1]}
    assert browser.request(method, target, data=b"text", timeout=30).json()["data"] == "text"
    assert browser.request(method, target, timeout=30).json()["data"] == ""


def test_a_wrong_method_is_405(url: str, browser: requests.Session) -> None:
    assert browser.put(url + "/get", data=b"x" * 100_000, timeout=30).status_code == 405
    assert browser.get(url + "/get", timeout=30).status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_multipart_upload(url: str, browser: requests.Session, chunked: bool) -> None:
    text = "line\r\n\u20ac\n" * 20_000
    prepared = browser.prepare_request(
        requests.Request("POST", url + "/post", data={"t": "1"}, files={"f": ("n.txt", text.encode())})
    )
    if chunked:
        body = prepared.body
        assert isinstance(body, bytes)
        kind = {"Content-Type": prepared.headers["Content-Type"]}
        pieces = (body[at : at + 5000] for at in range(0, len(body), 5000))
        seen = browser.post(url + "/post", data=pieces, headers=kind, timeout=30).json()
    else:
        seen = browser.send(prepared, timeout=30).json()
    assert seen["form"] == {"t": "1"}
    assert seen["files"] == {"f": text}


def test_a_chunked_upload(url: str, browser: requests.Session) -> None:
    for method in ("post", "put"):
        seen = browser.request(method, f"{url}/{method}", data=iter(PIECES), timeout=30).json()
        assert seen["data"].encode() == b"".join(PIECES)
        # httpbin refuses what is still called chunked when it arrives.
        assert "Transfer-Encoding" not in seen["headers"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_content_codings(url: str, browser: requests.Session, coding: str) -> None:
    answer = browser.get(f"{url}/{coding}", timeout=30)
    assert answer.headers["Content-Encoding"] == {"brotli": "br"}.get(coding, coding)
    if coding != "brotli":  # requests decodes it only with another package
        assert answer.json()["deflated" if coding == "deflate" else "gzipped"] is True
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("count", [1, 20, 100])
def test_a_stream_of_lines(url: str, browser: requests.Session, count: int) -> None:
    with browser.get(f"{url}/stream/{count}", stream=True, timeout=30) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert [line["id"] for line in lines] == list(range(count))


@pytest.mark.parametrize("chunk", [1, 1000, 10_240])
def test_streamed_bytes(url: str, browser: requests.Session, chunk: int) -> None:
    target = f"{url}/stream-bytes/100000?seed=5&chunk_size={chunk}"
    with browser.get(target, stream=True, timeout=30) as answer:
        streamed = b"".join(answer.iter_content(777))
    assert len(streamed) == 100_000
    assert streamed == browser.get(target, timeout=30).content


def test_random_bytes(url: str, browser: requests.Session) -> None:
    for size in (0, 1, 65_536, 100_000):
        answer = browser.get(f"{url}/bytes/{size}?seed=1", timeout=30)
        assert len(answer.content) == size == int(answer.headers["Content-Length"])


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=1000-", 1000, 100_000), ("bytes=-10", 99_990, 100_000)],
)
def test_ranges(url: str, browser: requests.Session, asked: str, start: int, end: int) -> None:
    whole = browser.get(url + "/range/100000", timeout=30)
    assert len(whole.content) == 100_000
    answer = browser.get(url + "/range/100000", headers={"Range": asked}, timeout=30)
    assert (answer.status_code, answer.content) == (206, whole.content[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/100000"
    bad = browser.get(url + "/range/100000", headers={"Range": "bytes=200000-"}, timeout=30)
    assert bad.status_code == 416


def test_cookies(url: str, browser: requests.Session) -> None:
    answer = browser.get(url + "/cookies/set", params={"one": "1", "two": "zwei drei"}, timeout=30)
    assert answer.json()["cookies"] == {"one": "1", "two": "zwei drei"}
    answer = browser.get(url + "/cookies/delete?one", timeout=30)
    assert answer.json()["cookies"] == {"two": "zwei drei"}


@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_redirects(url: str, browser: requests.Session, kind: str) -> None:
    answer = browser.get(f"{url}/{kind}/5", timeout=30)
    assert len(answer.history) == 5
    assert answer.url == url + "/get"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_of_a_post(url: str, browser: requests.Session, code: int) -> None:
    answer = browser.post(
        url + "/redirect-to",
        params={"url": url + "/anything", "status_code": str(code)},
        data={"a": "b"},
        timeout=30,
    )
    assert answer.json()["method"] == ("POST" if code in (307, 308) else "GET")
    assert answer.json()["form"] == ({"a": "b"} if code in (307, 308) else {})


def test_basic_login(url: str, browser: requests.Session) -> None:
    target = url + "/basic-auth/name/word"
    assert browser.get(target, timeout=30).status_code == 401
    assert browser.get(target, auth=HTTPBasicAuth("name", "no"), timeout=30).status_code == 401
    assert browser.get(target, auth=HTTPBasicAuth("name", "word"), timeout=30).json()["user"] == "name"
    assert browser.get(url + "/hidden-basic-auth/name/word", timeout=30).status_code == 404
    bearer = {"Authorization": "Bearer token"}
    assert browser.get(url + "/bearer", headers=bearer, timeout=30).json()["token"] == "token"


@pytest.mark.parametrize("protection", ["auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512"])
def test_digest_login(url: str, browser: requests.Session, protection: str, algorithm: str) -> None:
    if protection == "auth-int":
        # requests knows only auth; the challenge must come all the same.
        answer = browser.get(f"{url}/digest-auth/auth-int/name/word/{algorithm}", timeout=30)
        assert answer.status_code == 401
        assert "auth-int" in answer.headers["WWW-Authenticate"]
        return
    target = f"{url}/digest-auth/auth/name/word/{algorithm}"
    answer = browser.get(target, auth=HTTPDigestAuth("name", "word"), timeout=30)
    assert answer.json()["authenticated"] is True
    assert browser.get(target, auth=HTTPDigestAuth("name", "no"), timeout=30).status_code == 401


def test_a_delay(url: str, browser: requests.Session) -> None:
    answer = browser.post(url + "/delay/1", data={"a": "b"}, timeout=30)
    assert answer.json()["form"] == {"a": "b"}
    assert answer.elapsed.total_seconds() >= 0.9


def test_drip_comes_drop_by_drop(url: str, browser: requests.Session) -> None:
    seconds = 6  # so long that a busy machine does not keep the head back for the whole time
    target = f"{url}/drip?duration={seconds}&numbytes=5&delay=0&code=202"
    with browser.get(target, stream=True, timeout=30) as answer:
        # The head is here before the first drop but one: it took less time than the whole.
        assert answer.status_code == 202
        assert answer.elapsed.total_seconds() < seconds * 0.9
        drops = [answer.raw.read(1) for _ in range(5)]
        assert drops == [b"*"] * 5
        assert answer.raw.read(1) == b""


@pytest.mark.parametrize("code", [200, 204, 304, 400, 404, 418, 500, 503])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head"])
def test_status(url: str, browser: requests.Session, code: int, method: str) -> None:
    answer = browser.request(method, f"{url}/status/{code}", timeout=30)
    assert answer.status_code == code
    if code in (204, 304) or method == "head":
        assert answer.content == b""


def test_conditions(url: str, browser: requests.Session) -> None:
    assert browser.get(url + "/cache", timeout=30).status_code == 200
    tagged = url + "/etag/tag"
    assert browser.get(tagged, headers={"If-None-Match": '"tag"'}, timeout=30).status_code == 304
    assert browser.get(tagged, headers={"If-Match": '"other"'}, timeout=30).status_code == 412
    since = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert browser.get(url + "/cache", headers=since, timeout=30).status_code == 304


def test_fields_of_the_answer(url: str, browser: requests.Session) -> None:
    answer = browser.get(url + "/response-headers", params={"X-A": "1", "Server": "own"}, timeout=30)
    assert answer.headers["X-A"] == "1"
    assert answer.headers["Server"] == "own"
    assert answer.json()["X-A"] == "1"


@pytest.mark.parametrize(
    "page", ["html", "xml", "robots.txt", "encoding/utf8", "image/png", "links/5/0", "uuid"]
)
def test_pages(url: str, browser: requests.Session, page: str) -> None:
    answer = browser.get(f"{url}/{page}", timeout=30)
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"]) > 0
    head = browser.head(f"{url}/{page}", timeout=30)
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]


def test_many_requests_on_few_connections(url: str, browser: requests.Session) -> None:
    for number in range(100):
        assert browser.get(f"{url}/anything/{number}", timeout=30).json()["url"] == f"{url}/anything/{number}"
