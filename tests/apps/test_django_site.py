"""Django: streams, files, HEAD, conditions, uploads to temporary files, addresses, mounting."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.raw import fetch
from support.server import Server

SITE = Path(__file__).parent / "sites" / "django_site.py"
ROWS = "".join(f"row {number} \u20ac\n" for number in range(1000))


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Server]:
    """The site with one worker."""
    with Server(SITE, env={"FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": ""}) as running:
        yield running


@pytest.fixture(scope="module")
def mounted(folder: Path) -> Iterator[Server]:
    """The same below /shop, with room for large uploads."""
    with Server(
        SITE,
        options="script_name = /shop\nmax_body_size = 100m",
        env={"FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": ""},
    ) as running:
        yield running


@pytest.mark.parametrize("name", ["big.bin", "page.html", "empty"])
def test_files_and_their_heads(site: Server, browser: requests.Session, folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    url = f"{site.url}/file/{name}"
    plain = {"Accept-Encoding": "identity"}
    for _ in range(2):
        answer = browser.get(url, headers=plain, timeout=30)
        assert answer.content == content
        assert answer.headers["Content-Length"] == str(len(content))
        head = browser.head(url, headers=plain, timeout=30)
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(content)))
    saved = browser.get(url + "?save", headers=plain, timeout=30)
    assert saved.headers["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_files_are_closed(site: Server) -> None:
    def count() -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in site.processes())

    fetch(site.address, "/file/big.bin")
    before = count()
    for _ in range(10):
        for method in ("GET", "HEAD"):
            assert fetch(site.address, "/file/big.bin", method=method).status == 200
    assert count() <= before + 2  # the last connection may not be gone yet


def test_a_stream_and_its_head(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/stream/", headers={"Accept-Encoding": "identity"}, timeout=30)
    assert answer.content.decode() == ROWS
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert browser.head(site.url + "/stream/", timeout=30).content == b""
    assert browser.post(site.url + "/stream/", timeout=30).status_code == 405


def test_gzip_by_middleware(site: Server) -> None:
    for target, whole in (("/stream/", ROWS.encode()), ("/page/", b"a page of text\n" * 100)):
        answer = fetch(site.address, target, "Accept-Encoding: gzip")
        assert answer.head.get("Content-Encoding") == "gzip"
        assert gzip.decompress(answer.body) == whole


def test_conditions(site: Server, browser: requests.Session) -> None:
    plain = {"Accept-Encoding": "identity"}
    tag = browser.get(site.url + "/page/", headers=plain, timeout=30).headers["ETag"]
    for target, value in (("/page/", tag), ("/tagged/", '"fixed"'), ("/tagged/", "*")):
        answer = browser.get(site.url + target, headers={"If-None-Match": value, **plain}, timeout=30)
        assert (answer.status_code, answer.content) == (304, b"")
    answer = browser.put(site.url + "/tagged/", headers={"If-Match": '"other"'}, data=b"x", timeout=30)
    assert answer.status_code == 412
    assert browser.get(site.url + "/tagged/", timeout=30).text == "tagged"


@pytest.mark.parametrize("size", [0, 10, 70_000, 3_000_000])
def test_an_upload_goes_to_a_temporary_file(site: Server, browser: requests.Session, size: int) -> None:
    content = (b"\r\n--\0\xff" * (size // 6 + 1))[:size]
    seen = browser.post(
        site.url + "/upload/",
        data={"title": "\u20ac", "n": ["1", "2"]},
        files={"f": ("caf\u00e9.bin", content), "g": ("g", b"small")},
        timeout=30,
    ).json()
    assert seen["form"] == {"title": ["\u20ac"], "n": ["1", "2"]}
    assert seen["files"]["f"] == ["caf\u00e9.bin", size, hashlib.sha256(content).hexdigest()]
    assert seen["files"]["g"][:2] == ["g", 5]


def test_a_large_upload(mounted: Server, browser: requests.Session, tmp_path: Path) -> None:
    path = tmp_path / "large"
    piece = os.urandom(1_000_000)
    with path.open("wb") as file:
        for _ in range(50):
            file.write(piece)
    digest = hashlib.sha256(piece * 50).hexdigest()
    with path.open("rb") as file:
        seen = browser.post(mounted.url + "/shop/read/", data=file, timeout=30).json()
    assert seen == {"total": 50_000_000, "digest": digest}


def test_a_chunked_form(site: Server, browser: requests.Session) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    seen = browser.post(site.url + "/upload/", data=iter([b"a=1&", b"b=2"]), headers=kind, timeout=30)
    assert seen.json()["form"] == {"a": ["1"], "b": ["2"]}


def test_what_django_leaves_of_a_chunked_request_is_not_the_next(
    site: Server, browser: requests.Session
) -> None:
    for _ in range(3):
        answer = browser.post(
            site.url + "/page/", data=iter([b"GET /nowhere HTTP/1.1\r\n\r\n"] * 9), timeout=30
        )
        assert answer.status_code == 200
        assert answer.text.startswith("a page")


def test_addresses(site: Server, browser: requests.Session) -> None:
    seen = browser.get(site.url + "/where/?q=%20", headers={"X-A": "\xe9".encode()}, timeout=30).json()
    assert seen["absolute"] == site.url + "/where/?q=%20"
    assert seen["other"] == site.url + "/file/a%20b"
    assert (seen["path"], seen["info"]) == ("/where/", "/where/")
    assert (seen["port"], seen["secure"], seen["scheme"]) == (str(site.port), False, "http")
    assert browser.get(site.url + "/where/", headers={"Host": "example.com"}, timeout=30).json()["host"] == (
        "example.com"
    )
    assert browser.get(site.url + "/where/", headers={"Host": "evil.example"}, timeout=30).status_code == 400


def test_redirects(site: Server, browser: requests.Session) -> None:
    for query, code in (("", 302), ("?for-good", 301)):
        answer = browser.get(site.url + "/move/" + query, timeout=30)
        assert [step.status_code for step in answer.history] == [code]
        assert answer.url == site.url + "/file/page.html"
    answer = browser.get(site.url + "/page?q", timeout=30)
    assert (answer.url, answer.status_code) == (site.url + "/page/?q", 200)


def test_cookies_and_session(site: Server, browser: requests.Session) -> None:
    browser.cookies.set("gone", "soon", domain="127.0.0.1", path="/")
    for number in range(1, 4):
        seen = browser.get(site.url + "/cookies/", timeout=30).json()
        assert seen["count"] == number
    assert seen["cookies"] == ["plain", "sessionid", "signed"]


def test_below_a_script_name(mounted: Server, browser: requests.Session) -> None:
    url = mounted.url + "/shop"
    seen = browser.get(url + "/where/", timeout=30).json()
    assert seen["absolute"] == url + "/where/"
    assert seen["other"] == url + "/file/a%20b"
    assert (seen["path"], seen["info"]) == ("/shop/where/", "/where/")
    answer = browser.get(url + "/move/", timeout=30)
    assert answer.url == url + "/file/page.html"
    assert browser.get(url + "/where", timeout=30).url == url + "/where/"
    assert browser.get(mounted.url + "/where/", timeout=30).status_code == 404
