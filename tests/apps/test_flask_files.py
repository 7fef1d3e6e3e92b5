"""Flask: files, conditions, ranges, addresses, mounting and chunked forms, driven by requests."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.raw import Client, chunked, fetch
from support.server import Server

SITE = Path(__file__).parent / "sites" / "flask_files.py"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Server]:
    """The site with one worker."""
    with Server(SITE, env={"FOLDER": str(folder)}) as running:
        yield running


@pytest.fixture(scope="module")
def mounted(folder: Path) -> Iterator[Server]:
    """The same below /shop."""
    with Server(SITE, options="script_name = /shop", env={"FOLDER": str(folder)}) as running:
        yield running


@pytest.mark.parametrize("route", ["file", "whole"])
@pytest.mark.parametrize("name", ["big.bin", "page.html", "empty"])
def test_files_whole_and_their_heads(
    site: Server, browser: requests.Session, folder: Path, route: str, name: str
) -> None:
    content = (folder / name).read_bytes()
    url = f"{site.url}/{route}/{name}"
    for _ in range(2):
        answer = browser.get(url, timeout=30)
        assert answer.content == content
        assert answer.headers["Content-Length"] == str(len(content))
        head = browser.head(url, timeout=30)
        assert head.content == b""
        for field in ("Content-Length", "Content-Type", "ETag"):
            assert head.headers.get(field) == answer.headers.get(field)


def test_conditions(site: Server, browser: requests.Session) -> None:
    url = site.url + "/file/big.bin"
    head = browser.head(url, timeout=30).headers
    tag, since = head["ETag"], head["Last-Modified"]
    for fields in ({"If-None-Match": tag}, {"If-Modified-Since": since}, {"If-None-Match": f'"x", {tag}'}):
        answer = browser.get(url, headers=fields, timeout=30)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert "Content-Length" not in answer.headers or answer.headers["Content-Length"] == "3000000"
    assert browser.get(url, headers={"If-None-Match": '"x"'}, timeout=30).status_code == 200
    page = browser.get(site.url + "/tagged", timeout=30)
    again = browser.get(site.url + "/tagged", headers={"If-None-Match": page.headers["ETag"]}, timeout=30)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("range_", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=2999999-", 2_999_999, 3_000_000),
        ("bytes=-7", 2_999_993, 3_000_000),
        ("bytes=100000-9999999", 100_000, 3_000_000),
    ],
)
def test_ranges(
    site: Server, browser: requests.Session, folder: Path, range_: str, start: int, end: int
) -> None:
    content = (folder / "big.bin").read_bytes()
    for method in ("GET", "HEAD"):
        answer = browser.request(method, site.url + "/file/big.bin", headers={"Range": range_}, timeout=30)
        # Werkzeug gives HEAD the whole length or the part's; what it says is what must arrive.
        assert answer.content == (content[start:end] if method == "GET" else b"")
    answer = browser.get(site.url + "/file/big.bin", headers={"Range": range_}, timeout=30)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/3000000"


def test_a_range_beyond_the_end(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/file/big.bin", headers={"Range": "bytes=3000000-"}, timeout=30)
    assert answer.status_code == 416
    assert browser.get(site.url + "/file/page.html", timeout=30).status_code == 200


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_files_are_closed(site: Server) -> None:
    def count() -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in site.processes())

    fetch(site.address, "/file/big.bin")
    before = count()
    for _ in range(10):
        for fields in ([], ["Range: bytes=5-9"], ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]):
            for method in ("GET", "HEAD"):
                fetch(site.address, "/file/big.bin", *fields, method=method)
    assert count() <= before + 2  # the last connection may not be gone yet


def test_call_on_close(site: Server) -> None:
    with Client(site.address) as client:  # on another connection the question might come first
        assert client.get("/closing?n=one").body == b"012"
        client.get("/closing?n=two", method="HEAD")
        assert json.loads(client.get("/closed").body) == ["one", "two"]


def test_an_upload_goes_through_a_file(site: Server, browser: requests.Session, folder: Path) -> None:
    content = (folder / "big.bin").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    seen = browser.post(
        site.url + "/form", data={"t": "\u20ac"}, files={"f": ("b", content)}, timeout=30
    ).json()
    assert seen["form"] == {"t": ["\u20ac"]}
    assert seen["files"]["f"][:2] == ["b", digest]
    assert seen["length"] > len(content)
    assert browser.post(site.url + "/stream", data=content, timeout=30).json() == {
        "total": len(content),
        "digest": digest,
    }


@pytest.mark.parametrize("size", [1, 777, 65_536])
def test_a_chunked_form(site: Server, folder: Path, size: int) -> None:
    content = (folder / "big.bin").read_bytes()[: 200 * size]
    prepared = requests.Request(
        "POST", site.url + "/form", data={"t": "\u20ac", "u": "2"}, files={"f": ("b", content)}
    ).prepare()
    body = prepared.body
    assert isinstance(body, bytes)
    kind = str(prepared.headers["Content-Type"])
    head = f"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
    with Client(site.address) as client:
        client.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        client.send(chunked(body[at : at + size] for at in range(0, len(body), size)))
        seen = json.loads(client.read().body)
        client.assert_open()
    assert seen["form"] == {"t": ["\u20ac"], "u": ["2"]}
    assert seen["files"]["f"][:2] == ["b", hashlib.sha256(content).hexdigest()]


def test_a_chunked_form_without_files(site: Server, browser: requests.Session) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    seen = browser.post(site.url + "/form", data=iter([b"a=1&", b"b=%20&a=2"]), headers=kind, timeout=30)
    assert seen.json()["form"] == {"a": ["1", "2"], "b": [" "]}


def test_cookies(site: Server, browser: requests.Session) -> None:
    browser.cookies.set("gone", "soon", domain="127.0.0.1", path="/")
    answer = browser.get(site.url + "/cookie", timeout=30)
    raw = answer.raw.headers.getlist("Set-Cookie")
    assert len(raw) == 2
    assert "HttpOnly" in raw[0] and "SameSite=Lax" in raw[0]
    assert browser.get(site.url + "/cookie", timeout=30).json() == {"full": "v\u00e9"}


def test_addresses(site: Server, browser: requests.Session) -> None:
    seen = browser.get(site.url + "/where?q=%20", timeout=30).json()
    assert seen["url"] == site.url + "/where?q=%20"
    assert (seen["root"], seen["host"]) == ("", site.url + "/")
    assert seen["outside"] == site.url + "/name/a%20b%E2%82%AC"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects(site: Server, browser: requests.Session, code: int) -> None:
    answer = browser.get(f"{site.url}/move/{code}", timeout=30)
    assert [step.status_code for step in answer.history] == [code]
    assert (answer.url, answer.text) == (site.url + "/name/moved", "moved")


def test_below_a_script_name(mounted: Server, browser: requests.Session) -> None:
    url = mounted.url + "/shop"
    seen = browser.get(url + "/where", timeout=30).json()
    assert seen["url"] == url + "/where"
    assert (seen["root"], seen["path"]) == ("/shop", "/where")
    assert seen["outside"] == url + "/name/a%20b%E2%82%AC"
    assert seen["inside"] == "/shop/name/x"
    answer = browser.get(url + "/move/302", timeout=30)
    assert (answer.url, answer.text) == (url + "/name/moved", "moved")
    assert browser.get(mounted.url + "/where", timeout=30).status_code == 404
    assert browser.get(url + "/file/page.html", timeout=30).text.startswith("<!doctype")
