"""Writes the fuzzers' first inputs, from the wire cases: usage: seeds.py FOLDER.

Makes FOLDER/parser, FOLDER/chunked, FOLDER/proxy, FOLDER/static and FOLDER/connection, one file an input.
What stands before the bytes of a case is described at the top of each fuzzer.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from support.cases import load  # noqa: E402

LARGEST = 10_000
"""Longer inputs cost more than they teach."""

LIMITS = 6
"""Choices of limits that fuzz_parser.c has."""

PLAN_SIZE = 22
PLANS = [
    # limits, clients and end, extras, failing allocation, eight steps, eight actions (fuzz_connection.c)
    bytes([0, 0, 0, 0, *[0x47] * 8, *[0x08] * 8]),  # whole, answered at once
    bytes([0, 0, 2, 0, *[0x48] * 8, *[0x10] * 8]),  # byte by byte, with early hints
    bytes([8, 8, 8, 0, *[0xFB] * 8, *[0x00] * 8]),  # the clients stay until their time is over
    bytes([2, 1, 4, 0, *[0x4C] * 8, 0x3A, 0x99, 0x1A, 0x42, 0x03, 0x05, 0x06, 0x17]),  # a bit of everything
]
LEFT_PLANS = [
    # memory_body is 16 bytes, so nearly all content is left: until all has come, or until it is read
    bytes([2, 64, 0, 0, *[0x44] * 8, *[0x08] * 8]),  # above 100 bytes in a block, held beyond its request ...
    bytes([2, 64, 0, 0, *[0x44] * 8, *[0x40] * 8]),
    bytes([2, 64, 0, 0, *[0x44] * 8, *[0x20] * 8]),  # ... or given back at once, or never taken
    bytes([2, 64, 0, 0, *[0x47] * 8, *[0x10] * 8]),
    bytes([10, 72, 0, 0, *[0x74] * 8, *[0x08] * 8]),
    bytes([2, 32, 0, 0, *[0x44] * 8, *[0x08] * 8]),
    bytes([2, 33, 0, 0, *[0x47] * 8, 0x08, 0x48, 0x50, 0x09, 0x11, 0x0A, 0x58, 0x0F]),
    bytes([10, 40, 48, 0, *[0x74] * 8, *[0x09] * 8]),
]
PROXIED = bytes([0, 0, 9, 0, *[0x47] * 8, *[0x00] * 8])
"""The same for a listener that expects a PROXY header."""

V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN whatever stands here\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
    V2_SIGNATURE + b"\x20\x00\x00\x00",
    V2_SIGNATURE + b"\x21\x11\x00\x0c" + bytes(range(12)),
    V2_SIGNATURE + b"\x21\x21\x00\x24" + bytes(range(36)),
    V2_SIGNATURE + b"\x21\x11\x00\x13" + bytes(range(12)) + b"\x04\x00\x04abcd",
    V2_SIGNATURE + b"\x21\x31\x00\x04abcd",
]


def inputs() -> Iterator[bytes]:
    """What the client of each case sends, whole."""
    for path in sorted((TESTS / "protocol").glob("*.case")):
        for case in load(path):
            yield b"".join(step.send for step in case.steps)


def for_parser(messages: Iterable[bytes]) -> Iterator[bytes]:
    """With generous limits, and one in four with tight ones."""
    for number, message in enumerate(messages):
        yield b"\0" + message
        if number % 4 == 0:
            yield bytes([1 + number // 4 % (LIMITS - 1)]) + message


def for_chunked(messages: Iterable[bytes]) -> Iterator[bytes]:
    """What follows the heads that announce chunks."""
    for message in messages:
        head, end, content = message.partition(b"\r\n\r\n")
        if end and content and b"chunked" in head.lower():
            yield content


def for_connection(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Each message by one of the plans above or by a random one, and some of them in a row."""
    chance = random.Random(1)
    previous = b""
    for number, message in enumerate(messages):
        plan = PLANS[number % len(PLANS)] if number % 8 < len(PLANS) else chance.randbytes(PLAN_SIZE)
        yield plan + message
        if number % 6 == 0:
            yield PLANS[3][:3] + bytes([4 + number % 160]) + PLANS[3][4:] + message
        if number % 5 == 0:
            yield chance.randbytes(PLAN_SIZE) + previous + message + previous
        previous = message


def for_left_content(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Requests with content, also larger and pipelined, whose content stays in the socket."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    made = [post + b"Content-Length: %d\r\n\r\n" % size + b"x" * size + get for size in (17, 300, 5000)]
    made.append(post + b"Expect: 100-continue\r\nContent-Length: 40\r\n\r\n" + b"x" * 40 + get)
    chunks = b"14\r\n" + b"y" * 20 + b"\r\n5;a=b\r\nhello\r\n0\r\n"
    head = post + b"Transfer-Encoding: chunked\r\n\r\n"
    made += [head + chunks + end + get for end in (b"\r\n", b"A: b\r\n\r\n")]
    made += [each for each in messages if b"\r\nContent-Length:" in each or b"chunked" in each]
    for message in made:
        for plan in LEFT_PLANS:
            yield plan + message


def without_memory() -> Iterator[bytes]:
    """Requests in a row and one with content, when one allocation after the other fails."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    for failing in range(0, 256, 4):  # a multiple of 4: only one fails
        for actions in (0x20, 0x21, 0x22):  # 4097 bytes: at once, chunked, sized
            yield bytes([0, 0, 0, failing, *[0x47] * 8, *[actions] * 8]) + get * 3
            yield bytes([0, 0, 2, failing, *[0x4C] * 8, *[actions] * 8]) + post + get + post


def for_proxied(messages: list[bytes]) -> Iterator[bytes]:
    """Each PROXY header before some of the messages."""
    for number, header in enumerate(PROXY_HEADERS):
        for message in messages[number :: len(PROXY_HEADERS) * 4]:
            yield PROXIED + header + message


STATIC_FIELDS = [
    "Range: bytes=0-499",
    "Range: bytes=500-\nIf-Range: \"5-1.2-3\"",
    "Range: bytes=-1, 0-0\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT",
    "Range: bytes=4294967296-18446744073709551615",
    "Range: bytes=0-1,2-3 , 1-2\nIf-Match: *",
    'If-None-Match: W/"a", "5-1.2-3"',
    "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\nRange: bytes=9-",
    "If-Unmodified-Since: Sun Nov  6 08:49:37 1994",
    "Accept-Encoding: br;q=0.5, gzip, *;q=0\nAccept-Encoding: zstd",
    "Accept-Encoding: identity;q=0, *;q=0.001",
]
STATIC_PATHS = ["/a/b.css", "/%2e%2e/x", "/.well-known/x", "/a//b", "/a%2fb", "/a%00", "/..%5cx", "/"]


def for_static() -> Iterator[bytes]:
    """Fields about what a client has and wants, of files of each size."""
    for number, lines in enumerate(STATIC_FIELDS):
        for size, path in enumerate(STATIC_PATHS):
            yield bytes([size | (number * 5 + size) % 8 << 3]) + f"{path}\n{lines}\n".encode()


def write(folder: Path, seeds: Iterable[bytes]) -> None:
    """One file an input; the names do not matter."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        if len(seed) <= LARGEST:
            (folder / f"case-{number:04}").write_bytes(seed)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    messages = list(inputs())
    write(root / "parser", for_parser(messages))
    write(root / "chunked", for_chunked(messages))
    connections = [*for_connection(messages), *for_proxied(messages), *for_left_content(messages)]
    write(root / "connection", [*connections, *without_memory()])
    write(root / "proxy", PROXY_HEADERS)
    write(root / "static", for_static())
