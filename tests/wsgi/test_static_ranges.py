"""Parts of static files: Range, If-Range and 416, by RFC 9110 13.2.2, 14 and 15.3.7."""

from __future__ import annotations

import email.utils
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Reply, Site

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the application"]
"""
CONTENT = bytes(range(256)) * 4000
"""More than what goes with its head."""
SIZE = len(CONTENT)
SMALL = b"0123456789"
WHEN = 784111777
"""The RFC's own example: 6 November 1994."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    top = tmp_path_factory.mktemp("ranges")
    root = top / "files"
    root.mkdir()
    for name, content in (("large.bin", CONTENT), ("small.txt", SMALL), ("none.txt", b"")):
        (root / name).write_bytes(content)
        os.utime(root / name, (WHEN, WHEN))
    with Server(APP, options=f"static = /files:{root}") as server:
        yield Site(server, root, top / "no.log")


def _is_part(reply: Reply, whole: bytes, first: int, last: int) -> None:
    assert reply.status == 206
    assert reply.content == whole[first : last + 1]
    assert reply.fields["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert reply.fields["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("name", ["large.bin", "small.txt"])
def test_whole_file_says_that_there_are_ranges(site: Site, name: str) -> None:
    for method in ("GET", "HEAD"):
        reply = site.ask(f"/files/{name}", method=method)
        assert (reply.status, reply.fields["accept-ranges"]) == (200, "bytes")
        assert "content-range" not in reply.fields


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=100-70000", 100, 70000),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-500000", SIZE - 500000, SIZE - 1),
        (f"bytes=-{SIZE * 9}", 0, SIZE - 1),
        (f"bytes=1000-{10**30}", 1000, SIZE - 1),
        ("Bytes=0-99, 100-199", 0, 199),
        (f"bytes=5-6,{SIZE}-", 5, 6),
    ],
)
def test_part_of_a_large_file(site: Site, asked: str, first: int, last: int) -> None:
    _is_part(site.ask("/files/large.bin", f"Range: {asked}"), CONTENT, first, last)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 9), (3, 5), (9, 9)])
def test_part_of_a_small_file(site: Site, first: int, last: int) -> None:
    reply = site.ask("/files/small.txt", f"Range: bytes={first}-{last}")
    _is_part(reply, SMALL, first, last)
    whole = site.ask("/files/small.txt").fields
    for name in ("etag", "last-modified", "cache-control", "content-type", "x-content-type-options"):
        assert reply.fields[name] == whole[name]


@pytest.mark.parametrize("asked", ["bytes=0-0,5-5", "bytes=5-4", "bytes=x", "lines=0-1", "bytes=", "bytes"])
def test_field_that_cannot_be_met_is_ignored(site: Site, asked: str) -> None:
    """RFC 9110 14.2: pieces that lie apart, what is no range, another unit."""
    reply = site.ask("/files/small.txt", f"Range: {asked}")
    assert (reply.status, reply.content) == (200, SMALL)
    assert "content-range" not in reply.fields


def test_repeated_field_is_ignored(site: Site) -> None:
    assert site.ask("/files/small.txt", "Range: bytes=0-1", "Range: bytes=0-1").status == 200


@pytest.mark.parametrize("name", ["large.bin", "small.txt", "none.txt"])
def test_nothing_of_it_is_416_with_the_size(site: Site, name: str) -> None:
    size = (site.root / name).stat().st_size
    reply = site.ask(f"/files/{name}", f"Range: bytes={size}-")
    assert (reply.status, reply.content) == (416, b"416 Range Not Satisfiable\n")
    assert reply.fields["content-range"] == f"bytes */{size}"
    assert "etag" not in reply.fields


def test_last_bytes_of_an_empty_file_are_the_empty_file(site: Site) -> None:
    reply = site.ask("/files/none.txt", "Range: bytes=-5")
    assert (reply.status, reply.content) == (200, b"")


def test_only_get_has_ranges(site: Site) -> None:
    for asked in ("bytes=0-1", "bytes=99-"):
        reply = site.ask("/files/small.txt", f"Range: {asked}", method="HEAD")
        assert (reply.status, reply.fields["content-length"]) == (200, "10")
        assert "content-range" not in reply.fields
        assert site.ask("/files/small.txt", f"Range: {asked}", method="POST").status == 405
        assert site.ask("/files/missing", f"Range: {asked}").status == 404


def test_if_range_and_the_other_conditions(site: Site) -> None:
    """13.2.2: the others come first; If-Range then says whether Range counts."""
    tag = site.ask("/files/small.txt").fields["etag"]
    same = email.utils.formatdate(WHEN, usegmt=True)
    older = email.utils.formatdate(WHEN - 1, usegmt=True)
    newer = email.utils.formatdate(WHEN + 1, usegmt=True)
    cases = [
        (206, (f"If-Range: {tag}",)),
        (206, (f"If-Range: {same}",)),
        (206, ("If-Range: Sunday, 06-Nov-94 08:49:37 GMT",)),
        (206, ("If-Range: Sun Nov  6 08:49:37 1994",)),
        (200, (f"If-Range: W/{tag}",)),
        (200, ('If-Range: "other"',)),
        (200, (f"If-Range: {tag[:-1]}",)),
        (200, (f"If-Range: {tag}, {tag}",)),
        (200, (f"If-Range: {tag}", f"If-Range: {tag}")),
        (200, ("If-Range: *",)),
        (200, ("If-Range:",)),
        (200, ("If-Range: yesterday",)),
        (200, (f"If-Range: {older}",)),
        (200, (f"If-Range: {newer}",)),
        (206, (f"If-Match: {tag}",)),
        (412, ('If-Match: "other"', f"If-Range: {tag}")),
        (206, (f"If-Unmodified-Since: {same}",)),
        (412, (f"If-Unmodified-Since: {older}",)),
        (304, (f"If-None-Match: {tag}",)),
        (304, (f"If-None-Match: {tag}", 'If-Range: "other"')),
        (206, ('If-None-Match: "other"', f"If-Range: {tag}")),
        (304, (f"If-Modified-Since: {same}",)),
        (206, (f"If-Modified-Since: {older}",)),
    ]
    for status, fields in cases:
        reply = site.ask("/files/small.txt", "Range: bytes=2-4", *fields)
        assert reply.status == status, fields
        if status == 206:
            _is_part(reply, SMALL, 2, 4)
        elif status == 200:
            assert reply.content == SMALL
    assert site.ask("/files/small.txt", "Range: bytes=99-", 'If-Range: "other"').status == 200
    assert site.ask("/files/small.txt", "Range: bytes=99-", f"If-Range: {tag}").status == 416
    assert site.ask("/files/small.txt", "Range: bytes=99-", f"If-None-Match: {tag}").status == 304
    assert site.ask("/files/small.txt", "If-Range: x").content == SMALL, "it means nothing without Range"


def test_part_after_if_range_has_only_what_it_should(site: Site) -> None:
    """RFC 9110 15.3.7: the client has the rest of what describes the file from the response before."""
    whole = site.ask("/files/small.txt")
    needed = {"date", "etag", "cache-control", "content-range", "content-length", "connection"}
    part = site.ask("/files/small.txt", "Range: bytes=2-4", f"If-Range: {whole.fields['etag']}")
    assert (part.status, set(part.fields) - {"server"}) == (206, needed)
    for name in ("etag", "cache-control"):
        assert part.fields[name] == whole.fields[name]
    plain = site.ask("/files/small.txt", "Range: bytes=2-4")
    assert plain.status == 206
    assert set(plain.fields) == set(whole.fields) | {"content-range"}
    changed = site.ask("/files/small.txt", "Range: bytes=2-4", 'If-Range: "other"')
    assert (changed.status, set(changed.fields)) == (200, set(whole.fields))


def test_date_of_a_second_that_is_not_over_is_weak(site: Site) -> None:
    """8.8.2.2: the file may change once more within that second."""
    path = site.root / "fresh.txt"
    path.write_bytes(SMALL)
    later = int(time.time()) + 3600
    os.utime(path, (later, later))
    date = email.utils.formatdate(later, usegmt=True)
    assert site.ask("/files/fresh.txt", "Range: bytes=0-1", f"If-Range: {date}").status == 200


def test_changed_file_is_not_put_together_of_two(site: Site) -> None:
    path = site.root / "resumed.bin"
    path.write_bytes(b"a" * 100000)
    begun = site.ask("/files/resumed.bin", "Range: bytes=0-49999")
    other = path.with_suffix(".new")
    other.write_bytes(b"b" * 100000)
    other.replace(path)
    condition = f"If-Range: {begun.fields['etag']}"
    site.await_reply((200, b"b" * 100000), "/files/resumed.bin", "Range: bytes=50000-", condition)


def test_offsets_beyond_32_bits(site: Site) -> None:
    path = site.root / "huge.bin"
    size = (5 << 30) + 7
    with path.open("wb") as made:
        made.truncate(size)
        made.seek((1 << 32) - 2)
        made.write(b"across")
        made.seek(size - 4)
        made.write(b"last")
    assert site.ask("/files/huge.bin", method="HEAD").fields["content-length"] == str(size)
    for asked, first, content in (
        (f"bytes={(1 << 32) - 2}-{(1 << 32) + 3}", (1 << 32) - 2, b"across"),
        (f"bytes={(1 << 32) - 20000}-{(1 << 32) + 3}", (1 << 32) - 20000, bytes(19998) + b"across"),
        ("bytes=-4", size - 4, b"last"),
    ):
        reply = site.ask("/files/huge.bin", f"Range: {asked}")
        last = first + len(content) - 1
        assert (reply.status, reply.content) == (206, content)
        assert reply.fields["content-range"] == f"bytes {first}-{last}/{size}"
    path.unlink()


def test_ranges_follow_each_other_on_a_connection(site: Site) -> None:
    texts = [
        f"GET /files/{name} HTTP/1.1\r\nHost: x\r\nRange: bytes={asked}\r\n{last}\r\n"
        for name, asked, last in (
            ("small.txt", "1-2", ""),
            ("large.bin", "1-600000", ""),
            ("small.txt", "10-", ""),
            ("small.txt", "-3", "Connection: close\r\n"),
        )
    ]
    rest = site.say_whole("".join(texts).encode())
    for status, content in ((206, SMALL[1:3]), (206, CONTENT[1:600001]), (416, None), (206, SMALL[-3:])):
        head, _, rest = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        if content is None:
            rest = rest.partition(b"\n")[2]
        else:
            assert rest.startswith(content)
            rest = rest[len(content) :]
    assert rest == b""


def test_access_log_has_the_bytes_of_the_part(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_bytes(SMALL)
    log = tmp_path / "access.log"
    access = f'access_log = {log}\naccess_format = $status $body_bytes_sent "$http_range"'
    with Server(APP, options=f"static = /:{tmp_path}\n{access}") as server:
        site = Site(server, tmp_path, log)
        for asked in ("bytes=1-3", "bytes=10-", "bytes=5-4"):
            site.ask("/small.txt", f"Range: {asked}")
    assert log.read_text().splitlines() == ['206 3 "bytes=1-3"', '416 26 "bytes=10-"', '200 10 "bytes=5-4"']
