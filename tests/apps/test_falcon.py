"""Falcon: each request also goes to the application in this process, by WebTest."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import fetch
from support.same import Same, load_application
from support.server import Server

SITE = Path(__file__).parent / "sites" / "falcon_site.py"

# In this process nobody closes the files that Falcon hands to a server.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Same]:
    """The site, inside and behind fapws."""
    with pytest.MonkeyPatch.context() as patch, Server(SITE, env={"FOLDER": str(folder)}) as server:
        patch.setenv("FOLDER", str(folder))
        yield Same(load_application(SITE), server)
    gc.collect()  # else PyPy complains of those files in a test of somebody else


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "target",
    [
        "/media?q=1&q=%E2%82%AC&n=5",
        "/media?n=text",
        "/where?x=%20y",
        "/where/%E6%97%A5%20%2B",
        "/where/",
        "/moved",
        "/boom",
        "/nowhere",
        "/files/page.html",
        "/files/empty",
        "/files/big.bin",
        "/files/none",
        "/files/../page.html",
    ],
)
def test_pages_are_the_same_inside_and_outside(site: Same, target: str, method: str) -> None:
    site.ask(target, method)


@pytest.mark.parametrize("kind", ["rows", "file", "sized", "memory"])
def test_streams(site: Same, folder: Path, kind: str) -> None:
    answer = site.ask(f"/streams/{kind}")
    if kind == "sized":
        assert answer.framing == "length"
    if kind in ("file", "sized"):
        assert answer.body == (folder / "big.bin").read_bytes()


def test_json_and_forms(site: Same) -> None:
    kind = {"Content-Type": "application/json"}
    for method in ("POST", "PUT"):
        answer = site.ask("/media?x", method, kind, b'{"a": [1, null, "\xe2\x82\xac"]}')
        assert (answer.status, answer.head.get("Location")) == (201, "/media?x/1")
        assert json.loads(answer.body) == {"a": [1, None, "\u20ac"]}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert json.loads(site.ask("/media", "POST", form, b"a=1&b=%E2%82%AC").body) == {"a": "1", "b": "\u20ac"}
    assert site.ask("/media", "POST", kind, b"{broken").status == 400
    assert site.ask("/media", "POST", kind).status == 400
    assert site.ask("/media", "POST", {"Content-Type": "image/odd"}, b"x").status == 415


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("size", [0, 10, 65_536, 2_000_000])
def test_content(site: Same, method: str, size: int) -> None:
    content = b"\0\r\n\xff" * (size // 4)
    seen = json.loads(site.ask("/content", method, body=content).body)
    assert seen[:2] == [len(content), hashlib.sha256(content).hexdigest()]


def test_multipart(site: Same) -> None:
    answer = site.post_form("/parts", [("title", "t")], upload=("a.bin", b"\r\n--x" * 100_000))
    assert json.loads(answer.body)[1] == [
        "upload",
        "a.bin",
        hashlib.sha256(b"\r\n--x" * 100_000).hexdigest(),
    ]


def test_a_chunked_form(site: Same) -> None:
    kind, body = site.encode([("title", "t")], upload=("a.bin", b"\r\n--x" * 100_000))
    answer = site.send_chunked("/media", "application/json", b'{"a": 1}', size=3)
    assert (answer.status, json.loads(answer.body)) == (201, {"a": 1})
    answer = site.send_chunked("/parts", kind, body)
    assert json.loads(answer.body)[1][2] == hashlib.sha256(b"\r\n--x" * 100_000).hexdigest()


def test_ranges_and_conditions_of_a_file(site: Same, folder: Path) -> None:
    whole = (folder / "big.bin").read_bytes()
    part = site.ask("/files/big.bin", fields={"Range": "bytes=1000000-1999999"})
    assert (part.status, part.body) == (206, whole[1_000_000:2_000_000])
    assert site.ask("/files/big.bin", fields={"Range": "bytes=-5"}).body == whole[-5:]
    assert site.ask("/files/big.bin", fields={"Range": "bytes=9999999-"}).status == 416
    assert site.ask("/files/big.bin", "HEAD", {"Range": "bytes=0-9"}).head.get("Content-Length") == "10"
    since = site.ask("/files/big.bin", "HEAD").head.get("Last-Modified")
    if since:  # Falcon 4 and later
        answer = site.ask("/files/big.bin", fields={"If-Modified-Since": since})
        assert (answer.status, answer.body) == (304, b"")


def test_chunked_content_by_the_stream_itself(site: Same) -> None:
    content = b"\r\n--x" * 100_000
    digest = hashlib.sha256(content).hexdigest()
    answer = site.send_chunked("/content", "image/x", content, method="PUT")
    assert json.loads(answer.body)[:2] == [len(content), digest]


def test_cookies_and_repeated_fields(site: Same) -> None:
    head = site.ask("/cookies", fields={"Cookie": "mine=m; other=o"}).head
    assert len(head.all("Set-Cookie")) == 2
    assert head.get("Vary") == "Accept, Cookie"


def test_redirects_and_errors(site: Same) -> None:
    assert site.ask("/moved").head.get("Location") == "/where/caf\xe9"
    assert site.ask("/moved", "POST").status == 303
    answer = site.ask("/boom", "POST")
    assert (answer.status, answer.head.get("Retry-After")) == (429, "30")
    mark = site.server.mark()
    assert fetch(site.server.address, "/boom").status == 500
    site.server.wait_log("falcon-boom", since=mark)


def test_addresses(site: Same) -> None:
    seen = json.loads(site.ask("/where/x?y=z").body)
    assert seen["uri"] == site.server.url + "/where/x?y=z"
    assert (seen["host"], seen["port"]) == ("127.0.0.1", site.server.port)


def test_below_a_script_name(folder: Path) -> None:
    with Server(SITE, options="script_name = /shop", env={"FOLDER": str(folder)}) as server:
        site = Same(load_application(SITE), server)
        seen = json.loads(site.ask("/where/x?y", prefix="/shop").body)
        assert seen["uri"] == server.url + "/shop/where/x?y"
        assert (seen["root"], seen["path"]) == ("/shop", "/where/x")
        site.ask("/nowhere", prefix="/shop")
