"""wsgi.file_wrapper: what Range and conditions mean is the application's affair, also beside `static`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.server import Server
from support.static_site import Site

APP = """
STATUS = {"part": "206 Partial Content", "none": "416 Range Not Satisfiable", "known": "304 Not Modified",
          "whole": "200 OK"}

def application(environ, start_response):
    kind = environ["PATH_INFO"].strip("/")
    file = open(FILE, "rb")
    headers = [("Content-Type", "text/x-own"), ("ETag", 'W/"own"'), ("Accept-Ranges", "none")]
    names = ("RANGE", "IF_RANGE", "IF_NONE_MATCH", "IF_MATCH", "IF_MODIFIED_SINCE", "IF_UNMODIFIED_SINCE")
    heard = "; ".join(f"{name}={environ['HTTP_' + name]}" for name in names if "HTTP_" + name in environ)
    headers.append(("X-Heard", heard))
    if kind == "part":
        file.seek(2)
        headers += [("Content-Range", "bytes 7-9/77"), ("Content-Length", "3")]
    elif kind == "none":
        headers += [("Content-Range", "bytes */77"), ("Content-Length", "10")]
    elif kind == "whole":
        headers.append(("Content-Length", "10"))
    start_response(STATUS[kind], headers)
    return [] if kind == "known" else environ["wsgi.file_wrapper"](file)
"""
CONTENT = b"0123456789"
OWN = {"content-type": "text/x-own", "etag": 'W/"own"', "accept-ranges": "none"}
ASKED = {
    "RANGE": "bytes=4-5",
    "IF_RANGE": '"x"',
    "IF_NONE_MATCH": "*",
    "IF_MATCH": '"none"',
    "IF_MODIFIED_SINCE": "Sun, 06 Nov 2044 08:49:37 GMT",
    "IF_UNMODIFIED_SINCE": "Sun, 06 Nov 1994 08:49:37 GMT",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("files")
    (root / "ten").write_bytes(CONTENT)
    app = APP.replace("FILE", repr(str(root / "ten")))
    with Server(app, options=f"static = /files:{root}") as server:
        yield Site(server, root, root)


@pytest.mark.parametrize("asked", [(), ("RANGE",), ("IF_NONE_MATCH",), tuple(ASKED)])
@pytest.mark.parametrize(
    ("kind", "status", "own", "content"),
    [
        ("whole", 200, {"content-length": "10"}, CONTENT),
        ("part", 206, {"content-length": "3", "content-range": "bytes 7-9/77"}, CONTENT[2:5]),
        ("none", 416, {"content-length": "10", "content-range": "bytes */77"}, CONTENT),
        ("known", 304, {}, b""),
    ],
)
def test_what_the_application_says_passes(
    site: Site, kind: str, status: int, own: dict[str, str], content: bytes, asked: tuple[str, ...]
) -> None:
    fields = [f"{name.replace('_', '-').title()}: {ASKED[name]}" for name in asked]
    reply = site.ask(f"/{kind}", *fields)
    heard = "; ".join(f"{name}={ASKED[name]}" for name in asked)
    assert (reply.status, reply.content) == (status, content)
    told = {
        name: value for name, value in reply.fields.items() if name not in ("date", "server", "connection")
    }
    assert told == {**OWN, **own, "x-heard": heard}
