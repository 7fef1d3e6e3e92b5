"""A client that sends exactly the bytes it is told and reads answers without any leniency.

The reader refuses what RFC 9112 forbids a server to send: bare line feeds, two framings, content
after HEAD, a missing or repeated Date. An answer that passes here is one any client understands.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import NamedTuple, Union

Address = Union[tuple[str, int], str]
PATIENCE = 30.0
"""Seconds after which a reading step has failed; none takes so long where a server answers."""

PATIENCE = 30.0
"""Seconds that a single reading step may take: a busy machine may keep each process waiting for some."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})")
_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)


class BadAnswer(AssertionError):
    """The server sent something that is not HTTP/1.1, or ended in the middle."""


class Cut(BadAnswer):
    """The connection ended before the answer was complete."""


class Head(NamedTuple):
    """Status line and fields of an answer."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """A field's value; it must not be repeated."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is repeated: {values}"
        return values[0] if values else None

    def tokens(self, name: str) -> list[str]:
        """The elements of a list field, in lower case."""
        return [part.strip().lower() for part in ",".join(self.all(name)).split(",") if part.strip()]


class Answer(NamedTuple):
    """A whole answer."""

    head: Head
    body: bytes
    framing: str
    """``length``, ``chunked``, ``close`` (ends with the connection) or ``none``."""

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status

    @property
    def text(self) -> str:
        """The content, one character a byte."""
        return self.body.decode("latin-1")


class Client:
    """One connection."""

    def __init__(
        self,
        address: Address,
        seconds: float = PATIENCE,
        receive_buffer: int | None = None,
        source: tuple[str, int] | None = None,
    ) -> None:
        """seconds bounds every single reading step. receive_buffer makes a slow reader felt. source: the
        client's own address."""
        self.seconds = seconds
        if isinstance(address, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(seconds)
            if source is not None:
                self.socket.bind(source)
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise
        self._buffer = bytearray()
        self._ended = False
        self._framing = ""
        self._left = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- sending ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """All of it in one call."""
        self.socket.sendall(data)

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Each piece in a call of its own. A server that hung up already is no error here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self.socket.sendall(piece)

    def half_close(self) -> None:
        """Says that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- reading ---------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Reads what there is; False at the end of the connection."""
        if self._ended:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        except socket.timeout:
            raise BadAnswer(
                f"nothing came for {self.seconds} s; so far: {bytes(self._buffer[:300])!r}"
            ) from None
        self._ended = not data
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        at = self._buffer.find(b"\n")
        while at < 0:
            if not self._more():
                raise Cut(f"the connection ended inside a line: {bytes(self._buffer[:300])!r}")
            at = self._buffer.find(b"\n")
        line = bytes(self._buffer[: at + 1])
        del self._buffer[: at + 1]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise BadAnswer(f"a line without CRLF: {line!r}")
        return line[:-2]

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise Cut(f"the connection ended {size - len(self._buffer)} bytes early")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_head(self, to: str = "GET") -> Head:
        """The next answer's head; the content is then had by ``read_piece``. to: the method."""
        line = self._line()
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise BadAnswer(f"not a status line: {line!r}")
        fields: list[tuple[str, str]] = []
        while True:
            line = self._line()
            if not line:
                break
            field = _FIELD_LINE.fullmatch(line)
            if field is None:
                raise BadAnswer(f"not a field line: {line!r}")
            fields.append((field[1].decode("latin-1"), field[2].decode("latin-1").rstrip(" \t")))
        head = Head(int(match[1]), match[2].decode("latin-1"), tuple(fields))
        self._framing, self._left = _framing(head, to)
        return head

    @property
    def framing(self) -> str:
        """How the content of the answer in hand is delimited; see ``Answer.framing``."""
        return self._framing

    def read_piece(self) -> bytes:
        """A next piece of content as it comes (one whole chunk when chunked); empty at the end."""
        if self._framing == "chunked":
            match = _CHUNK_LINE.fullmatch(self._line())
            if match is None:
                raise BadAnswer("not a chunk size line")
            size = int(match[1], 16)
            data = self._exactly(size)
            if self._line():
                raise BadAnswer("no CRLF after a chunk")
            return data
        if self._framing == "close":
            if not self._buffer:
                self._more()
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        if not self._left:
            return b""
        if not self._buffer and not self._more():
            raise Cut(f"the connection ended {self._left} bytes early")
        data = self._exactly(min(self._left, len(self._buffer)))
        self._left -= len(data)
        return data

    def read_until(self, size: int) -> bytes:
        """At least so many bytes of content, unless it ends before."""
        data = b""
        while len(data) < size:
            piece = self.read_piece()
            if not piece:
                break
            data += piece
        return data

    def read_rest(self) -> bytes:
        """The content of the answer in hand, to its end."""
        pieces: list[bytes] = []
        while True:
            piece = self.read_piece()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def read(self, to: str = "GET") -> Answer:
        """The next answer, whole."""
        head = self.read_head(to)
        return Answer(head, self.read_rest(), self._framing)

    def read_to_end(self) -> bytes:
        """Whatever else comes until the server ends the connection."""
        while self._more():
            pass
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def at_end(self) -> bool:
        """Waits for a byte or the end; whether it was the end."""
        return not self._buffer and not self._more()

    def assert_ended(self) -> None:
        """Nothing more comes, and the server has ended the connection."""
        rest = self.read_to_end()
        assert not rest, f"bytes after the last answer: {rest[:300]!r}"

    def assert_open(self) -> None:
        """The connection takes another request."""
        self.send(b"GET /still-open HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = self.read()
        assert "/still-open" in answer.text or answer.status in (200, 404), answer

    def quiet(self, seconds: float = 0.0) -> bool:
        """Whether there is nothing to read for so long: neither bytes nor the end."""
        if self._buffer or self._ended:
            return False
        return not select.select([self.socket], [], [], seconds)[0]

    # ---- both ------------------------------------------------------------------------------------

    def get(self, target: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
        """A plain 1.1 request and its answer."""
        self.send(request(target, *fields, method=method, body=body))
        return self.read(method)


def request(
    target: str = "/",
    *fields: str,
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
    host: str = "localhost",
) -> bytes:
    """The bytes of a request; Content-Length is added where there is a body."""
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(pieces: Iterable[bytes]) -> bytes:
    """The chunked coding of some pieces."""
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"


def fetch(
    address: Address, target: str = "/", *fields: str, method: str = "GET", body: bytes = b""
) -> Answer:
    """One request on a connection of its own."""
    with Client(address) as client:
        return client.get(target, *fields, method=method, body=body)


def _framing(head: Head, to: str) -> tuple[str, int]:
    """How the content is delimited and how long it is (RFC 9112 6.3), refusing what is unclear."""
    codings = head.all("Transfer-Encoding")
    lengths = head.all("Content-Length")
    if len(codings) > 1 or len(lengths) > 1 or (codings and lengths):
        raise BadAnswer(f"framing is not clear: {codings} {lengths}")
    if lengths and not re.fullmatch(r"[0-9]+", lengths[0]):
        raise BadAnswer(f"Content-Length {lengths[0]!r}")
    if codings and codings[0].lower() != "chunked":
        raise BadAnswer(f"Transfer-Encoding {codings[0]!r}")
    if head.status < 200 or head.status == 204:
        # RFC 9110 8.6 and RFC 9112 6.1: neither field belongs here.
        if codings or lengths:
            raise BadAnswer(f"{head.status} with {codings or lengths}")
        if head.status >= 200:
            _check_date(head)
        return "none", 0
    _check_date(head)
    if to == "HEAD" or head.status == 304:
        return "none", 0
    if codings:
        return "chunked", 0
    if lengths:
        return "length", int(lengths[0])
    return "close", 0


def _check_date(head: Head) -> None:
    dates = head.all("Date")
    if len(dates) != 1 or not _DATE.fullmatch(dates[0]):
        raise BadAnswer(f"Date is {dates}")
    age = time.time() - parsedate_to_datetime(dates[0]).timestamp()
    # A slow reader may meet a head that was made long ago.
    if not -3 < age < 60:
        raise BadAnswer(f"Date is {age:.0f} s old")
