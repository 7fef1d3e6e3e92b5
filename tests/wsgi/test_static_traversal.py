"""static: nothing outside the folder is ever sent, whatever path asks for it. The list is in the manner of
the public ones: each way to write "..", each separator, each file that everybody tries, in every depth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from support.server import Server
from support.static_site import Site

APP = """
def application(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]
"""
CANARY = b"canary-outside-the-folder"
INSIDE = b"inside of the folder"
CODED_ONCE = (
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    ".%2E",
    "..;",
    "..;a=b",
    "..%00",
    "..%20",
    "..%09",
    "...",
    "....",
)
CODED_TWICE = (
    "%252e%252e",
    "%25%32%65%25%32%65",
    "%%32%65%%32%65",
    "..%2500",
    "%25252e%25252e",
    "%c0%2e%c0%2e",
)
OVERLONG = (
    "%c0%ae%c0%ae",
    "%c0%ae.",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%f8%80%80%80%ae%f8%80%80%80%ae",
    "%c0%5e%c0%5e",
)
UNICODE = (
    "%uff0e%uff0e",
    "%u002e%u002e",
    "%ef%bc%8e%ef%bc%8e",  # FULLWIDTH FULL STOP
    "%e2%80%a4%e2%80%a4",  # ONE DOT LEADER
    "%e2%80%a5",  # TWO DOT LEADER
    "%ef%b8%b0",  # its vertical form
    "%d9%a0%d9%a0",
    "\u2024\u2024",
    "..%cc%81",
)
UPS = (*CODED_ONCE, *CODED_TWICE, *OVERLONG, *UNICODE)
SEPARATORS = (
    "/",
    "//",
    "/./",
    "%2f",
    "%2F",
    "%252f",
    "%25%32%66",
    "\\",
    "%5c",
    "%5C",
    "%255c",
    "%c0%af",
    "%e0%80%af",
    "%c0%2f",
    "%c1%9c",
    "%ef%bc%8f",
    "%e2%88%95",
    "%u2215",
    "%u2216",
    ";/",
    "/%00/",
    "/%2e/",
)
WHOLE = (
    "/files/sub/../../canary",
    "/files/../files/../canary",
    "/files/....//....//canary",
    "/files/..../canary",
    "/files/.../.../canary",
    "/files//canary",
    "/files///../canary",
    "/files/canary%00.txt",
    "/files/../canary%00.txt",
    "/files/in.txt/../../canary",
    "/files/in.txt%00/../../canary",
    "/files/..%00/canary",
    "/files/%00../canary",
    "/files/?/../../canary",
    "/files/in.txt?/../../canary",
    "/files/;/../canary",
    "/files/.;/../canary",
    "/files%2f..%2fcanary",
    "/files%5c..%5ccanary",
    "/files../canary",
    "/files..%2fcanary",
    "/files%2e%2e/canary",
    "/files;/../canary",
    "/%2e%2e/canary",
    "/./files/.././canary",
    "/files/link",
    "/files/link/",
    "/files/up/canary",
    "/files/up/",
    "/files/absolute",
    "/files/UP/canary",
    "/files/~/canary",
    "/files/~root/canary",
    "/files/.git/../../canary",
    "/files/WEB-INF/../../canary",
    "/files/C:/canary",
    "/files/C:%5ccanary",
    "/files/file:///canary",
    "/files/%2fcanary",
    "/files/%252fcanary",
    "/files/%5c%5clocalhost%5ccanary",
    "/files/..:/canary",
    "/files/..%0d%0a/canary",
    "/files/..%0a/canary",
    "/files/%2e%2e%2f%2e%2e%2fcanary%23.txt",
    "/files/sub/%2e%2e/%2e%2e/canary/.",
    "/files/sub/%2e%2e/%2e%2e/canary/%2e",
    "/files/*/../../canary",
    "/files/[..]/canary",
    "/files/{..,sub}/canary",
    "http://x/files/../canary",
    "http://x/files/%2e%2e/canary",
    "http://x/../canary",
    "http://x/files/..%5ccanary",
    "http://../files/canary",
    "http://x:80/files/sub/..%2f..%2fcanary",
)


def inputs(root: Path) -> list[str]:
    """Targets; canary lies beside the folder, so that one step up is enough, and its whole path is known."""
    absolute = str(root.parent / "canary")
    depth = len(root.parts) + 1
    ways = [f"/files/{up}{separator}canary" for up in UPS for separator in SEPARATORS]
    deep = [
        f"/files/{(up + sep) * depth}{absolute[1:]}" for up in UPS[:8] for sep in ("/", "%2f", "\\", "%5c")
    ]
    below = [f"/files/sub/{up}/{up}/canary" for up in UPS]
    long = [
        f"/files/{'sub/../' * 100}../canary",
        f"/files/{'./' * 500}../canary",
        f"/files/{'a' * 3000}/../canary",
    ]
    named = [
        f"/files/{absolute}",
        f"/files/{absolute.replace('/', '%2f')}",
        f"/files/{absolute.replace('/', '%5c')}",
    ]
    well_known = [
        f"/files/{path}" for path in ("..%2f" * 12 + "etc/passwd", "../" * 12 + "etc/passwd", "/etc/passwd")
    ]
    return list(dict.fromkeys([*ways, *deep, *below, *long, *named, *well_known, *WHOLE]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    top = tmp_path_factory.mktemp("traversal")
    root = top / "files"
    (root / "sub").mkdir(parents=True)
    (root / "in.txt").write_bytes(INSIDE)
    (top / "canary").write_bytes(CANARY)
    (root / "link").symlink_to("../canary")
    (root / "up").symlink_to("..")
    (root / "absolute").symlink_to(top / "canary")
    with Server(APP, options=f"static = /files:{root}") as server:
        yield Site(server, root, root)


def ask_all(site: Site, targets: list[str], head: str) -> list[bytes]:
    """What came for each of them; a connection is used until the server ends it, as after a refusal."""
    got = []
    left = iter(targets)
    for first in left:
        with site.connect() as sock, sock.makefile("rb") as stream:
            for target in itertools.chain((first,), left):
                sock.sendall(head.format(target).encode())
                reply, lasting = read_one(stream)
                got.append(reply)
                if not lasting:
                    break
    return got


def read_one(stream: BinaryIO) -> tuple[bytes, bool]:
    lines = list(iter(stream.readline, b"\r\n"))
    assert lines and lines[0].startswith(b"HTTP/1.1 "), lines
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    bodiless = lines[0].split()[1] in (b"304",)
    content = b"" if bodiless else stream.read(int(fields[b"content-length"]))
    return b"".join(lines) + content, fields.get(b"connection") != b"close"


@pytest.mark.parametrize(
    "head",
    [
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET {} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\nAccept-Encoding: br, gzip\r\n\r\n",
    ],
)
def test_no_path_leads_outside(site: Site, head: str) -> None:
    targets = inputs(site.root)
    assert len(targets) >= 150
    got = ask_all(site, targets, head)
    assert len(got) == len(targets)
    for target, reply in zip(targets, got):
        assert CANARY not in reply and b"root:" not in reply.partition(b"\r\n\r\n")[2], target
        inside = reply.endswith(INSIDE) and "/in.txt?" in target  # the rest is a query
        assert inside or reply.split(b" ", 2)[1] in (b"400", b"404", b"414", b"308"), (target, reply)
    assert site.ask("/files/in.txt").content == INSIDE, "and the folder is served"
