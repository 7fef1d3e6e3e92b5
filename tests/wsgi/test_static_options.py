"""What is said of static files beside their content, and what the application gets of their paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    size = len(environ["wsgi.input"].read())
    return [f"application {environ['REQUEST_METHOD']} {environ['PATH_INFO']} {size}".encode("latin-1")]
"""
SECRET = b"outside of the folder"


@contextmanager
def _served(root: Path, *options: str) -> Iterator[Site]:
    lines = (f"static = /files:{root}", *options)
    with Server(APP, options="\n".join(lines)) as server:
        yield Site(server, root, root / "no.log")


# ---- Cache-Control ---------------------------------------------------------------------------------


def test_age_and_names_that_never_change(tmp_path: Path) -> None:
    names = {
        "plain.css": "max-age=5400",
        "app.0123abcd.css": "max-age=31536000, immutable",
        "app.0123ABCD.css": "max-age=5400",
        "font-v2.woff2": "max-age=31536000, immutable",
    }
    for name in names:
        (tmp_path / name).write_bytes(b"content")
    (tmp_path / "app.0123abcd.css.d").mkdir()
    (tmp_path / "app.0123abcd.css.d" / "x").write_bytes(b"content")
    names["app.0123abcd.css.d/x"] = "max-age=5400"
    patterns = "static_immutable = *.[0-9a-f]{8,}.* font-v?.woff{0,1}2"
    with _served(tmp_path, "static_max_age = 1.5h", patterns) as site:
        for name, control in names.items():
            for method in ("GET", "HEAD"):
                reply = site.ask(f"/files/{name}", method=method)
                assert (reply.status, reply.fields["cache-control"]) == (200, control), name
            tag = reply.fields["etag"]
            again = site.ask(f"/files/{name}", f"If-None-Match: {tag}")
            assert (again.status, again.fields["cache-control"]) == (304, control), "RFC 9110 15.4.5"
            part = site.ask(f"/files/{name}", "Range: bytes=0-1")
            assert (part.status, part.fields["cache-control"]) == (206, control)
        assert "cache-control" not in site.ask("/files/missing.0123abcd.css").fields


# ---- Types -----------------------------------------------------------------------------------------


def test_types_of_a_file_count_first(tmp_path: Path) -> None:
    types = tmp_path / "mime.types"
    types.write_text("text/x-own own\nimage/x-other PNG\nmodel/gltf+json gltf # from the registry\n")
    root = tmp_path / "root"
    root.mkdir()
    kinds = {
        "a.own": "text/x-own; charset=utf-8",
        "A.OWN": "text/x-own; charset=utf-8",
        "a.png": "image/x-other",
        "a.gltf": "model/gltf+json",
        "a.css": "text/css; charset=utf-8",
        "a.none": "application/octet-stream",
        "own": "application/octet-stream",
    }
    for name in kinds:
        (root / name).write_bytes(b"")
    with _served(root, f"static_types = {types}") as site:
        for name, kind in kinds.items():
            assert site.ask(f"/files/{name}").fields["content-type"] == kind, name


# ---- Symbolic links --------------------------------------------------------------------------------


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (root / "a.txt").write_bytes(b"inside")
    (root / "folder" / "index.html").write_bytes(b"index")
    (root / "to-file").symlink_to("folder/../a.txt")
    (root / "to-folder").symlink_to("folder")
    (root / "folder" / "deep" / "up").symlink_to("../../a.txt")
    (root / "out").symlink_to("../secret.txt")
    (root / "out-folder").symlink_to("..")
    (root / "absolute").symlink_to(tmp_path / "secret.txt")
    (root / "absolute-inside").symlink_to(root / "a.txt")
    (root / "loop").symlink_to("loop")
    (root / "nothing").symlink_to("none")
    return root


INSIDE = ("to-file", "to-folder/", "folder/deep/up", "to-folder/deep/up", "to-folder")
OUTSIDE = ("out", "out-folder/secret.txt", "out-folder/", "absolute", "absolute-inside", "loop", "nothing")


@pytest.mark.parametrize("rule", ["no", "owner", "yes"])
def test_links_that_stay_inside(linked: Path, rule: str) -> None:
    with _served(linked, f"static_symlinks = {rule}") as site:
        found = [site.ask(f"/files/{path}").status for path in INSIDE]
        assert found == ([404] * 5 if rule == "no" else [200, 200, 200, 200, 308])
        for path in OUTSIDE:
            reply = site.ask(f"/files/{path}")
            assert (reply.status, reply.content) == (404, b"404 Not Found\n"), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_links_of_another_owner(linked: Path) -> None:
    os.lchown(linked / "to-file", 12345, 12345)
    os.lchown(linked / "to-folder", 12345, 12345)
    # Without the cache, which keeps a file for a second more once it is old enough.
    with _served(linked, "static_symlinks = owner", "static_cache = 0") as site:
        assert [site.ask(f"/files/{path}").status for path in INSIDE] == [404, 404, 200, 404, 404]
        os.chown(linked / "a.txt", 12345, 12345)
        assert site.ask("/files/to-file").status == 200
        assert site.ask("/files/folder/deep/up").status == 404
    with _served(linked, "static_symlinks = yes") as site:
        assert site.ask("/files/to-folder/").status == 200


# ---- What is not there -------------------------------------------------------------------------------


def test_what_is_not_there_is_the_applications(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_bytes(b"file")
    (tmp_path / ".hidden").write_bytes(SECRET)
    with _served(tmp_path, "static_fallthrough = yes") as site:
        assert site.ask("/files/a.txt").content == b"file"
        assert site.ask("/files/folder").status == 308
        for path in ("/files/none", "/files/folder/", "/files/.hidden", "/files/a.txt/"):
            assert site.ask(path).content == f"application GET {path} 0".encode()
            assert site.ask(path, method="HEAD").status == 200
        assert site.ask("/files/..%2fx").content == b"application GET /files/../x 0"
        assert site.ask("/files/a.txt", method="POST").status == 405
        assert site.ask("/files/folder", method="DELETE").content == b"application DELETE /files/folder 0"
        for path, status, content in (
            ("/files/form", 200, b"application POST /files/form 5"),
            ("/files/a.txt", 405, b"405 Method Not Allowed\n"),
        ):
            text = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345"
            reply = site.say(text.encode())
            assert (reply.status, reply.content) == (status, content)


def test_requests_that_are_passed_on_keep_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"file")
    with _served(tmp_path, "static_fallthrough = yes") as site:
        texts = [
            f"GET /files/{name} HTTP/1.1\r\nHost: x\r\n{last}\r\n"
            for name, last in (("a.txt", ""), ("b", ""), ("a.txt", ""), ("c", "Connection: close\r\n"))
        ]
        whole = site.say_whole("".join(texts).encode())
    assert whole.count(b"HTTP/1.1 200 OK") == 4
    places = [whole.index(text) for text in (b"\r\n\r\nfile", b"/files/b", b"/files/c")]
    assert places == sorted(places) and whole.rindex(b"\r\n\r\nfile") > places[1]
