"""fapws.contrib.views.Staticfile: what is not served, by real clients too, and what a race cannot change."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.plain import ask
from support.raw import Client, Cut, fetch, request
from support.rooted import needs_root
from support.server import Server

from fapws.contrib import beneath
from fapws.contrib.views import Staticfile

SECRET = b"the secret"
BIG = array("I", range(4_000_000)).tobytes()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with everything that is not to be served, in it and around it."""
    folder = tmp_path_factory.mktemp("tree")
    root = folder / "static"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".well-known").mkdir()
    (folder / "staticX").mkdir()
    for secret in ("secret", "staticX/x", "static/.htpasswd", "static/.git/config", "static/.well-known/.x"):
        (folder / secret).write_bytes(SECRET)
    for public in ("x", "a.txt", "sub/deep/a.txt", ".well-known/security.txt"):
        (root / public).write_bytes(b"public")
    (root / "big").write_bytes(BIG)
    links = {
        "inside": "sub/deep/a.txt",
        "inside-absolute": str(root / "a.txt"),
        "inside-folder": "sub/deep",
        "sub/up": "../a.txt",
        "sub/deep/up": "../../sub/./deep//a.txt",
        "chain": "inside-folder/up",
        "hidden-target": ".well-known/security.txt",
        "out": "../secret",
        "out-absolute": str(folder / "secret"),
        "out-folder": "..",
        "out-root": "/",
        "out-sibling": str(folder / "staticX"),
        "out-and-back": "../static/a.txt",
        "out-absolute-dots": f"{root}/../secret",
        "device": "/dev/zero",
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "dangling": "nothing",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(root)  # the whole path may be too long for a socket
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    return root


@pytest.fixture(scope="module", params=["paths", "wsgi"])
def served(request: pytest.FixtureRequest, tree: Path) -> Iterator[tuple[Server, str]]:
    """A server and the prefix of the root: a fapws4 script with PATHS, and a plain WSGI application."""
    head = f"from fapws.contrib.views import Staticfile\nstatic = Staticfile({str(tree)!r})\n"
    paths = 'PATHS = [("/static", static), ("/slash/", static)]\n'
    with Server(head + (paths if request.param == "paths" else "application = static\n")) as server:
        yield server, "/static" if request.param == "paths" else ""


# ---- Paths -----------------------------------------------------------------------------------------

ESCAPES = [
    "/../secret",
    "/..%2fsecret",
    "/..%2Fsecret",
    "/%2e%2e/secret",
    "/%2e%2e%2fsecret",
    "/.%2e/secret",
    "/sub/../../secret",
    "/sub/..%2f..%2fsecret",
    "/..\\secret",
    "/..%5csecret",
    "/%252e%252e/secret",
    "/..%c0%afsecret",
    "/..;/secret",
    "/%00../secret",
    "/../secret%00.txt",
    "//secret",
    "///etc/passwd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/./../secret",
    "/out",
    "/out-absolute",
    "/out-folder/secret",
    "/out-root/etc/passwd",
    "/out-sibling/x",
    "/out-absolute-dots",
    "/device",
    "/.htpasswd",
    "/.git/config",
    "/.well-known/.x",
    "/sub/.well-known/x",
]
NOT_FOUND = [
    "/a.txt%00",
    "/a.txt%00.html",
    "/sub//deep/a.txt",
    "//a.txt",
    "/./a.txt",
    "/sub/../a.txt",
    "/sub%2f..%2fa.txt",
    "/out-and-back",
    "/fifo",
    "/socket",
    "/loop",
    "/ping",
    "/dangling",
    "/missing",
    "/" + "n" * 300,
    "/" + "n/" * 1000,
]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_outside_is_served(served: tuple[Server, str], path: str) -> None:
    server, prefix = served
    answer = fetch(server.address, prefix + path)
    assert answer.status in (400, 404)
    assert SECRET not in answer.body and b"root:" not in answer.body


@pytest.mark.parametrize("path", NOT_FOUND)
def test_what_is_no_plain_path_to_a_file_is_404(served: tuple[Server, str], path: str) -> None:
    server, prefix = served
    assert fetch(server.address, prefix + path).status in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/a.txt",
        "/%61.txt",
        "/sub%2fdeep/a.txt",
        "/inside",
        "/inside-absolute",
        "/inside-folder/a.txt",
        "/sub/up",
        "/sub/deep/up",
        "/chain",
        "/hidden-target",
        "/.well-known/security.txt",
    ],
)
def test_what_lies_inside_is_served_by_way_of_links_too(served: tuple[Server, str], path: str) -> None:
    server, prefix = served
    answer = fetch(server.address, prefix + path)
    assert (answer.status, answer.body) == (200, b"public")


def test_a_prefix_is_not_the_beginning_of_another_folder(served: tuple[Server, str]) -> None:
    server, prefix = served
    if not prefix:
        pytest.skip("a plain WSGI server has a boundary at the slash: runs with PATHS")
    assert fetch(server.address, "/static/x").body == b"public"
    assert fetch(server.address, "/staticX/x").status == 404
    assert fetch(server.address, "/staticx").status == 404
    # A prefix that ends with a slash is one, as fapws3's samples have it.
    assert fetch(server.address, "/slash/x").body == b"public"
    assert fetch(server.address, "/slash//x").body == b"public"
    assert fetch(server.address, "/slash/../secret").status == 404


@pytest.mark.parametrize("path", ["/X/x", "X/x", "x"])
def test_a_path_without_slash_belongs_to_somebody_else(tree: Path, path: str) -> None:
    answer = ask(Staticfile(tree), path, valid=False, SCRIPT_NAME="/static")
    assert answer.code == 404


def test_text_that_is_no_path_is_404(tree: Path) -> None:
    assert ask(Staticfile(tree), "/\u20ac", valid=False).code == 404


def test_a_root_that_is_missing_or_a_file_is_404(tree: Path) -> None:
    assert ask(Staticfile(tree / "nowhere"), "/x").code == 404
    assert ask(Staticfile(tree / "x"), "/x").code == 404


def test_the_root_itself_may_be_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tree)
    (tmp_path / "current" / "by-real-name").unlink(missing_ok=True)
    (tree / "by-real-name").symlink_to(tree / "x")
    static = Staticfile(tmp_path / "current")
    assert ask(static, "/x").body == b"public"
    assert ask(static, "/by-real-name").body == b"public"
    assert ask(static, "/out").code == 404


@needs_root
def test_a_device_inside_is_404(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        pytest.skip("the system lets nobody make devices here: runs where root may")
    assert ask(Staticfile(tmp_path), "/zero").code == 404


# ---- Permissions -----------------------------------------------------------------------------------


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_403_and_a_folder_need_not_be_listed() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("closed", "no-listing"):
            (root / folder).mkdir()
            (root / folder / "x").write_bytes(b"x")
        (root / "unreadable").write_bytes(b"x")
        root.chmod(0o755)
        (root / "unreadable").chmod(0)
        (root / "closed").chmod(0)
        (root / "no-listing").chmod(0o111)
        with as_nobody():
            codes = [ask(Staticfile(root), path).code for path in ("/unreadable", "/closed/x", "/closed/")]
            listing = ask(Staticfile(root), "/no-listing/x").code
        (root / "closed").chmod(0o700)
        (root / "no-listing").chmod(0o700)
    assert codes == [403, 403, 403]
    assert listing == (200 if hasattr(os, "O_PATH") else 403)  # Python knows it from 3.10 on


# ---- Races -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "nothing"])
def test_what_takes_the_place_of_a_file_meanwhile_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    target = root / "x"
    target.write_bytes(b"public")
    look = os.stat

    def look_and_change(name: Any, **given: Any) -> os.stat_result:
        seen = look(name, **given)
        if name == b"x":
            target.unlink()
            if what == "link":
                target.symlink_to("../secret")
            elif what == "fifo":
                os.mkfifo(target)
            elif what == "folder":
                target.mkdir()
        return seen

    monkeypatch.setattr(beneath.os, "stat", look_and_change)
    answer = ask(Staticfile(root), "/x")
    assert (answer.code, SECRET in answer.body) == (404, False)


def test_a_folder_that_becomes_a_link_out_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "real").mkdir(parents=True)
    outside.mkdir()
    (root / "real" / "x").write_bytes(b"public")
    (outside / "x").write_bytes(SECRET)
    (root / "link").symlink_to("../outside")
    (root / "at").symlink_to("real")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("../outside", "real"):
                (root / "new").symlink_to(target)
                (root / "new").replace(root / "at")

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        static = Staticfile(root)
        answers = [ask(static, "/at/x") for _ in range(3000)]
    finally:
        stop.set()
        swapping.join()
    assert {answer.code for answer in answers} <= {200, 404}
    assert all(answer.body == b"public" for answer in answers if answer.code == 200)


# ---- By real clients -------------------------------------------------------------------------------


def test_a_large_file_and_its_parts_arrive_whole(served: tuple[Server, str]) -> None:
    server, prefix = served
    mark = server.mark()
    with Client(server.address) as client:
        whole = client.get(f"{prefix}/big")
        assert (whole.status, whole.framing, whole.body == BIG) == (200, "length", True)
        for first, last in [(0, 0), (10, 109), (1_000_003, 9_000_011), (15_999_990, 15_999_999)]:
            part = client.get(f"{prefix}/big", f"Range: bytes={first}-{last}")
            assert (part.status, part.body == BIG[first : last + 1]) == (206, True)
        assert client.get(f"{prefix}/big", "Range: bytes=16000000-").status == 416
        head = client.get(f"{prefix}/big", method="HEAD")
        assert (head.head.get("Content-Length"), head.body) == ("16000000", b"")
        tag = whole.head.get("ETag")
        assert client.get(f"{prefix}/big", f"If-None-Match: {tag}").status == 304
        assert client.get(f"{prefix}/big", method="POST", body=b"x").status == 405
        client.assert_open()
    assert server.log_since(mark) == ""


def test_a_file_that_shrinks_while_it_is_sent_cuts_its_own_connection(
    served: tuple[Server, str], tree: Path
) -> None:
    server, prefix = served
    shrinking = tree / "shrinking"
    shrinking.write_bytes(BIG)
    with Client(server.address, receive_buffer=4096) as client:
        client.send(request(f"{prefix}/shrinking"))
        assert client.read_head().get("Content-Length") == "16000000"
        client.read_until(1)
        os.truncate(shrinking, 10)
        with pytest.raises(Cut):
            client.read_rest()
    assert fetch(server.address, f"{prefix}/x").body == b"public"


def test_a_fifo_blocks_nobody(served: tuple[Server, str]) -> None:
    server, prefix = served
    with Client(server.address) as client:
        assert client.get(f"{prefix}/fifo").status == 404
        assert client.get(f"{prefix}/x").status == 200
