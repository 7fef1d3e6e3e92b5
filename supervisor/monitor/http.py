"""HTTP/1.1 as far as probes and browsers of a status page need it: GET and HEAD, one a connection. Pure.

Strict in what it takes, like the core: whatever is no such request is refused with a status of 4xx.
"""

from __future__ import annotations

from fapws.lean import NamedTuple

HEAD_MAX = 4096
"""Bytes of a request; probes send a few hundred."""
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CONTROLS = frozenset((*range(9), *range(10, 32), 127))
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
PLAIN = "text/plain; charset=utf-8"


class Question(NamedTuple):
    """A request."""

    path: str
    """Without query, as it was sent."""
    head: bool
    """HEAD: the content is not wanted."""


class Reply(NamedTuple):
    """A response."""

    status: int
    content: bytes
    kind: str = PLAIN
    """Content-Type."""


class Refusal(Exception):
    """What came is no request that is answered here."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(status, text.encode("ascii") + b"\n")


def parse(received: bytes) -> Question | None:
    """The request; None: it is not whole yet. Raises Refusal as early as it is known."""
    head, end, rest = received.partition(b"\r\n\r\n")
    first, line_feed, _ = received.partition(b"\n")
    if (line_feed and not first.endswith(b"\r")) or (first and first[0] not in _TOKEN):
        raise Refusal(400, "this is no request of HTTP/1.1")
    if not end:
        if len(received) >= HEAD_MAX:
            raise Refusal(431, f"a request has at most {HEAD_MAX} bytes here")
        return None
    line, *fields = head.split(b"\r\n")
    question = _request_line(line)
    for field in fields:
        _check_field(field)
    if rest:
        raise Refusal(400, "a request has no content here")
    return question


def _request_line(line: bytes) -> Question:
    method, _, others = line.partition(b" ")
    target, _, version = others.partition(b" ")
    if not method or not set(method) <= _TOKEN or version[:7] != b"HTTP/1." or not version[7:].isdigit():
        raise Refusal(400, "the request line is malformed")
    if len(version) != 8 or not target or not all(32 < octet < 127 for octet in target):
        raise Refusal(400, "the request line is malformed")
    if method not in (b"GET", b"HEAD"):
        raise Refusal(405, "only GET and HEAD are answered here")
    return Question(_path(target.decode("ascii")), method == b"HEAD")


def _path(target: str) -> str:
    """Of a target in origin-form, or in absolute-form (RFC 9112 3.2)."""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise Refusal(400, "the request target is malformed")
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]


def _check_field(field: bytes) -> None:
    name, colon, value = field.partition(b":")
    if not colon or not name or not set(name) <= _TOKEN or not _CONTROLS.isdisjoint(value):
        raise Refusal(400, "a header field is malformed")
    lower, value = name.lower(), value.strip(b" \t")
    if lower == b"transfer-encoding" or (lower == b"content-length" and value.strip(b"0")):
        raise Refusal(400, "a request has no content here")


def render(reply: Reply, head_only: bool = False) -> bytes:
    """The bytes of a response; the connection ends with it."""
    allow = "Allow: GET, HEAD\r\n" if reply.status == 405 else ""
    head = (
        f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}\r\n"
        f"Content-Type: {reply.kind}\r\nContent-Length: {len(reply.content)}\r\n{allow}"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (b"" if head_only else reply.content)
