"""Requests made from the grammar of RFC 9112: sound ones, of known and of random elements."""

from __future__ import annotations

import string
from random import Random
from typing import NamedTuple

METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"PROPFIND"]
TARGETS = [
    b"/",
    b"/index.html?a=b&c=d",
    b"/a%20b/../c;d=e/",
    b"//double",
    b"/?q=http://h/",
    b"*",
    b"http://example.com/x?y",
    b"HTTPS://[::1]:8443",
    b"http://example.com?y",
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2"]
HOSTS = [
    b"example.com",
    b"example.com:8000",
    b"127.0.0.1",
    b"[::1]:80",
    b"[v1.abc:d]",
    b"",
    b"a_b",
    b"a:",
]
FIELDS = [
    b"Accept: */*",
    b"User-Agent: a b (c; d)",
    b"Cookie: a=b; c=d",
    b"X-Empty:",
    b"X-Spaces: \t a  b\tc \t",
    b"X-Latin: caf\xe9",
    b"!#$%&'*+-.^_`|~1: x",
    b"Connection: keep-alive",
    b"Connection: close",
    b"connection: x, Close",
    b"Content-Type: text/plain",
    b"Expect: 100-continue",
    b"Expect: ,100-continue, ,",
    b"Content_Length: 7",
    b"X-Content-Length: 7",
    b"Trailer: X-Sum",
]
CONTENTS = [b"", b"hello", b"0\r\n\r\n", b"\r\n\r\n", b"x" * 300, b"\x00\xff\r\n"]
SIZES = [
    b"%x",
    b"%X",
    b"%x",
    b"%x",
    b"0%x",
    b"000000000000000%x",
    b"%x;ext",
    b"%x;a=b",
    b'%x;a="b c"',
    b"%x;a=b;c",
    b'%x ; a = "\\"" ;b',
]
TRAILERS = [b"", b"", b"X-Sum: 1\r\n", b"Content-Length: 5\r\n", b"X: y\r\nZ:\r\n"]

#: Follows every message, so that a wrong length shows in what is left of it.
NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"

TOKEN_BYTES = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
VALUE_BYTES = bytes((*range(0x20, 0x7F), *range(0x80, 0x100), 0x09))
TARGET_BYTES = bytes(c for c in range(0x21, 0x7F) if c not in b"#")
HOST_BYTES = (string.ascii_letters + string.digits + "-._~!$&'()*+;=").encode()


class Parts(NamedTuple):
    """A message before its bytes are joined."""

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[bytes, ...]
    content: bytes

    def join(self) -> bytes:
        """The message."""
        line = b" ".join((self.method, self.target, self.version))
        return b"\r\n".join((line, *self.fields, b"", b"")) + self.content


def some(chance: Random, alphabet: bytes, least: int, most: int) -> bytes:
    """least to most bytes of an alphabet."""
    return bytes(chance.choices(alphabet, k=chance.randint(least, most)))


def chunk(size_line: bytes, data: bytes) -> bytes:
    """One chunk; %x in the size line becomes its size."""
    size = size_line % len(data) if b"%" in size_line else size_line
    return size + b"\r\n" + data + b"\r\n"


def chunked(chance: Random, content: bytes, size_line: bytes, trailer: bytes) -> bytes:
    """content in some chunks, the first with the size line in question."""
    cuts = sorted({0, *(chance.randint(0, len(content)) for _ in range(chance.randint(0, 3))), len(content)})
    pieces = [content[start:end] for start, end in zip(cuts, cuts[1:])]
    coded = [chunk(size_line if at == 0 else b"%x", piece) for at, piece in enumerate(pieces)]
    return b"".join(coded) + b"0\r\n" + trailer + b"\r\n"


def make_method(chance: Random) -> bytes:
    """Mostly one that everybody knows: llhttp refuses others."""
    return some(chance, TOKEN_BYTES, 1, 32) if chance.random() < 0.02 else chance.choice(METHODS)


def make_target(chance: Random) -> bytes:
    """Origin-form or absolute-form."""
    if chance.random() < 0.5:
        return chance.choice(TARGETS)
    path = b"/" + some(chance, TARGET_BYTES, 0, 30)
    if chance.random() < 0.2:
        return b"http://" + some(chance, HOST_BYTES, 1, 12) + path
    return path


def make_host(chance: Random, needed: bool) -> bytes:
    """A host with or without port; empty only if it need not be there."""
    host = chance.choice(HOSTS) if chance.random() < 0.5 else some(chance, HOST_BYTES, 1, 20)
    return b"h" if needed and not host else host


def make_field(chance: Random) -> bytes:
    """A field line that says nothing about the framing."""
    if chance.random() < 0.5:
        return chance.choice(FIELDS)
    pad = chance.choice((b"", b" ", b"\t", b"  "))
    return b"X-" + some(chance, TOKEN_BYTES, 0, 12) + b":" + pad + some(chance, VALUE_BYTES, 0, 20)


def make_content(chance: Random) -> bytes:
    """Any bytes."""
    return chance.choice(CONTENTS) if chance.random() < 0.5 else some(chance, bytes(range(256)), 0, 60)


def make(chance: Random) -> Parts:
    """A message that keeps all the rules."""
    target = make_target(chance)
    method = b"OPTIONS" if target == b"*" else make_method(chance)
    version = chance.choice(VERSIONS)
    fields = [b"Host: " + make_host(chance, target.lower().startswith(b"http"))]
    fields += [make_field(chance) for _ in range(chance.randint(0, 3))]
    content = make_content(chance)
    framing = chance.randrange(3)
    if framing == 1:
        fields.append(b"Content-Length: %d" % len(content))
    elif framing == 2 and not version.endswith(b"0"):
        fields.append(b"Transfer-Encoding: chunked")
        content = chunked(chance, content, chance.choice(SIZES), chance.choice(TRAILERS))
    else:
        content = b""
    return Parts(method, target, version, tuple(fields), content)
