"""Every difference from llhttp and h11 that is tolerated, with its reason.

STRICTER: what we refuse and a peer may accept. TOLERATED: what we accept and a peer refuses, or reads
otherwise. Whatever stands in neither is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from protocol.differential.readers import Reading
from protocol.differential.rules import (
    BREAK,
    TOKEN,
    Message,
    breaks_coding,
    breaks_host,
    breaks_length,
    chunk_fault,
    is_chunked,
    split_target,
    take_apart,
)


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
        "RFC 9112 2.2: a bare LF MAY be taken for a line end; servers that do disagree with the others",
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
        lambda m: re.fullmatch(rb"HTTP/[1-9]\.[0-9]", m.line.split(b" ", 2)[-1]) is None,
        "RFC 9112 2.3: HTTP-version; ICE and RTSP are others",
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
        lambda m: m.words()[2] != b"HTTP/1.0" and not m.values(b"host"),
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
        lambda m: not m.elements(b"expect") <= {b"100-continue"},
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
        "RFC 9112 7.1, 7.1.1: up to 16 digits, extensions by their grammar, CRLF",
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


def is_later_minor(m: Message) -> bool:
    return re.fullmatch(rb"HTTP/1\.[2-9]", m.words()[2]) is not None


TOLERATED = [
    Difference(
        "llhttp",
        "Invalid HTTP version",
        NONE,
        is_later_minor,
        "RFC 9110 2.5: a higher minor version is served as the highest that is known",
        example(b"GET / HTTP/1.2"),
    ),
    Difference(
        "h11",
        "ok",
        frozenset({"minor"}),
        is_later_minor,
        "the same; h11 tells the version as it came",
        example(b"GET / HTTP/1.2"),
    ),
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
        if row.peer != peer or not row.holds(parts):
            continue
        if row.theirs == "ok" and theirs.accepted:
            other -= row.members
        if not other or (row.theirs != "ok" and re.search(row.theirs, theirs.verdict)):
            return None
    return f"{peer} says {theirs.verdict} and differs in {sorted(other)}: {ours} / {theirs}"


def broken_rules(message: bytes, ours: Reading) -> list[str]:
    """The rules that an accepted message breaks all the same."""
    parts = take_apart(message)
    return [rule.token for rule in STRICTER if ours.accepted and rule.broken(parts)]
