"""Bottle: each request also goes to the application in this process, by WebTest."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.raw import fetch
from support.same import Same, load_application
from support.server import Server

SITE = Path(__file__).parent / "sites" / "bottle_site.py"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Same]:
    """The site, inside and behind fapws."""
    with pytest.MonkeyPatch.context() as patch, Server(SITE, env={"FOLDER": str(folder)}) as server:
        patch.setenv("FOLDER", str(folder))
        yield Same(load_application(SITE), server)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/json?q=1&q=%E2%82%AC&r",
        "/bytes/0",
        "/bytes/100000",
        "/nothing",
        "/where?x=%20y",
        "/name/%E6%97%A5%20%2B",
        "/move",
        "/teapot",
        "/header",
        "/boom",
        "/nowhere",
        "/file/page.html",
        "/file/empty",
        "/file/big.bin",
        "/file/none",
        "/save/page.html",
    ],
)
def test_pages_are_the_same_inside_and_outside(site: Same, target: str, method: str) -> None:
    site.ask(target, method)


def test_a_stream(site: Same) -> None:
    answer = site.ask("/stream")
    assert answer.framing == "chunked"
    assert answer.body.startswith(b"row 0\nrow 1\n")


def test_methods_that_are_not_allowed(site: Same) -> None:
    answer = site.ask("/form")
    assert answer.status == 405
    assert answer.head.get("Allow")
    assert site.ask("/", "POST", body=b"content").status == 405
    assert site.ask("/", "OPTIONS").status == 405


def test_forms_and_files(site: Same) -> None:
    fields = [("title", "A title"), ("tag", "x"), ("tag", "y")]
    answer = site.post_form("/form", fields, small=("a.txt", b"hello"), large=("b.bin", b"\0\r\n" * 100_000))
    assert answer.status == 200, answer
    seen = json.loads(answer.body)
    assert seen["form"] == {"title": ["A title"], "tag": ["x", "y"]}
    assert seen["files"]["large"][1:] == [300_000, hashlib.sha256(b"\0\r\n" * 100_000).hexdigest()]
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = site.ask("/form", "POST", kind, b"a=%E2%82%AC&a=2&b=+")
    assert json.loads(answer.body)["form"]["b"] == [" "]


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_content_by_every_method(site: Same, method: str) -> None:
    for content in (b"", b"c", b"\0\xff" * 50_000):
        assert site.ask("/echo", method, body=content).body == content


@pytest.mark.parametrize("content", [b"", b"a=1&b=2", b"c" * 200_000], ids=["empty", "form", "spooled"])
def test_chunked_content(site: Same, content: bytes) -> None:
    assert site.send_chunked("/echo", "text/plain", content).body == content


# In this process Bottle leaves a file to the collector when it sends a part of it.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_ranges_and_conditions_of_a_file(site: Same, folder: Path) -> None:
    whole = site.ask("/file/big.bin")
    assert whole.body == (folder / "big.bin").read_bytes()
    part = site.ask("/file/big.bin", fields={"Range": "bytes=1000000-1999999"})
    assert (part.status, part.body) == (206, whole.body[1_000_000:2_000_000])
    assert site.ask("/file/big.bin", fields={"Range": "bytes=-5"}).body == whole.body[-5:]
    assert site.ask("/file/big.bin", fields={"Range": "bytes=9999999-"}).status == 416
    since, tag = whole.head.get("Last-Modified"), whole.head.get("ETag")
    assert since and tag
    for fields in ({"If-Modified-Since": since}, {"If-None-Match": tag}):
        answer = site.ask("/file/big.bin", fields=fields)
        assert (answer.status, answer.body) == (304, b"")
    gc.collect()  # else PyPy complains of that file in a test of somebody else


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_files_are_closed(site: Same) -> None:
    worker = site.server.processes()
    before = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in worker)
    for _ in range(20):
        for method in ("GET", "HEAD"):
            fetch(site.server.address, "/file/page.html", method=method)
    fetch(site.server.address, "/file/page.html", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")
    after = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in worker)
    assert after <= before + 2  # the last connection may not be gone yet


def test_cookies(site: Same, browser: requests.Session) -> None:
    assert len(site.ask("/cookies").head.all("Set-Cookie")) == 2
    browser.get(site.server.url + "/cookies", timeout=30)
    seen = browser.get(site.server.url + "/cookies", timeout=30).json()
    assert seen["plain"] == "value"
    assert browser.get(site.server.url + "/signed", timeout=30).text == "va lue"


def test_redirects_are_absolute(site: Same) -> None:
    answer = site.ask("/move")
    assert (answer.status, answer.head.get("Location")) == (303, site.server.url + "/json?q=moved")


def test_an_exception_is_in_the_log(site: Same) -> None:
    mark = site.server.mark()
    assert fetch(site.server.address, "/boom").status == 500
    site.server.wait_log("bottle-boom", since=mark)


def test_below_a_script_name(folder: Path) -> None:
    with Server(SITE, options="script_name = /shop", env={"FOLDER": str(folder)}) as server:
        site = Same(load_application(SITE), server)
        seen = json.loads(site.ask("/where?q", prefix="/shop").body)
        assert seen["url"] == server.url + "/shop/where?q"
        assert seen["script"] == "/shop/"
        assert seen["elsewhere"] == "/shop/name/a b"
        answer = site.ask("/move", prefix="/shop")
        assert answer.head.get("Location") == server.url + "/json?q=moved"
