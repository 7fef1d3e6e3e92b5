"""static: precompressed siblings of a file, sent to who accepts them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from support.server import Server
from support.static_site import Site

APP = """
def application(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]
"""
PLAIN = b"body { color: red }\n" * 100
GZIPPED = gzip.compress(PLAIN, mtime=0)
"""Without the time: tests are named by it."""
LARGE = bytes(range(256)) * 400
BROWSER = "Accept-Encoding: gzip, deflate, br, zstd"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("files")
    for name, content in {
        "all.css": PLAIN,
        "all.css.br": b"as br",
        "all.css.zst": b"as zstd",
        "all.css.gz": GZIPPED,
        "gzip.js": PLAIN,
        "gzip.js.gz": b"as gzip",
        "none.html": PLAIN,
        "lonely.css.gz": b"no file beside it",
        "large.txt": LARGE,
        "large.txt.br": LARGE[::-1],
        "index.html": PLAIN,
        "index.html.gz": b"index as gzip",
    }.items():
        (root / name).write_bytes(content)
    (root / "folder.css").write_bytes(PLAIN)
    (root / "folder.css.gz").mkdir()
    (root / "link.css").write_bytes(PLAIN)
    (root / "link.css.br").symlink_to("all.css.br")
    with Server(APP, options=f"static = /:{root}") as server:
        yield Site(server, root, root)


@pytest.mark.parametrize(
    ("target", "accepted", "coding", "content"),
    [
        ("/all.css", "gzip, deflate, br, zstd", "br", b"as br"),
        ("/all.css", "gzip, zstd", "zstd", b"as zstd"),
        ("/all.css", "gzip", "gzip", GZIPPED),
        ("/all.css", "br;q=0.5, gzip", "gzip", GZIPPED),
        ("/all.css", "br;q=0, *", "zstd", b"as zstd"),
        ("/all.css", "identity", None, PLAIN),
        ("/all.css", "identity, br;q=0.9", None, PLAIN),
        ("/all.css", "deflate", None, PLAIN),
        ("/all.css", None, None, PLAIN),
        ("/gzip.js", "br, gzip;q=0.1", "gzip", b"as gzip"),
        ("/gzip.js", "br", None, PLAIN),
        ("/large.txt", "br", "br", LARGE[::-1]),
        ("/", "gzip", "gzip", b"index as gzip"),
    ],
)
def test_sibling_that_the_client_prefers_is_sent(
    site: Site, target: str, accepted: str | None, coding: str | None, content: bytes
) -> None:
    fields = [] if accepted is None else [f"Accept-Encoding: {accepted}"]
    reply = site.ask(target, *fields)
    if coding == "gzip" and target == "/all.css":
        assert gzip.decompress(reply.content) == PLAIN
    else:
        assert reply.content == content
    assert (reply.status, reply.fields.get("content-encoding")) == (200, coding)
    assert reply.fields["vary"] == "Accept-Encoding", "also where the file itself is sent"
    assert reply.fields["content-length"] == str(len(reply.content))
    kinds = {"/all.css": "css", "/gzip.js": "javascript", "/large.txt": "plain", "/": "html"}
    assert reply.fields["content-type"] == f"text/{kinds[target]}; charset=utf-8"
    head = site.ask(target, *fields, method="HEAD")
    assert {**head.fields, "date": ""} == {**reply.fields, "date": ""}


def test_each_has_an_etag_of_its_own(site: Site) -> None:
    wishes = ("br", "zstd", "gzip", "identity")
    tags = {wish: site.ask("/all.css", f"Accept-Encoding: {wish}").fields["etag"] for wish in wishes}
    assert len(set(tags.values())) == 4
    for wish in wishes:
        for other in wishes:
            reply = site.ask("/all.css", f"Accept-Encoding: {wish}", f"If-None-Match: {tags[other]}")
            assert reply.status == (304 if wish == other else 200)
            assert reply.fields["vary"] == "Accept-Encoding"
            assert reply.fields["etag"] == tags[wish]


def test_ranges_are_of_what_is_sent(site: Site) -> None:
    whole = site.ask("/large.txt", BROWSER)
    part = site.ask("/large.txt", BROWSER, "Range: bytes=10-29", f"If-Range: {whole.fields['etag']}")
    assert (part.status, part.content) == (206, LARGE[::-1][10:30])
    assert "content-encoding" not in part.fields, "RFC 9110 15.3.7: the client has it"
    begun = site.ask("/large.txt", BROWSER, "Range: bytes=10-29")
    assert (begun.status, begun.fields["content-encoding"]) == (206, "br")
    plain = site.ask("/large.txt", "Range: bytes=10-29", f"If-Range: {whole.fields['etag']}")
    assert (plain.status, plain.content) == (200, LARGE), "the tag is that of another one"


@pytest.mark.parametrize(
    ("target", "status", "kind"),
    [
        ("/none.html", 200, "text/html; charset=utf-8"),
        ("/folder.css", 200, "text/css; charset=utf-8"),
        ("/link.css", 200, "text/css; charset=utf-8"),
        ("/all.css.gz", 200, "application/gzip"),
        ("/lonely.css", 404, "text/plain; charset=utf-8"),
    ],
)
def test_what_has_no_sibling_is_sent_as_it_is(site: Site, target: str, status: int, kind: str) -> None:
    reply = site.ask(target, BROWSER)
    assert (reply.status, reply.fields["content-type"]) == (status, kind)
    assert not {"vary", "content-encoding"} & set(reply.fields)


def test_sibling_that_comes_or_changes_or_goes_is_told(site: Site) -> None:
    path = site.root / "none.css"
    path.write_bytes(PLAIN)
    assert site.ask("/none.css", BROWSER).content == PLAIN
    sibling = site.root / "none.css.zst"
    sibling.write_bytes(b"one")
    site.await_reply((200, b"one"), "/none.css", BROWSER)
    sibling.write_bytes(b"another")
    site.await_reply((200, b"another"), "/none.css", BROWSER)
    sibling.unlink()
    reply = site.await_reply((200, PLAIN), "/none.css", BROWSER)
    assert "vary" not in reply.fields
