"""static: pipes, sockets and devices, wherever a file is looked for, are not served and hold up nobody."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"application"]
"""
METHODS = pytest.mark.parametrize("method", ["GET", "HEAD"])
ENDINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
DEVICES = ("/dev/null", "/dev/zero", "/dev/tty")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("files")
    (root / "folder").mkdir()
    (root / "a.css").write_bytes(b"p {}")
    for name in ("pipe", "folder/index.html", *(f"a.css{ending}" for ending in ENDINGS.values())):
        os.mkfifo(root / name)
    with Server(APP, options=f"static = /files:{root}") as server:
        yield Site(server, root, root)


@METHODS
@pytest.mark.parametrize("target", ["pipe", "pipe/", "folder/", "folder/index.html", "a.css.br", "a.css.gz"])
def test_pipe_is_not_found(site: Site, target: str, method: str) -> None:
    assert site.ask(f"/files/{target}", method=method).status == 404


@METHODS
@pytest.mark.parametrize("coding", ENDINGS)
def test_pipe_beside_a_file_is_no_encoding_of_it(site: Site, coding: str, method: str) -> None:
    reply = site.ask("/files/a.css", f"Accept-Encoding: {coding}", method=method)
    assert (reply.status, reply.content) == (200, b"p {}" if method == "GET" else b"")
    assert "content-encoding" not in reply.fields


def test_pipe_with_a_writer_keeps_its_bytes(site: Site) -> None:
    """Somebody else reads them: they are neither sent nor taken out."""
    reader = os.open(site.root / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(site.root / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(writer, b"for another")
        assert site.ask("/files/pipe").status == 404
        assert os.read(reader, 100) == b"for another"
    finally:
        os.close(writer)
        os.close(reader)


def test_file_that_becomes_a_pipe_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"file")
    with Server(APP, options=f"static = /files:{tmp_path}") as server:
        site = Site(server, tmp_path, tmp_path)
        assert site.ask("/files/a.txt").content == b"file"
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "pipe").replace(tmp_path / "a.txt")
        site.await_reply((404, b"404 Not Found\n"), "/files/a.txt")


def test_socket_is_not_found(tmp_path: Path) -> None:
    bound = socket.socket(socket.AF_UNIX)
    before = os.getcwd()
    os.chdir(tmp_path)  # the path of a socket is short
    try:
        bound.bind("socket")
    finally:
        os.chdir(before)
    with bound, Server(APP, options=f"static = /files:{tmp_path}") as server:
        assert Site(server, tmp_path, tmp_path).ask("/files/socket").status == 404


def test_devices_are_not_served(tmp_path: Path) -> None:
    asked = []
    for device in DEVICES:
        root = tmp_path / Path(device).name
        (root / "folder").mkdir(parents=True)
        (root / "a.css").write_bytes(b"p {}")
        for place in ("dev", "folder/index.html", "a.css.br"):
            try:
                os.mknod(root / place, stat.S_IFCHR | 0o666, os.stat(device).st_rdev)
            except OSError as error:
                pytest.skip(f"no device can be made here: {error}")
            asked.append(f"/files/{root.name}/{place}")
        asked.append(f"/files/{root.name}/folder/")
    with Server(APP, options=f"static = /files:{tmp_path}") as server:
        site = Site(server, tmp_path, tmp_path)
        for target in asked:
            for method in ("GET", "HEAD"):
                assert site.ask(target, method=method).status == 404, target
        for device in DEVICES:
            beside = site.ask(f"/files/{Path(device).name}/a.css", "Accept-Encoding: br")
            assert (beside.content, beside.fields.get("content-encoding")) == (b"p {}", None)
