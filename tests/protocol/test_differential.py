"""Our parser against two that it shares no line with: llhttp (httptools) and h11.

A message is generated from the grammar and then damaged: line ends, white space, framing, hosts,
targets, chunks. All three read it. What two of them accept they must read alike, byte for byte,
including where the message ends. Where we accept and a peer refuses, or the other way round, the
difference must be found in ``TOLERATED`` with its reason; anything else fails, with the message.

The program ``parse_stream`` (tests/c/parse_stream.c) is ours as a filter: FAPWS_PARSE_STREAM names
it, otherwise it is compiled here. The examples are derandomized, so a run repeats itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple

import h11
import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["bytes", "chunked", "error", "fields", "parser", "target"]

EXAMPLES = 2500
MESSAGES_AT_LEAST = 20_000


# ---- What a parser says of a message ---------------------------------------------------------


class Reading(NamedTuple):
    """One parser's verdict; the rest is meaningful only when it is "ok"."""

    verdict: str  # "ok", "more", or what was wrong in the parser's own words
    method: bytes = b""
    target: bytes = b""
    minor: int = -1
    fields: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes = b""
    consumed: int = -1
    keep_alive: bool = False

    @property
    def accepted(self) -> bool:
        return self.verdict == "ok"


def tidy(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """What the peers are known to do to a value: h11 gives codings in lower case, llhttp keeps
    the white space after a value."""
    value = value.strip(b" \t")
    return name, value.lower() if name.lower() == b"transfer-encoding" else value


class Stream(NamedTuple):
    """The running parse_stream."""

    requests: IO[bytes]
    lines: IO[bytes]

    def read(self, message: bytes) -> Reading:
        self.requests.write(struct.pack(">I", len(message)) + message)
        self.requests.flush()
        said: dict[str, Any] = json.loads(self.lines.readline())
        if said["verdict"] != "ok":
            return Reading(said["verdict"])
        return Reading(
            "ok",
            said["method"].encode("latin-1"),
            said["target"].encode("latin-1"),
            said["minor"],
            tuple(
                tidy(field["name"].encode("latin-1"), field["value"].encode("latin-1"))
                for field in said["fields"]
            ),
            said["content"].encode("latin-1"),
            said["consumed"],
            said["keep_alive"],
        )


class LlhttpEvents:
    """httptools' callbacks; only the first message counts."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.content = b""
        self.method = b""
        self.version = ""
        self.keep_alive = False
        self.in_trailer = False
        self.complete = False

    def on_url(self, url: bytes) -> None:
        if not self.complete:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete and not self.in_trailer:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        if not self.complete:
            self.method = self.parser.get_method()
            self.version = self.parser.get_http_version()
            self.keep_alive = self.parser.should_keep_alive()
            self.in_trailer = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.content += body

    def on_message_complete(self) -> None:
        self.complete = True


def llhttp_length(message: bytes) -> int:
    """How many bytes llhttp needs to call the message complete."""
    events = LlhttpEvents()
    for at in range(len(message)):
        try:
            events.parser.feed_data(message[at : at + 1])
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            return -1
        if events.complete:
            return at + 1
    return -1


def read_with_llhttp(message: bytes) -> Reading:
    events = LlhttpEvents()
    fault = "more"
    try:
        events.parser.feed_data(message)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        fault = str(error)
    if not events.complete:
        return Reading(fault)
    minor = int(events.version[2:]) if events.version.startswith("1.") else -1
    return Reading(
        "ok",
        events.method,
        events.target,
        minor,
        tuple(tidy(name, value) for name, value in events.fields),
        events.content,
        llhttp_length(message),
        events.keep_alive,
    )


def read_with_h11(message: bytes) -> Reading:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(message)
    request: h11.Request | None = None
    content = b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Reading("more")
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return Reading(repr(event))
    except h11.RemoteProtocolError as error:
        return Reading(str(error) or "refused")
    assert request is not None
    return Reading(
        "ok",
        request.method,
        request.target,
        int(request.http_version[2:]),
        tuple(tidy(bytes(name), bytes(value)) for name, value in request.headers.raw_items()),
        content,
        len(message) - len(connection.trailing_data[0]),
        connection.their_state is h11.DONE,
    )


# ---- Messages --------------------------------------------------------------------------------

#: Follows every message, so that a wrong length shows in what is left of it.
NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"

METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"PROPFIND"]
ODD_METHODS = [b"CONNECT", b"get", b"BREW", b"M-SEARCH", b"G\xc9T", b"GE(T", b"X" * 32, b"X" * 33]
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
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]
ODD_VERSIONS = [
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/1",
    b"HTTP/1.1 ",
    b"ICE/1.0",
    b"RTSP/1.0",
    b"",
]
HOSTS = [
    b"example.com",
    b"example.com:8000",
    b"127.0.0.1",
    b"[::1]:80",
    b"",
    b"a_b",
    b"a:",
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
    b"Content_Length: 7",
    b"X-Content-Length: 7",
    b"Trailer: X-Sum",
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
    b"%x;",
    b"%x;;",
    b"%x;a=b;c",
]
ODD_SIZES = [
    b" %x",
    b"%x ",
    b"%x\t",
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
TRAILERS = [b"", b"", b"X-Sum: 1\r\n", b"Content-Length: 5\r\n", b"X: y\r\nZ:\r\n"]
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


class Parts(NamedTuple):
    """A message before its bytes are joined."""

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[bytes, ...]
    content: bytes

    def join(self) -> bytes:
        line = b" ".join((self.method, self.target, self.version))
        return b"\r\n".join((line, *self.fields, b"", b"")) + self.content


class Damage(NamedTuple):
    """What is done to a message: ``kind`` chooses from DAMAGES, ``pick`` and ``place`` serve it."""

    kind: int
    pick: int
    place: int


def choose(options: list[bytes], number: int) -> bytes:
    return options[number % len(options)]


def chunk(size_line: bytes, data: bytes) -> bytes:
    size = size_line % len(data) if b"%" in size_line else size_line
    return size + b"\r\n" + data + b"\r\n"


def chunked(content: bytes, size_line: bytes, trailer: bytes) -> bytes:
    """content in two chunks, the first with the size line in question."""
    half = (len(content) + 1) // 2
    pieces = [piece for piece in (content[:half], content[half:]) if piece]
    coded = b"".join(chunk(size_line if at == 0 else b"%x", piece) for at, piece in enumerate(pieces))
    return coded + b"0\r\n" + trailer + b"\r\n"


def build(numbers: tuple[int, ...], extra: list[int]) -> Parts:
    """A message of the grammar; the numbers choose its elements."""
    method, target, version, host, framing, content, size, trailer = numbers
    if choose(TARGETS, target) == b"*":
        method = METHODS.index(b"OPTIONS")
    if choose(TARGETS, target).lower().startswith(b"http") and not choose(HOSTS, host):
        host += 1
    fields = [b"Host: " + choose(HOSTS, host)]
    fields += [choose(FIELDS, number) for number in extra]
    body = choose(CONTENTS, content)
    if framing % 3 == 1:
        fields.append(b"Content-Length: %d" % len(body))
    elif framing % 3 == 2 and not choose(VERSIONS, version).endswith(b"0"):
        fields.append(b"Transfer-Encoding: chunked")
        body = chunked(body, choose(SIZES, size), choose(TRAILERS, trailer))
    else:
        body = b""
    return Parts(
        choose(METHODS, method),
        choose(TARGETS, target),
        choose(VERSIONS, version),
        tuple(fields),
        body,
    )


def odd_line(parts: Parts, pick: int, place: int) -> Parts:
    """Another method, target or version."""
    if place % 3 == 0:
        return parts._replace(method=choose(ODD_METHODS, pick))
    if place % 3 == 1:
        return parts._replace(target=choose(ODD_TARGETS, pick))
    return parts._replace(version=choose(ODD_VERSIONS, pick))


def odd_field(parts: Parts, pick: int, place: int) -> Parts:
    at = place % (len(parts.fields) + 1)
    fields = (*parts.fields[:at], choose(ODD_FIELDS, pick), *parts.fields[at:])
    return parts._replace(fields=fields)


def odd_host(parts: Parts, pick: int, place: int) -> Parts:
    """No Host, or an invalid one."""
    host = () if place % 4 == 0 else (b"Host: " + choose(ODD_HOSTS, pick),)
    return parts._replace(fields=(*host, *parts.fields[1:]))


def odd_chunks(parts: Parts, pick: int, place: int) -> Parts:
    """Chunked content with a malformed size line or trailer."""
    fields = tuple(f for f in parts.fields if not f.startswith((b"Content-L", b"Transfer")))
    body = choose(CONTENTS[1:], place)
    if pick % 2:
        coded = chunked(body, choose(ODD_SIZES, pick // 2), b"")
    else:
        coded = chunked(body, b"%x", choose(ODD_TRAILERS, pick // 2))
    return parts._replace(fields=(*fields, b"Transfer-Encoding: chunked"), content=coded)


def twice(parts: Parts, pick: int, place: int) -> Parts:
    """A field line repeated."""
    at = place % (len(parts.fields) + 1)
    return parts._replace(fields=(*parts.fields, *parts.fields[at : at + 1 + pick % 2]))


PARTS_DAMAGES: list[Callable[[Parts, int, int], Parts]] = [
    odd_line,
    odd_field,
    odd_field,
    odd_host,
    odd_chunks,
    odd_chunks,
    twice,
]


def insert(message: bytes, pick: int, place: int) -> bytes:
    at = place % (len(message) + 1)
    return message[:at] + choose(SCRAPS, pick) + message[at:]


def replace(message: bytes, pick: int, place: int) -> bytes:
    at = place % len(message)
    return message[:at] + choose(SCRAPS, pick) + message[at + 1 :]


def delete(message: bytes, pick: int, place: int) -> bytes:
    at = place % len(message)
    return message[:at] + message[at + 1 + pick % 2 :]


def line_end(message: bytes, pick: int, place: int) -> bytes:
    """One CRLF is something else."""
    ends = [match.start() for match in re.finditer(b"\r\n", message)]
    at = ends[place % len(ends)]
    odd = choose([b"\n", b"\r", b"\n\r", b"\r\r\n", b" \r\n", b"\r\n ", b"\r\n\r\n", b""], pick)
    return message[:at] + odd + message[at + 2 :]


def empty_lines(message: bytes, pick: int, place: int) -> bytes:
    return choose([b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"], pick) + message


BYTES_DAMAGES: list[Callable[[bytes, int, int], bytes]] = [
    insert,
    replace,
    delete,
    line_end,
    line_end,
    empty_lines,
]


def damage_all(parts: Parts, damages: list[Damage]) -> list[bytes]:
    """The message whole, then once for each damage, then with two damages at a time."""
    messages = [parts.join() + NEXT]
    previous = parts
    for damage in damages:
        kind = damage.kind % (len(PARTS_DAMAGES) + len(BYTES_DAMAGES))
        if kind < len(PARTS_DAMAGES):
            change = PARTS_DAMAGES[kind]
            messages.append(change(parts, damage.pick, damage.place).join() + NEXT)
            messages.append(change(previous, damage.pick, damage.place).join() + NEXT)
            previous = change(parts, damage.pick, damage.place)
        else:
            alter = BYTES_DAMAGES[kind - len(PARTS_DAMAGES)]
            messages.append(alter(parts.join(), damage.pick, damage.place) + NEXT)
            messages.append(alter(previous.join(), damage.pick, damage.place) + NEXT)
    return messages


numbers = st.integers(min_value=0, max_value=359)
messages = st.builds(
    damage_all,
    st.builds(build, st.tuples(*[numbers] * 8), st.lists(numbers, max_size=3)),
    st.lists(
        st.builds(Damage, st.integers(0, 12), numbers, st.integers(0, 719)),
        min_size=4,
        max_size=8,
    ),
)


# ---- The rules once more, in Python ----------------------------------------------------------
# Each says whether a message breaks a rule, straight from the RFC's grammar. They excuse a refusal
# that a peer does not share, and nothing that we accept may break any of them.

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n)")
FIELD_LINE = re.compile(TOKEN + rb":" + VALUE)
REG_NAME = re.compile(rb"(?:[-._~!$&'()*+;=0-9A-Za-z]|%[0-9A-Fa-f]{2})+")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;" + VALUE + rb")?\r\n")
TRAILER = re.compile(rb"(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*\r\n")


class Message(NamedTuple):
    """Bytes taken apart without judging them."""

    empty_line: bool  # before the head
    head: bytes  # with the empty line after it
    line: bytes
    fields: list[bytes]
    content: bytes

    def values(self, name: bytes) -> list[bytes]:
        pairs = (field.partition(b":") for field in self.fields)
        return [value.strip(b" \t") for key, _, value in pairs if key.lower() == name]

    def words(self) -> list[bytes]:
        return [*self.line.split(b" "), b"", b"", b""][:3]

    def options(self) -> set[bytes]:
        listed = b",".join(self.values(b"connection")).lower().split(b",")
        return {option.strip(b" \t") for option in listed}


def take_apart(message: bytes) -> Message:
    empty_line = message.startswith(b"\r\n")
    text = message[2:] if empty_line else message
    head, mark, content = text.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    return Message(empty_line, head + mark, line, fields, content)


def is_port(text: bytes) -> bool:
    return text == b"" or (text.isdigit() and len(text) <= 5 and int(text) <= 65535)


def is_host(text: bytes) -> bool:
    name, _, port = text.partition(b":")
    if text.startswith(b"["):
        name, bracket, rest = text[1:].partition(b"]")
        if not bracket or rest[:1] not in (b"", b":") or b"%" in name:
            return False
        try:
            ipaddress.IPv6Address(name.decode("ascii"))
        except ValueError:
            return False
        return is_port(rest[1:])
    return REG_NAME.fullmatch(name) is not None and is_port(port)


def split_target(message: Message) -> bytes | None:
    """The authority, b"" for a target without one, None for a target of no allowed form."""
    method, target, _ = message.words()
    if re.fullmatch(rb"[\x21\x22\x24-\x7e]+", target) is None:
        return None
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return b""
    form = re.match(rb"(?i:https?)://([^/?]*)", target)
    return form[1] if form is not None and is_host(form[1]) else None


def breaks_host(message: Message) -> bool:
    hosts = message.values(b"host")
    return any(not is_host(host) for host in hosts if host or split_target(message))


def breaks_length(message: Message) -> bool:
    lengths = message.values(b"content-length")
    return len(lengths) > 1 or any(
        re.fullmatch(rb"[0-9]+", length) is None or int(length) >= 1 << 63 for length in lengths
    )


def breaks_coding(message: Message) -> bool:
    """Everything that is not one "chunked" in 1.1 without a Content-Length."""
    codings = message.values(b"transfer-encoding")
    if not codings:
        return False
    alone = len(codings) == 1 and not message.values(b"content-length")
    return not alone or codings[0].lower() != b"chunked" or message.words()[2] != b"HTTP/1.1"


def chunk_fault(message: Message) -> str:
    """Where chunked content breaks its grammar: "size", "data", "trailer" or nowhere, ""."""
    rest = message.content
    while True:
        size = CHUNK_SIZE.match(rest)
        if size is None or int(size[1], 16) >= 1 << 63:
            return "size"
        rest = rest[size.end() :]
        length = int(size[1], 16)
        if length == 0:
            return "" if TRAILER.match(rest) else "trailer"
        if len(rest) < length + 2:
            return ""  # not complete
        if rest[length : length + 2] != b"\r\n":
            return "data"
        rest = rest[length + 2 :]


def is_chunked(message: Message) -> bool:
    return bool(message.values(b"transfer-encoding"))


class Rule(NamedTuple):
    """We refuse with ``token`` what ``broken`` finds; a peer that does not is more lenient."""

    token: str
    broken: Callable[[Message], bool]
    why: str
    example: bytes


def example(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"Host: a\r\n", content: bytes = b"") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + content


CHUNKED = b"Host: a\r\nTransfer-Encoding: chunked\r\n"

STRICTER = [
    Rule(
        "bad_line_end",
        lambda m: BREAK.search(m.head) is not None,
        "RFC 9112 2.2: a bare LF MAY be taken for a line end; who does and who does not disagree",
        example(b"GET / HTTP/1.1\nX: y"),
    ),
    Rule(
        "bad_request_line",
        lambda m: m.line.count(b" ") != 2 or b"" in m.words(),
        "RFC 9112 3: a request line without a version is HTTP/0.9",
        example(b"GET /"),
    ),
    Rule(
        "bad_method",
        lambda m: re.fullmatch(TOKEN, m.words()[0]) is None or len(m.words()[0]) > 32,
        "RFC 9110 9.1: any token; ours is bounded to 32 bytes",
        example(b"X" * 33 + b" / HTTP/1.1"),
    ),
    Rule(
        "bad_target",
        lambda m: split_target(m) is None,
        "RFC 9112 3.2, RFC 9110 4.2.4: only the four forms, no userinfo, nothing that is no URI",
        example(b"GET http://user@a/ HTTP/1.1"),
    ),
    Rule(
        "bad_version",
        lambda m: re.fullmatch(rb"HTTP/(1\.[01]|[2-9]\.[0-9])", m.line.split(b" ", 2)[-1]) is None,
        "RFC 9112 2.3: HTTP-version; 1.2 was never defined, and ICE and RTSP are others",
        example(b"GET / HTTP/0.9"),
    ),
    Rule(
        "version_not_supported",
        lambda m: re.fullmatch(rb"HTTP/[2-9]\.[0-9]", m.words()[2]) is not None,
        "RFC 9110 15.6.6: another major version is another protocol",
        example(b"GET / HTTP/2.0"),
    ),
    Rule(
        "connect_not_supported",
        lambda m: m.words()[0] == b"CONNECT",
        "RFC 9110 9.3.6: an origin server may leave CONNECT unimplemented",
        example(b"CONNECT a:443 HTTP/1.1"),
    ),
    Rule(
        "bad_field_name",
        lambda m: any(re.match(TOKEN + rb":", f) is None for f in m.fields if f[:1] not in b" \t"),
        "RFC 9112 5.1: a token right before the colon",
        b"",
    ),
    Rule(
        "bad_field_value",
        lambda m: any(re.search(rb"[^\t\x20-\x7e\x80-\xff\r\n]", f) for f in m.fields),
        "RFC 9110 5.5: controls in a value are dangerous; h11 refuses only some",
        example(fields=b"Host: a\r\nX: \x01\r\n"),
    ),
    Rule(
        "obsolete_fold",
        lambda m: any(f[:1] in (b" ", b"\t") for f in m.fields),
        "RFC 9112 5.2: a server refuses or unfolds; we refuse",
        example(fields=b"Host: a\r\nX: y\r\n z\r\n"),
    ),
    Rule(
        "host_missing",
        lambda m: m.words()[2] == b"HTTP/1.1" and not m.values(b"host"),
        "RFC 9112 3.2: MUST be refused; llhttp leaves it to its caller",
        example(fields=b""),
    ),
    Rule(
        "host_repeated",
        lambda m: len(m.values(b"host")) > 1,
        "RFC 9112 3.2: MUST be refused; llhttp leaves it to its caller",
        example(fields=b"Host: a\r\nHost: a\r\n"),
    ),
    Rule(
        "bad_host",
        breaks_host,
        "RFC 9112 3.2: an invalid value MUST be refused; the peers do not look at it",
        example(fields=b"Host: a/b\r\n"),
    ),
    Rule(
        "field_repeated",
        lambda m: any(len(m.values(name)) > 1 for name in (b"content-type", b"authorization")),
        "RFC 9110 5.3: a sender MUST NOT repeat a field that is no list",
        example(fields=b"Host: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n"),
    ),
    Rule(
        "bad_expectation",
        lambda m: any(value.lower() != b"100-continue" for value in m.values(b"expect")),
        "RFC 9110 10.1.1: 417 MAY be answered",
        example(fields=b"Host: a\r\nExpect: 200-ok\r\n"),
    ),
    Rule(
        "bad_content_length",
        breaks_length,
        "RFC 9112 6.3: a list of equal numbers MAY pass; it does not here",
        example(fields=b"Host: a\r\nContent-Length: 2, 2\r\n", content=b"ab"),
    ),
    Rule(
        "bad_transfer_encoding",
        breaks_coding,
        "RFC 9112 6.1: in 1.0, beside Content-Length, or repeated, it is a smuggler's tool",
        example(b"POST / HTTP/1.1", b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    ),
    Rule(
        "coding_not_supported",
        breaks_coding,
        "RFC 9112 6.1: 501 for a coding that is not understood",
        b"",
    ),
    Rule(
        "bad_chunk",
        lambda m: is_chunked(m) and chunk_fault(m) in ("size", "data"),
        "RFC 9112 7.1: a bare size, up to 16 digits, CRLF",
        example(fields=CHUNKED, content=b"1 \r\nx\r\n0\r\n\r\n"),
    ),
    Rule(
        "bad_trailer",
        lambda m: is_chunked(m) and chunk_fault(m) == "trailer",
        "RFC 9112 7.1.2: field lines like those of a head",
        example(fields=CHUNKED, content=b"0\r\nX: y\n\r\n"),
    ),
]


# ---- Where we accept more, or read otherwise -------------------------------------------------


class Difference(NamedTuple):
    """``peer`` refuses what we accept (``theirs`` is found in its words), or accepts it with other
    ``members`` of Reading."""

    peer: str
    theirs: str
    members: frozenset[str]
    holds: Callable[[Message], bool]
    why: str
    example: bytes


NONE: frozenset[str] = frozenset()

LLHTTP_METHODS = {
    *b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH".split(),
    *b"SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY".split(),
    *b"SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".split(),
}


def has_extension(m: Message) -> bool:
    return is_chunked(m) and re.search(rb"(?m)^[0-9A-Fa-f]{1,16}[ \t]*;", m.content) is not None


def asks_upgrade(m: Message) -> bool:
    return b"upgrade" in m.options() and bool(m.values(b"upgrade"))


TOLERATED = [
    Difference(
        "llhttp",
        "Invalid method|Expected space after method",
        NONE,
        lambda m: m.words()[0] not in LLHTTP_METHODS,
        "RFC 9110 9.1: a method is any token, and the application answers 405 or 501",
        example(b"BREW / HTTP/1.1"),
    ),
    Difference(
        "h11",
        "no request line received",
        NONE,
        lambda m: m.empty_line,
        "RFC 9112 2.2: at least one empty line before the request line SHOULD be ignored",
        example(b"\r\nGET / HTTP/1.1"),
    ),
    Difference(
        "llhttp",
        "chunk extensions|chunk size",
        NONE,
        has_extension,
        "RFC 9112 7.1.1, RFC 9110 5.6.3: extensions are ignored, and BWS is read over",
        example(fields=CHUNKED, content=b"1 ; a = b\r\nx\r\n0\r\n\r\n"),
    ),
    Difference(
        "h11",
        "illegal chunk header",
        NONE,
        lambda m: re.search(rb"(?m)^[0-9A-Fa-f]+[ \t]+;", m.content) is not None,
        "RFC 9110 5.6.3: BWS before the semicolon is to be read over",
        example(fields=CHUNKED, content=b"1 ;a\r\nx\r\n0\r\n\r\n"),
    ),
    Difference(
        "llhttp",
        "Content-Length can't be present",
        NONE,
        lambda m: is_chunked(m) and re.search(rb"(?im)^content-length:", m.content) is not None,
        "RFC 9110 6.5.1: framing fields in a trailer section mean nothing and are dropped",
        example(fields=CHUNKED, content=b"0\r\nContent-Length: 5\r\n\r\n"),
    ),
    Difference(
        "h11",
        "(?i)content-length|transfer-encoding",
        NONE,
        lambda m: (
            is_chunked(m) and re.search(rb"(?im)^(content-length|transfer-encoding):", m.content) is not None
        ),
        "the same; h11 refuses only a trailer whose value is malformed",
        example(fields=CHUNKED, content=b"0\r\nContent-Length: x\r\n\r\n"),
    ),
    Difference(
        "llhttp",
        "invalid `Transfer-Encoding`",
        NONE,
        lambda m: re.search(rb"(?im)^transfer-encoding:[ \t]*chunked[ \t]+\r$", m.head) is not None,
        "RFC 9112 5: white space after a value is not part of it",
        example(fields=b"Host: a\r\nTransfer-Encoding: chunked\t\r\n", content=b"0\r\n\r\n"),
    ),
    Difference(
        "llhttp",
        "ok",
        frozenset({"content", "consumed", "keep_alive"}),
        asks_upgrade,
        "RFC 9110 7.8: Upgrade may be ignored; llhttp hands the connection over after the head",
        example(
            b"POST / HTTP/1.1",
            b"Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n",
            b"x",
        ),
    ),
    Difference(
        "llhttp",
        "ok",
        frozenset({"keep_alive"}),
        lambda m: {b"close", b"keep-alive"} <= m.options(),
        "RFC 9112 9.3: close wins, wherever it stands",
        example(b"GET / HTTP/1.0", b"Connection: close\r\nConnection: keep-alive\r\n"),
    ),
    Difference(
        "h11",
        "ok",
        frozenset({"keep_alive"}),
        lambda m: m.words()[2] == b"HTTP/1.0" or bool(m.values(b"upgrade")),
        "RFC 9112 9.3: keep-alive in 1.0 is optional, and h11 waits when it sees Upgrade",
        example(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"),
    ),
]


def explain(message: bytes, ours: Reading, peer: str, theirs: Reading) -> str | None:
    """None when the two agree or their difference is tolerated, else what is wrong."""
    if not ours.accepted and not theirs.accepted:
        return None
    parts = take_apart(message)
    if not ours.accepted:
        rules = [rule for rule in STRICTER if rule.token == ours.verdict]
        if any(rule.broken(parts) for rule in rules):
            return None
        return f"{peer} accepts what we refuse ({ours.verdict})"
    other = {name for name in ours._fields if getattr(ours, name) != getattr(theirs, name)}
    if not other:
        return None
    for row in TOLERATED:
        wider = row.theirs == "ok" and theirs.accepted and other <= row.members
        refused = row.theirs != "ok" and re.search(row.theirs, theirs.verdict)
        if row.peer == peer and (wider or refused) and row.holds(parts):
            return None
    return f"{peer} says {theirs.verdict} and differs in {sorted(other)}: {ours} / {theirs}"


def broken_rules(message: bytes, ours: Reading) -> list[str]:
    """The rules that an accepted message breaks all the same."""
    parts = take_apart(message)
    return [rule.token for rule in STRICTER if ours.accepted and rule.broken(parts)]


PEERS: dict[str, Callable[[bytes], Reading]] = {"llhttp": read_with_llhttp, "h11": read_with_h11}


# ---- Running it ------------------------------------------------------------------------------


def build_program(folder: str) -> str:
    """Compiles parse_stream; a sanitizer would only slow it, the C tests have them."""
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    program = os.path.join(folder, "parse_stream")
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    main = str(ROOT / "tests" / "c" / "parse_stream.c")
    command = [*shlex.split(compiler), "-std=c11", "-O1", main, *sources, "-o", program]
    subprocess.run(command, check=True)
    return program


@contextlib.contextmanager
def running_stream() -> Iterator[Stream]:
    with tempfile.TemporaryDirectory() as folder:
        program = os.environ.get("FAPWS_PARSE_STREAM") or build_program(folder)
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Stream(process.stdin, process.stdout)
            process.stdin.close()
        assert process.returncode == 0


def check_message(stream: Stream, message: bytes) -> Reading:
    ours = stream.read(message)
    assert broken_rules(message, ours) == [], message
    for peer, read in PEERS.items():
        problem = explain(message, ours, peer, read(message))
        assert problem is None, f"{problem}\n{message!r}"
    return ours


def test_what_is_accepted_is_read_as_llhttp_and_h11_read_it() -> None:
    verdicts: Counter[str] = Counter()
    with running_stream() as stream:

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(messages)
        def check(batch: list[bytes]) -> None:
            for message in batch:
                verdicts[check_message(stream, message).verdict] += 1

        check()
    assert sum(verdicts.values()) >= MESSAGES_AT_LEAST
    # The generator must neither be so tame nor so wild that one side is hardly tried.
    assert verdicts["ok"] >= MESSAGES_AT_LEAST // 10
    assert set(verdicts) >= {rule.token for rule in STRICTER}


@pytest.mark.parametrize("rule", STRICTER, ids=lambda rule: str(rule.token))
def test_each_rule_has_a_peer_that_is_more_lenient_or_says_so(rule: Rule) -> None:
    """A rule without an example is one that both peers keep too."""
    if not rule.example:
        return
    with running_stream() as stream:
        message = rule.example + NEXT
        assert stream.read(message).verdict == rule.token
        assert rule.broken(take_apart(message))
        assert any(read(message).accepted for read in PEERS.values())


@pytest.mark.parametrize("row", TOLERATED, ids=lambda row: f"{row.peer}-{row.theirs}")
def test_each_tolerated_difference_is_real(row: Difference) -> None:
    with running_stream() as stream:
        message = row.example + NEXT
        ours = stream.read(message)
        theirs = PEERS[row.peer](message)
    assert ours.accepted
    assert ours != theirs
    assert row.holds(take_apart(message))
    assert re.search(row.theirs, theirs.verdict)


def test_the_content_of_a_refused_message_is_not_taken_for_the_next_request() -> None:
    """What smuggling needs: two readers, two lengths."""
    with running_stream() as stream:
        for message in (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nG",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
            b"0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n",
        ):
            assert not stream.read(message + NEXT).accepted, message
