"""static: files that workers keep from one request to the next, and what clients hear when those change."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site, parse_reply

APP = """
def application(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]
"""
MB = 1 << 20
TOLD_SECONDS = 1.0
"""After which nobody hears of the old file any more."""
SETTLED_SECONDS = 3.0
"""From the last change to a file on: then it is kept. A younger one is opened for each request."""


def make(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("files")
    for name in ("replaced", "truncated", "deleted", "same-size"):
        make(root, name, b"old content")
    make(root, "large", bytes(range(256)) * 4096)
    make(root, "large-replaced", b"o" * 100000)
    made = time.time()
    with Server(APP, options=f"static = /:{root}") as server:
        while (left := made + SETTLED_SECONDS - time.time()) > 0:
            time.sleep(left)  # it is the promise itself: only what is that old is kept
        yield Site(server, root, root)


def test_changes_are_told_within_a_second(site: Site) -> None:
    names = ("replaced", "truncated", "deleted", "same-size", "large-replaced")
    for _ in range(2):
        for name in names:
            assert site.ask(f"/{name}").status == 200
    tags = {name: site.ask(f"/{name}").fields["etag"] for name in names}
    new = make(site.root, "new", b"new content, longer")
    new.replace(site.root / "replaced")
    os.truncate(site.root / "truncated", 3)
    (site.root / "deleted").unlink()
    make(site.root, "same-size", b"new content")
    make(site.root, "new", b"n" * 100000).replace(site.root / "large-replaced")
    changed = time.monotonic()
    wanted = {
        "replaced": (200, b"new content, longer"),
        "truncated": (200, b"old"),
        "deleted": (404, b"404 Not Found\n"),
        "same-size": (200, b"new content"),
        "large-replaced": (200, b"n" * 100000),
    }
    for name in names:
        while True:
            asked = time.monotonic()
            reply = site.ask(f"/{name}", f"If-None-Match: {tags[name]}")
            if (reply.status, reply.content) == wanted[name]:
                break
            assert reply.status == 304, "the old file, or the new one, and nothing between"
            assert asked < changed + TOLD_SECONDS, f"{name}: the old state was told for too long"


def test_file_that_is_written_to_in_place_is_another_at_once(site: Site) -> None:
    path = site.root / "large"
    old = site.ask("/large")
    assert site.ask("/large", f"If-None-Match: {old.fields['etag']}").status == 304
    with path.open("r+b") as file:
        file.write(b"changed")
    new = site.ask("/large", f"If-None-Match: {old.fields['etag']}")
    assert (new.status, new.content) == (200, b"changed" + old.content[7:])


def test_clients_share_a_descriptor_and_each_gets_the_whole_file(site: Site) -> None:
    content = bytes(range(256)) * 16384
    make(site.root, "shared", content)
    socks = [site.connect() for _ in range(20)]
    whole: list[bytes] = []

    def read(sock: socket.socket) -> None:
        with sock:
            whole.append(b"".join(iter(lambda: sock.recv(65536), b"")))

    for sock in socks:
        sock.sendall(b"GET /shared HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    threads = [threading.Thread(target=read, args=(sock,)) for sock in socks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [parse_reply(one).content == content for one in whole] == [True] * 20


@pytest.mark.parametrize("how", ["same size", "longer"])
def test_file_rewritten_while_it_is_sent_cuts_the_connection(site: Site, how: str) -> None:
    path = site.root / "rewritten"
    size = 64 * MB
    with path.open("wb") as file:
        file.truncate(size)
    with site.connect() as sock:
        sock.sendall(b"GET /rewritten HTTP/1.1\r\nHost: x\r\n\r\n")
        got = len(sock.recv(65536))
        with path.open("r+b") as file:
            file.seek(0 if how == "same size" else size)
            file.write(b"new")
        try:
            got += sum(len(piece) for piece in iter(lambda: sock.recv(65536), b""))
        except ConnectionResetError:
            pass
    assert got < size, "bytes of two states must not look like a file"
    assert site.ask("/rewritten", "Range: bytes=0-2").content == (b"new" if how == "same size" else bytes(3))


def test_reply_that_begins_small_is_whole_when_it_is_read_late(site: Site) -> None:
    """What a slow socket does not take at once is a copy: the file may go meanwhile."""
    path = make(site.root, "late", b"l" * 16384)
    one = b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n"
    with site.connect() as sock:
        last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        asking = threading.Thread(target=sock.sendall, args=(one * 299 + last,))
        asking.start()
        first = sock.recv(1)
        whole = first + b"".join(iter(lambda: sock.recv(65536), b""))
        asking.join()
    assert path.exists()
    assert whole.count(b"HTTP/1.1 200 OK\r\n") == 300
    assert whole.count(b"l" * 16384) == 300


def test_cache_may_be_off(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", b"one")
    make(tmp_path, "large", b"x" * MB)
    with Server(APP, options=f"static = /:{tmp_path}\nstatic_cache = 0") as server:
        site = Site(server, tmp_path, tmp_path)
        assert site.ask("/a.txt").content == b"one"
        make(tmp_path, "new", b"two").replace(tmp_path / "a.txt")
        assert site.ask("/a.txt").content == b"two"
        assert site.ask("/large").content == b"x" * MB
