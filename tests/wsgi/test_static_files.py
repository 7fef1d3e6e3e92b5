"""static: folders whose files the core serves; the application must hear of none of these requests."""

from __future__ import annotations

import email.utils
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site, read_all

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("application " + environ["PATH_INFO"]).encode("latin-1")]
"""
SECRET = b"outside of the folder"
FORMAT = 'access_format = "$request" $status $body_bytes_sent'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    top = tmp_path_factory.mktemp("static")
    root = top / "files"
    (root / "sub").mkdir(parents=True)
    (root / ".well-known").mkdir()
    (root / "empty-folder").mkdir()
    (top / "secret.txt").write_bytes(SECRET)
    (root / "a.txt").write_bytes(b"plain text")
    (root / "none.txt").write_bytes(b"")
    (root / "style.css").write_bytes(b"p {}")
    (root / "large.bin").write_bytes(bytes(range(256)) * 12000)
    (root / "a b+\u00e9.html").write_bytes(b"odd name")
    (root / "sub" / "index.html").write_bytes(b"index of sub")
    (root / "sub" / "x").write_bytes(b"x of sub")
    (root / ".hidden").write_bytes(SECRET)
    (root / ".well-known" / "token").write_bytes(b"known")
    (root / "link.txt").symlink_to(top / "secret.txt")
    (root / "inner-link.txt").symlink_to("a.txt")
    (root / "folder-link").symlink_to(top)
    (root / "unreadable").write_bytes(SECRET)
    os.mkfifo(root / "pipe")
    other = top / "other"
    other.mkdir()
    (other / "a.txt").write_bytes(b"of the longer prefix")
    log = top / "access.log"
    options = f"static = /files:{root}, /files/longer:{other}\naccess_log = {log}"
    with Server(APP, options=options) as server:
        yield Site(server, root, log)


@pytest.mark.parametrize(
    ("target", "content", "kind"),
    [
        ("/files/a.txt", b"plain text", "text/plain; charset=utf-8"),
        ("/files/a.txt?v=1", b"plain text", "text/plain; charset=utf-8"),
        ("/%66iles/%61.txt", b"plain text", "text/plain; charset=utf-8"),
        ("http://x/files/a.txt", b"plain text", "text/plain; charset=utf-8"),
        ("/files/none.txt", b"", "text/plain; charset=utf-8"),
        ("/files/style.css", b"p {}", "text/css; charset=utf-8"),
        ("/files/large.bin", bytes(range(256)) * 12000, "application/octet-stream"),
        ("/files/a%20b+%C3%A9.html", b"odd name", "text/html; charset=utf-8"),
        ("/files/sub/", b"index of sub", "text/html; charset=utf-8"),
        ("/files/sub/x", b"x of sub", "application/octet-stream"),
        ("/files/.well-known/token", b"known", "application/octet-stream"),
        ("/files/longer/a.txt", b"of the longer prefix", "text/plain; charset=utf-8"),
    ],
)
def test_file_is_sent_with_what_describes_it(site: Site, target: str, content: bytes, kind: str) -> None:
    reply = site.ask(target)
    assert (reply.status, reply.content) == (200, content)
    assert reply.fields["content-type"] == kind
    assert reply.fields["content-length"] == str(len(content))
    assert reply.fields["x-content-type-options"] == "nosniff"
    assert reply.fields["cache-control"] == "no-cache"
    assert {"date", "etag", "last-modified"} <= set(reply.fields)
    head = site.ask(target, method="HEAD")
    assert (head.status, head.content) == (200, b"")
    assert {**head.fields, "date": ""} == {**reply.fields, "date": ""}


@pytest.mark.parametrize("target", ["/", "/file", "/filesystem/a.txt", "/x/files/a.txt", "//files/a.txt"])
def test_other_paths_are_the_applications(site: Site, target: str) -> None:
    assert site.ask(target).content.startswith(b"application /")


@pytest.mark.parametrize(
    "rest",
    [
        "/missing",
        "/empty-folder/",
        "/a.txt/",
        "/a.txt/x",
        "/.hidden",
        "/%2ehidden",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/.%2e/secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/sub%5c..%5c..%5csecret.txt",
        "/....//secret.txt",
        "/.//../secret.txt",
        "/./a.txt",
        "/sub/./x",
        "/sub/../a.txt",
        "//a.txt",
        "/sub//x",
        "///etc/passwd",
        "//etc/passwd",
        "/a.txt%00",
        "/a.txt%00.html",
        "/%00",
        "/sub%2fx",
        "%2fa.txt",
        "/..;/secret.txt",
        "/%252e%252e/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/%e0%80%ae%e0%80%ae/secret.txt",
        "/%uff0e%uff0e/secret.txt",
        "/%",
        "/%2",
        "/a.txt%",
        "/%zz",
        "/link.txt",
        "/inner-link.txt",
        "/folder-link/secret.txt",
        "/folder-link/",
        "/pipe",
        "/pipe/",
        "/" + "a" * 300,
        "/" + "a/" * 900 + "x",
        "/" + "a" * 3000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_else_is_found(site: Site, rest: str, method: str) -> None:
    reply = site.ask(f"/files{rest}", method=method)
    assert reply.status == 404
    assert reply.content == (b"404 Not Found\n" if method == "GET" else b"")


def test_file_that_the_workers_user_may_not_read_is_not_found(site: Site) -> None:
    (site.root / "unreadable").chmod(0)
    if os.access(site.root / "unreadable", os.R_OK):  # root may read everything: so does its worker
        assert site.ask("/files/unreadable").status == 200
    else:
        assert site.ask("/files/unreadable").status == 404


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/files", "./files/"),
        ("/files/sub", "./sub/"),
        ("/files/sub?a=/b", "./sub/?a=/b"),
        ("/files/empty-folder", "./empty-folder/"),
        ("/%66iles/s%75b", "./s%75b/"),
    ],
)
def test_folder_without_a_slash_is_told_with_one(site: Site, target: str, location: str) -> None:
    reply = site.ask(target)
    assert (reply.status, reply.fields["location"]) == (308, location)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "GETS", "get"])
def test_other_methods_are_not_allowed(site: Site, method: str) -> None:
    reply = site.ask("/files/a.txt", method=method)
    assert (reply.status, reply.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("method", "status", "framing", "content"),
    [
        ("POST", 405, "Content-Length: 5", b"12345"),
        ("GET", 400, "Content-Length: 5", b"12345"),
        ("GET", 400, "Transfer-Encoding: chunked", b"5\r\n12345\r\n0\r\n\r\n"),
        ("POST", 405, "Content-Length: 500000", b"x" * 500000),
        ("POST", 405, "Content-Length: 500000\r\nExpect: 100-continue", b""),
    ],
)
def test_content_is_refused_and_the_client_hears_why(
    site: Site, method: str, status: int, framing: str, content: bytes
) -> None:
    head = f"{method} /files/a.txt HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
    with site.connect() as sock:
        sock.sendall(head)
        sock.sendall(content)
        reply = read_all(sock)
    assert (reply.status, reply.fields["connection"]) == (status, "close")


def _date(seconds: float, form: str = "imf") -> str:
    imf = email.utils.formatdate(seconds, usegmt=True)  # Sun, 06 Nov 1994 08:49:37 GMT
    _, day, month, year, clock, _ = imf.split()
    if form == "rfc850":
        return f"Sunday, {day}-{month}-{year[2:]} {clock} GMT"
    if form == "asctime":
        return f"Sun {month} {int(day):2d} {clock} {year}"
    return imf


def test_conditions_in_the_order_of_rfc_9110_13_2_2(site: Site) -> None:
    when = 784111777  # the RFC's own example: 6 November 1994
    path = site.root / "conditions.txt"
    path.write_bytes(b"as asked")
    os.utime(path, (when, when))
    reply = site.ask("/files/conditions.txt")
    tag, same, older, newer = reply.fields["etag"], _date(when), _date(when - 1), _date(when + 1)
    assert tag.startswith('"'), "it is strong"
    assert reply.fields["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    cases = [
        (200, ()),
        (304, (f"If-None-Match: {tag}",)),
        (304, (f"If-None-Match: W/{tag}",)),
        (304, ("If-None-Match: *",)),
        (304, (f'If-None-Match: "x", W/"y,z" ,{tag}',)),
        (304, ('If-None-Match: "x"', f"If-None-Match: {tag}")),
        (200, ('If-None-Match: "x"',)),
        (200, (f"If-None-Match: {tag[:-1]}",)),
        (200, ("If-None-Match:",)),
        (200, ('If-None-Match: "x"', f"If-Modified-Since: {same}")),
        (304, (f"If-None-Match: {tag}", f"If-Modified-Since: {older}")),
        (304, (f"If-Modified-Since: {same}",)),
        (304, (f"If-Modified-Since: {newer}",)),
        (304, (f"If-Modified-Since: {_date(when, 'rfc850')}",)),
        (304, (f"If-Modified-Since: {_date(when, 'asctime')}",)),
        (200, (f"If-Modified-Since: {older}",)),
        (200, (f"If-Modified-Since: {_date(when - 1, 'rfc850')}",)),
        (200, (f"If-Modified-Since: {_date(when - 1, 'asctime')}",)),
        (200, ("If-Modified-Since: yesterday",)),
        (200, (f"If-Modified-Since: {same} and more",)),
        (200, (f"If-Modified-Since: {same}", f"If-Modified-Since: {same}")),
        (200, (f"If-Match: {tag}",)),
        (200, ("If-Match: *",)),
        (412, (f"If-Match: W/{tag}",)),
        (412, ('If-Match: "x"',)),
        (200, ('If-Match: "x"', f"If-Match: {tag}")),
        (412, ('If-Match: "x"', f"If-None-Match: {tag}")),
        (304, (f"If-Match: {tag}", f"If-None-Match: {tag}")),
        (200, (f"If-Unmodified-Since: {same}",)),
        (412, (f"If-Unmodified-Since: {older}",)),
        (200, (f"If-Match: {tag}", f"If-Unmodified-Since: {older}")),
        (412, (f"If-Unmodified-Since: {older}", f"If-None-Match: {tag}")),
        (200, ("If-Unmodified-Since: never",)),
    ]
    for method in ("GET", "HEAD"):
        for status, fields in cases:
            reply = site.ask("/files/conditions.txt", *fields, method=method)
            assert reply.status == status, (method, fields)
            if status == 304:
                assert reply.content == b""
                assert reply.fields["etag"] == tag
                assert "content-length" not in reply.fields
    assert site.ask("/files/missing", "If-Match: *").status == 404, "conditions are for what is there"


def test_changed_file_has_another_tag(site: Site) -> None:
    path = site.root / "changes.txt"
    path.write_bytes(b"one")
    tag = site.ask("/files/changes.txt").fields["etag"]
    other = path.with_suffix(".new")
    other.write_bytes(b"two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    # Same size and time, another inode.
    site.await_reply((200, b"two"), "/files/changes.txt", f"If-None-Match: {tag}")


def test_last_modified_is_never_in_the_future(site: Site) -> None:
    path = site.root / "future.txt"
    path.write_bytes(b"x")
    os.utime(path, (2**31 - 1, 2**31 - 1))
    reply = site.ask("/files/future.txt")
    assert reply.fields["last-modified"] == reply.fields["date"]


def test_old_version_and_lasting_connections(site: Site) -> None:
    reply = site.say(b"GET /files/a.txt HTTP/1.0\r\n\r\n")
    assert (reply.status, reply.content, reply.fields["connection"]) == (200, b"plain text", "close")
    one = b"GET /files/a.txt HTTP/1.1\r\nHost: x\r\n"
    with site.connect() as sock:
        large = b"GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n"
        app = b"GET /app HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall(one + b"\r\n" + large + app + one + b"Connection: close\r\n\r\n")
        whole = b"".join(iter(lambda: sock.recv(65536), b""))
    assert whole.count(b"HTTP/1.1 200 OK\r\n") == 4
    places = [whole.index(part) for part in (b"plain text", bytes(range(256)), b"application /app")]
    assert places == sorted(places)
    assert whole.endswith(b"plain text")
    assert bytes(range(256)) * 12000 in whole


def test_file_that_shrinks_cuts_the_connection(site: Site) -> None:
    path = site.root / "shrinks.bin"
    size = 64 << 20
    with path.open("wb") as made:
        made.truncate(size)
    with site.connect() as sock:
        sock.sendall(b"GET /files/shrinks.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        first = sock.recv(65536)
        assert f"Content-Length: {size}\r\n".encode() in first
        os.truncate(path, 100)
        rest = sum(len(piece) for piece in iter(lambda: sock.recv(65536), b""))
    assert len(first) + rest < size


def test_deleted_or_replaced_file_is_sent_whole_to_who_has_its_head(site: Site) -> None:
    path = site.root / "replaced.bin"
    size = 8 << 20
    path.write_bytes(b"o" * size)
    with site.connect() as sock:
        sock.sendall(b"GET /files/replaced.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        first = sock.recv(4096)
        other = path.with_suffix(".new")
        other.write_bytes(b"new")
        other.replace(path)
        whole = first + b"".join(iter(lambda: sock.recv(65536), b""))
    assert whole.partition(b"\r\n\r\n")[2] == b"o" * size
    site.await_reply((200, b"new"), "/files/replaced.bin")


def test_renaming_between_file_and_link_never_leads_outside(site: Site) -> None:
    place = site.root / "races"
    (place / "real").mkdir(parents=True)
    (place / "real" / "secret.txt").write_bytes(b"inside")
    (place / "link").symlink_to(site.root.parent)
    over = threading.Event()

    def rename() -> None:
        for _ in range(20000):
            (place / "real").rename(place / "now")
            (place / "now").rename(place / "real")
            (place / "link").rename(place / "now")
            (place / "now").rename(place / "link")
            if over.is_set():
                return

    thread = threading.Thread(target=rename)
    thread.start()
    try:
        for _ in range(400):
            reply = site.ask("/files/races/now/secret.txt")
            assert (reply.status, reply.content) in ((200, b"inside"), (404, b"404 Not Found\n"))
    finally:
        over.set()
        thread.join()


def test_slow_client_does_not_hold_up_others(site: Site) -> None:
    path = site.root / "slow.bin"
    with path.open("wb") as made:
        made.truncate(64 << 20)
    with site.connect() as slow:
        slow.sendall(b"GET /files/slow.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(16)
        assert site.ask("/files/a.txt").content == b"plain text"
        assert site.ask("/app").content == b"application /app"


def test_file_beyond_32_bits_has_its_length(site: Site) -> None:
    path = site.root / "huge.bin"
    with path.open("wb") as made:
        made.truncate((4 << 30) + 5)
    reply = site.ask("/files/huge.bin", method="HEAD")
    assert reply.fields["content-length"] == str((4 << 30) + 5)
    path.unlink()


def test_access_log_has_status_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"plain text")
    (tmp_path / "large").write_bytes(b"x" * 1000000)
    log = tmp_path / "access.log"
    with Server(
        APP,
        options=f"static = /:{tmp_path}\naccess_log = {log}\n{FORMAT}",
    ) as server:
        site = Site(server, tmp_path, log)
        tag = site.ask("/a.txt").fields["etag"]
        site.ask("/a.txt", f"If-None-Match: {tag}")
        site.ask("/large")
        site.ask("/large", method="HEAD")
        site.ask("/none")
        site.ask("/a.txt", method="POST")
        assert site.ask("/").status == 404, "no index, and the whole site is the folder's"
    assert log.read_text().splitlines() == [
        '"GET /a.txt HTTP/1.1" 200 10',
        '"GET /a.txt HTTP/1.1" 304 0',
        '"GET /large HTTP/1.1" 200 1000000',
        '"HEAD /large HTTP/1.1" 200 0',
        '"GET /none HTTP/1.1" 404 14',
        '"POST /a.txt HTTP/1.1" 405 23',
        '"GET / HTTP/1.1" 404 14',
    ]
