"""WsgiDAV behind fapws and behind cheroot, its own server: litmus finds no more with fapws.

litmus is a Debian package; without it those tests are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth
from support.raw import Client, request
from support.server import Server
from support.venvs import Venv, venv_with

DAV = Path(__file__).parent / "sites" / "dav.py"
LITMUS_SECONDS = 180.0
NEEDS_LITMUS = pytest.mark.skipif(
    shutil.which("litmus") is None, reason="litmus is not installed (Debian: apt-get install litmus)"
)


class Summary(NamedTuple):
    """What one suite of litmus said."""

    ran: int
    passed: int


@pytest.fixture(scope="module")
def packages() -> Venv:
    """WsgiDAV and cheroot."""
    return venv_with("webdav", "WsgiDAV >= 4.3, < 5", "cheroot >= 10, < 12", "lxml", "cffi")


@contextmanager
def by_fapws(packages: Venv, folder: Path, user: str = "") -> Iterator[str]:
    """Where fapws serves the folder."""
    # One worker: WsgiDAV keeps locks and properties in memory.
    with Server(
        DAV,
        options=f"virtualenv = {packages.home}\nmax_body_size = 100m",
        env={"DAV_FOLDER": str(folder), "DAV_USER": user},
    ) as server:
        yield server.url


@contextmanager
def by_cheroot(packages: Venv, folder: Path, user: str = "") -> Iterator[str]:
    """Where cheroot serves it."""
    process = subprocess.Popen(
        [str(packages.python), str(DAV)],
        env={**os.environ, "DAV_FOLDER": str(folder), "DAV_USER": user},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    late = threading.Timer(30, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        said = (re.match(r"serving on port (\d+)", line) for line in process.stdout)
        match = next(filter(None, said), None)
        assert match is not None, "cheroot did not start within 30 s"
        late.cancel()
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        late.cancel()
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def litmus(url: str, folder: Path, *login: str) -> tuple[dict[str, Summary], str]:
    """Runs all suites; passed and ran of each, and what was printed."""
    folder.mkdir()
    plain = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        ["litmus", "--keep-going", url + "/", *login],
        cwd=folder,  # it writes debug.log
        env=plain,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LITMUS_SECONDS,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace").replace("\r", "\n")
    found = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed", text)
    return {name: Summary(int(ran), int(passed)) for name, ran, passed in found}, text


@NEEDS_LITMUS
@pytest.mark.parametrize("user", ["", "dav:a word"], ids=["anybody", "digest"])
def test_litmus_finds_no_more_than_with_its_own_server(packages: Venv, tmp_path: Path, user: str) -> None:
    shares = {name: tmp_path / name for name in ("fapws", "cheroot")}
    for share in shares.values():
        share.mkdir()
    login = user.split(":") if user else []
    with by_fapws(packages, shares["fapws"], user) as url:
        ours, text = litmus(url, tmp_path / "log-fapws", *login)
    with by_cheroot(packages, shares["cheroot"], user) as url:
        theirs, _ = litmus(url, tmp_path / "log-cheroot", *login)
    print(f"litmus, passed of run: fapws {_total(ours)}, cheroot {_total(theirs)}")
    assert set(ours) == set(theirs) == {"basic", "copymove", "props", "locks", "http"}, text
    assert sum(summary.ran for summary in theirs.values()) > 90
    for suite, summary in theirs.items():
        assert ours[suite].ran >= summary.ran, text
        assert ours[suite].passed >= summary.passed, text


def _total(suites: dict[str, Summary]) -> str:
    return f"{sum(s.passed for s in suites.values())} of {sum(s.ran for s in suites.values())}"


@pytest.fixture(scope="module")
def share(packages: Venv, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A share that asks for a login, and its folder."""
    folder = tmp_path_factory.mktemp("share")
    with by_fapws(packages, folder, "dav:word") as url:
        yield url, folder


def test_large_files_go_both_ways(share: tuple[str, Path], browser: requests.Session) -> None:
    url, folder = share
    content = os.urandom(1_000_000) * 20
    browser.auth = HTTPBasicAuth("dav", "word")
    assert browser.put(url + "/large", data=content, timeout=30).status_code == 201
    assert (folder / "large").read_bytes() == content
    assert browser.get(url + "/large", timeout=30).content == content
    part = browser.get(url + "/large", headers={"Range": "bytes=10000000-10000999"}, timeout=30)
    assert (part.status_code, part.content) == (206, content[10_000_000:10_001_000])
    head = browser.head(url + "/large", timeout=30)
    assert head.headers["Content-Length"] == str(len(content))


def test_a_chunked_put(share: tuple[str, Path], browser: requests.Session) -> None:
    # As the Finder of macOS and davfs2 send their files.
    url, folder = share
    browser.auth = HTTPBasicAuth("dav", "word")
    pieces = [os.urandom(100_000) for _ in range(10)]
    assert browser.put(url + "/chunked", data=iter(pieces), timeout=30).status_code == 201
    assert (folder / "chunked").read_bytes() == b"".join(pieces)


def test_digest_login_while_content_is_sent(share: tuple[str, Path], browser: requests.Session) -> None:
    # The 401 comes although nobody read the content; the second request is the one that counts.
    url, folder = share
    content = os.urandom(500_000)
    browser.auth = HTTPDigestAuth("dav", "word")
    answer = browser.put(url + "/digest", data=content, timeout=30)
    assert (answer.status_code, [step.status_code for step in answer.history]) == (201, [401])
    assert (folder / "digest").read_bytes() == content
    browser.auth = HTTPBasicAuth("dav", "wrong")
    assert browser.put(url + "/digest", data=content, timeout=30).status_code == 401


def test_expect_100_with_a_login_that_fails(share: tuple[str, Path]) -> None:
    host, _, port = share[0].rpartition("/")[2].partition(":")
    with Client((host, int(port))) as client:
        client.send(request("/x", "Content-Length: 10", "Expect: 100-continue", method="PUT"))
        answer = client.read()
        if answer.status == 100:
            client.send(b"0123456789")
            answer = client.read()
        assert answer.status == 401


def test_methods_beyond_html_forms(share: tuple[str, Path], browser: requests.Session) -> None:
    url, _ = share
    browser.auth = HTTPBasicAuth("dav", "word")
    assert browser.request("MKCOL", url + "/folder", timeout=30).status_code == 201
    assert browser.put(url + "/folder/caf\u00e9 1", data=b"x", timeout=30).status_code == 201
    answer = browser.request("PROPFIND", url + "/folder", headers={"Depth": "1"}, timeout=30)
    assert answer.status_code == 207
    assert "caf%C3%A9%201" in answer.text
    moved = {"Destination": url + "/folder/moved"}
    answer = browser.request("MOVE", url + "/folder/caf\u00e9 1", headers=moved, timeout=30)
    assert answer.status_code in (201, 204)
    assert browser.delete(url + "/folder", timeout=30).status_code == 204
    assert browser.get(url + "/folder/moved", timeout=30).status_code == 404
