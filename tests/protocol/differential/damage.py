"""What is done to a sound request: an odd element in its place, or bytes changed anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

from protocol.differential.grammar import CONTENTS, NEXT, Parts, chunked, make

ODD_METHODS = [b"CONNECT", b"get", b"BREW", b"M-SEARCH", b"G\xc9T", b"GE(T", b"X" * 32, b"X" * 33]
ODD_TARGETS = [
    b"http://u@example.com/",
    b"http://",
    b"http:///x",
    b"http://a:99999/",
    b"http://[::1/",
    b"ftp://example.com/",
    b"example.com:443",
    b"example",
    b"/a#b",
    b"/a b",
    b"/caf\xe9",
    b"/\x7f",
    b"/%zz",
    b'/"<>\\^`{|}',
    b"",
]
ODD_VERSIONS = [
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.20",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/1",
    b"HTTP/1.1 ",
    b"ICE/1.0",
    b"RTSP/1.0",
    b"",
]
ODD_HOSTS = [
    b"a b",
    b"a,b",
    b"u@a",
    b"a/b",
    b"a:b",
    b"a:80:80",
    b"a:65536",
    b"[::1",
    b"[::1%eth0]",
    b"a\\b",
    b"a?b",
    b"\xe9",
    b"a%zz",
]
ODD_FIELDS = [
    b"Content-Length: 5",
    b"Content-Length: 5",
    b"content-length: 05",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 5, 5",
    b"Content-Length: 5,6",
    b"Content-Length: 0x5",
    b"Content-Length: 5 5",
    b"Content-Length:",
    b"Content-Length: 99999999999999999999",
    b"Content-Length : 5",
    b"Content-Length\t: 5",
    b" Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding:",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\x00: chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"Host: other.example",
    b"Host: example.com",
    b"Host : x",
    b"Host: a b",
    b"Content-Type: a/b\r\nContent-Type: a/b",
    b"Authorization: x\r\nAuthorization: y",
    b"Expect: 200-ok",
    b"Connection: upgrade\r\nUpgrade: websocket",
    b": empty",
    b"no colon",
    b"na me: x",
    b"na(me: x",
    b"n\xe9: x",
    b"X: \x00",
    b"X: \x01",
    b"X: \x7f",
    b"X: a\x0bb",
]
ODD_SIZES = [
    b" %x",
    b"%x ",
    b"%x\t",
    b"%x;",
    b"%x;;",
    b"%x;=a",
    b"%x;a=",
    b"%x;a b",
    b'%x;a="b',
    b'%x;a="b"c',
    b"%x ;a",
    b"%x; a = b ",
    b"%x;\x80",
    b"%x;a\nb",
    b"%x;a\rb",
    b"%x;\x00",
    b"+%x",
    b"-%x",
    b"0x%x",
    b"%xh",
    b"%x_0",
    b"%x,",
    b"00000000000000000%x",
    b"80000000000000%02x",
    b"10000000000000000%x",
    b"",
]
ODD_TRAILERS = [b"X\r\n", b"X : y\r\n", b" X: y\r\n", b"X: y\r\n z\r\n", b"X: y\n", b"X: \x01\r\n", b"\n"]
SCRAPS = [
    *(bytes([c]) for c in b'\r\n\0 \t\x0b\x0c\x7f\x80\xff#:,;%\\@[]_"/?0a-'),
    b"\r\n",
    b"\n\r",
    b"\r\r\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\n\n",
]
LINE_ENDS = [b"\n", b"\r", b"\n\r", b"\r\r\n", b" \r\n", b"\r\n ", b"\r\n\r\n", b""]
EMPTY_LINES = [b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"]

DAMAGES_LEAST, DAMAGES_MOST = 4, 8


# ---- Odd elements ----------------------------------------------------------------------------


def odd_line(parts: Parts, chance: Random) -> Parts:
    """Another method, target or version."""
    place = chance.randrange(3)
    if place == 0:
        return parts._replace(method=chance.choice(ODD_METHODS))
    if place == 1:
        return parts._replace(target=chance.choice(ODD_TARGETS))
    return parts._replace(version=chance.choice(ODD_VERSIONS))


def odd_field(parts: Parts, chance: Random) -> Parts:
    """A field that should not be there."""
    at = chance.randint(0, len(parts.fields))
    return parts._replace(fields=(*parts.fields[:at], chance.choice(ODD_FIELDS), *parts.fields[at:]))


def odd_host(parts: Parts, chance: Random) -> Parts:
    """No Host, or an invalid one."""
    host = () if chance.randrange(4) == 0 else (b"Host: " + chance.choice(ODD_HOSTS),)
    return parts._replace(fields=(*host, *parts.fields[1:]))


def odd_chunks(parts: Parts, chance: Random) -> Parts:
    """Chunked content with a malformed size line or trailer."""
    fields = tuple(f for f in parts.fields if not f.startswith((b"Content-L", b"Transfer")))
    content = chance.choice(CONTENTS[1:])
    if chance.randrange(2):
        coded = chunked(chance, content, chance.choice(ODD_SIZES), b"")
    else:
        coded = chunked(chance, content, b"%x", chance.choice(ODD_TRAILERS))
    return parts._replace(fields=(*fields, b"Transfer-Encoding: chunked"), content=coded)


def twice(parts: Parts, chance: Random) -> Parts:
    """A field line repeated, or two."""
    at = chance.randint(0, len(parts.fields))
    return parts._replace(fields=(*parts.fields, *parts.fields[at : at + chance.randint(1, 2)]))


PARTS_DAMAGES: list[Callable[[Parts, Random], Parts]] = [
    odd_line,
    odd_field,
    odd_field,
    odd_host,
    odd_chunks,
    odd_chunks,
    twice,
]


# ---- Odd bytes -------------------------------------------------------------------------------


def insert(message: bytes, chance: Random) -> bytes:
    """Some bytes more."""
    at = chance.randint(0, len(message))
    return message[:at] + chance.choice(SCRAPS) + message[at:]


def replace(message: bytes, chance: Random) -> bytes:
    """A byte is something else."""
    at = chance.randrange(len(message))
    return message[:at] + chance.choice(SCRAPS) + message[at + 1 :]


def delete(message: bytes, chance: Random) -> bytes:
    """A byte is missing, or two."""
    at = chance.randrange(len(message))
    return message[:at] + message[at + chance.randint(1, 2) :]


def line_end(message: bytes, chance: Random) -> bytes:
    """One CRLF is something else."""
    at = chance.choice([match.start() for match in re.finditer(b"\r\n", message)])
    return message[:at] + chance.choice(LINE_ENDS) + message[at + 2 :]


def empty_lines(message: bytes, chance: Random) -> bytes:
    """Something stands before the request line."""
    return chance.choice(EMPTY_LINES) + message


BYTES_DAMAGES: list[Callable[[bytes, Random], bytes]] = [
    insert,
    replace,
    delete,
    line_end,
    line_end,
    empty_lines,
]


def messages(chance: Random) -> Iterator[bytes]:
    """A sound message, then the same with one damage each, and with two damages at a time."""
    parts = make(chance)
    yield parts.join() + NEXT
    previous = parts
    for _ in range(chance.randint(DAMAGES_LEAST, DAMAGES_MOST)):
        kind = chance.randrange(len(PARTS_DAMAGES) + len(BYTES_DAMAGES))
        if kind < len(PARTS_DAMAGES):
            change = PARTS_DAMAGES[kind]
            yield change(previous, chance).join() + NEXT
            previous = change(parts, chance)
            yield previous.join() + NEXT
        else:
            alter = BYTES_DAMAGES[kind - len(PARTS_DAMAGES)]
            yield alter(parts.join(), chance) + NEXT
            yield alter(previous.join(), chance) + NEXT
