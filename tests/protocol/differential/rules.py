"""The rules of a request once more, in Python, straight from the RFCs' grammar.

Each says whether a message breaks it. They excuse a refusal that a peer does not share, and nothing
that we accept may break any of them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n)")
FIELD_LINE = re.compile(TOKEN + rb":" + VALUE)
REG_NAME = re.compile(rb"(?:[-._~!$&'()*+;=0-9A-Za-z]|%[0-9A-Fa-f]{2})+")
FUTURE = re.compile(rb"[vV][0-9A-Fa-f]+\.[-._~!$&'()*+;=:0-9A-Za-z]+")
QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + QUOTED + rb"))?"
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + EXTENSION + rb")*\r\n")
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
        return self.elements(b"connection")

    def elements(self, name: bytes) -> set[bytes]:
        """Of a field that is a list, in lower case; empty ones count for nothing (RFC 9110 5.6.1.2)."""
        listed = b",".join(self.values(name)).lower().split(b",")
        return {element.strip(b" \t") for element in listed} - {b""}


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
            if FUTURE.fullmatch(name) is None:
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
    return not alone or codings[0].lower() != b"chunked" or message.words()[2] == b"HTTP/1.0"


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
