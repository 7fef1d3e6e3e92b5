"""Compressed responses (gzip) for clients that take them.

    from fapws.contrib import zip

    @zip.Gzip()
    def long(environ, start_response):
        return "many words " * 1000

    PATHS = [("/", long)]

What is compressed: text, JSON, XML, scripts and the like, from ``minimum`` bytes on, or of unknown length.
What is not: 204, 206, 304, content that is encoded already or has ``Cache-Control: no-transform``.
Generators stay generators: each piece reaches the client before the next is asked for.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from fapws.contrib.start import Start, content_of, native

Headers = list[tuple[str, str]]
Application = Callable[..., Any]

MINIMUM = 500
"""Bytes; below, what gzip saves is less than what its frame and the time cost."""
LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS
_BLOCK_SIZE = 65536
_WORTH_IT = ("application/json", "application/javascript", "application/xml", "application/wasm")
_OPEN_START = ("add_header", "response_headers", "started", "status_code", "status_reasons", "write")
# They tell of the content as it was; of the compressed one nothing is known (RFC 9110 8.6, 14.3, RFC 9530).
_UNTRUE = frozenset(
    ("content-length", "accept-ranges", "content-md5", "digest", "content-digest", "repr-digest")
)


class Gzip:
    """Decorates a WSGI application, or what fapws4 takes as one. fapws3's ``fapws.contrib.zip.Gzip``.

    level: 1 (quick) to 9 (small). minimum: bytes of content below which it is left alone.
    """

    def __init__(self, level: int = LEVEL, minimum: int = MINIMUM) -> None:
        if not 1 <= level <= 9:
            raise ValueError(f"a level is 1 to 9, not {level}")
        self.level = level
        self.minimum = minimum

    def __call__(self, application: Application) -> Application:
        @functools.wraps(application, updated=())
        def compressed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            answer = _Answer(self, environ, start_response)
            return answer.finish(content_of(application(environ, Start(start_response, answer.start))))

        return compressed


def accepts_gzip(field: str) -> bool:
    """Whether an Accept-Encoding field prefers gzip to no coding (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for element in field.split(","):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        if name:
            weights["gzip" if name == "x-gzip" else name] = _weight(parameters)
    weight = weights.get("gzip", weights.get("*", 0.0))
    return weight > 0 and weight >= weights.get("identity", 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            whole, dot, part = value.strip().partition(".")
            known = whole in ("0", "1") and len(part) <= 3 and (part.isdecimal() or not part)
            # A malformed weight does not allow gzip.
            return min(float(whole + dot + (part or "0") if dot else whole), 1.0) if known else 0.0
    return 1.0


class _Answer:
    """One response: its head waits until it is known what becomes of the content."""

    def __init__(self, gzip: Gzip, environ: dict[str, Any], start: Any) -> None:
        self._gzip = gzip
        self._start = start
        self._accepted = accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
        self._head_only = environ.get("REQUEST_METHOD") == "HEAD"
        self._status = ""
        self._headers: Headers = []
        self._write: Callable[[Any], Any] | None = None
        self._packer: Any = None
        self._decided = False
        # The server's own for PATHS may be changed until there is content, and not only by calls.
        self._open = all(hasattr(start, name) for name in _OPEN_START)

    # ---- The head --------------------------------------------------------------------------------

    def start(self, status: str, headers: Any, exc_info: Any = None) -> Callable[[Any], Any]:
        """start_response for the application."""
        try:
            if self._open or self._write is not None:
                self._start(status, headers, exc_info)  # it raises what is due
            elif self._status and exc_info is None:
                raise AssertionError("start_response was called twice without exc_info")
            self._status, self._headers = status, list(headers)
            self._decided, self._packer = False, None
        finally:
            exc_info = None
        return self._write_piece

    def _decide(self, size: int | None, pack: bool = True) -> None:
        """Works out the head; size: of the content, if that is known beside Content-Length."""
        if self._decided:
            return
        self._decided = True
        if self._open:
            self._read_open_start()
        if not self._status:
            self._status, self._headers = "200 OK", [("Content-Type", "text/html")]
        fields = {name.lower(): value for name, value in self._headers}
        if size is None and fields.get("content-length", "").isdecimal():
            size = int(fields["content-length"])
        if not self._may_vary(self._status, fields):
            return
        headers = with_vary(self._headers)
        # A 304 must name the response that it confirms (RFC 9111 section 4.3.4).
        if self._accepted and self._status.startswith("304"):
            headers = [_weakened(*header) for header in headers]
        elif self._accepted and pack and (size is None or size >= self._gzip.minimum):
            headers = [_weakened(*header) for header in headers if header[0].lower() not in _UNTRUE]
            headers.append(("Content-Encoding", "gzip"))
            self._packer = zlib.compressobj(self._gzip.level, zlib.DEFLATED, _GZIP)
        self._headers = headers

    def _read_open_start(self) -> None:
        start = self._start
        self._status = f"{native(start.status_code)} {native(start.status_reasons)}"
        given = start.response_headers
        self._headers = list(given.pairs() if hasattr(given, "pairs") else given.items())
        if not start.started and not any(name.lower() == "content-type" for name, _ in self._headers):
            self._headers.insert(0, ("Content-Type", "text/html"))

    def _may_vary(self, status: str, fields: dict[str, str]) -> bool:
        if status[:3] == "304":
            return True
        if status[:3] in ("204", "206") or status[:1] == "1" or "content-range" in fields:
            return False
        if fields.get("content-encoding", "identity").lower() != "identity":
            return False
        if "no-transform" in fields.get("cache-control", "").lower():
            return False
        kind = fields.get("content-type", "").partition(";")[0].strip().lower()
        return kind.startswith("text/") or kind in _WORTH_IT or kind.endswith(("+json", "+xml"))

    def _out(self, text: bool = False) -> Callable[[Any], Any]:
        """Gives the head to the server, once; text: the content begins with a str."""
        if self._write is None:
            if text:
                self._headers = [_with_charset(*header) for header in self._headers]
            if self._open:
                self._start.response_headers = {}
                for name, value in self._headers:
                    self._start.add_header(name, value)
                self._write = self._start.write
                return self._write
            self._write = self._start(self._status, self._headers)
        return self._write

    # ---- The content -----------------------------------------------------------------------------

    def finish(self, result: Any) -> Any:
        """The application has returned; what the server gets in its place."""
        if result is None or isinstance(result, (str, bytes, bytearray, list, tuple)):
            return self._whole(result)
        if self._status:
            self._decide(None, self._may_pack())
            if self._packer is None and self._write is None:
                self._out()
                return result
        return _Packed(self, result)

    def _may_pack(self) -> bool:
        """HEAD: a response that does not tell its size may be one that GET would leave alone."""
        return not self._head_only or any(name.lower() == "content-length" for name, _ in self._headers)

    def _whole(self, result: Any) -> Any:
        pieces = result if isinstance(result, (list, tuple)) else [] if result is None else [result]
        text = any(isinstance(piece, str) for piece in pieces)
        content = b"".join(_encode(piece) for piece in pieces)
        written = self._write is not None
        told = bool(content) or not self._head_only
        self._decide(len(content) if told else None, bool(content) or self._may_pack())
        if self._packer is None:
            self._out(text)
            return result
        if written:
            return [self.pack(content) + self.end()]
        if not content and self._head_only:
            self._out()
            return iter(())  # and no list: its length would be told
        packed = self.pack(content) + self.end()
        self._headers.append(("Content-Length", str(len(packed))))
        self._out(text)
        return [packed]

    def first(self, piece: Any) -> None:
        """The first piece of an iterator has come (None: there is none): now the head can go."""
        self._decide(None, piece is not None and self._may_pack())
        self._out(isinstance(piece, str))

    def pack(self, piece: Any, flush: bool = False) -> Any:
        """A piece as it is sent; flush: so that the client can read all of it now."""
        if self._packer is None:
            return piece
        data = _encode(piece)
        if not data:
            return b""
        packed: bytes = self._packer.compress(data)
        return packed + self._packer.flush(zlib.Z_SYNC_FLUSH) if flush else packed

    def end(self) -> bytes:
        """What is left of the compressed content."""
        packer, self._packer = self._packer, None
        return b"" if packer is None else packer.flush()

    def _write_piece(self, piece: Any) -> None:
        self._decide(None)
        self._out(isinstance(piece, str))(_encode(self.pack(piece, flush=True)))


class _Packed:
    """A response in pieces, each compressed by itself so that none waits for the next."""

    def __init__(self, answer: _Answer, result: Any) -> None:
        self._answer = answer
        self._close = getattr(result, "close", None)
        self._file = hasattr(result, "read")
        try:
            self._pieces: Iterator[Any] = _blocks(result.read) if self._file else iter(result)
        except BaseException:
            self.close()
            raise
        self._begun = False
        self._ended = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        piece = next(self._pieces, None)
        if not self._begun:
            self._begun = True
            self._answer.first(piece)
        if piece is not None:
            return self._answer.pack(piece, flush=not self._file)
        self._ended = True
        rest = self._answer.end()
        if not rest:
            raise StopIteration
        return rest

    def close(self) -> None:
        """Called by the server, however the response ends (PEP 3333)."""
        close, self._close = self._close, None
        if close is not None:
            close()


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(_BLOCK_SIZE):
        yield block


def _encode(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"the content must be str or bytes, not {type(piece).__name__}: {str(piece)[:80]!r}")


def _with_charset(name: str, value: str) -> tuple[str, str]:
    lowered = value.lower()
    if name.lower() == "content-type" and lowered.startswith("text/") and "charset" not in lowered:
        value += "; charset=utf-8"
    return name, value


def _weakened(name: str, value: str) -> tuple[str, str]:
    """The compressed content differs in its bytes and not in its meaning (RFC 9110 section 8.8.1)."""
    return (name, "W/" + value) if name.lower() == "etag" and value[:2] != "W/" else (name, value)


def with_vary(headers: Headers, name: str = "Accept-Encoding") -> Headers:
    """Headers whose Vary names this field (RFC 9110 section 12.5.5)."""
    values = [value for field, value in headers if field.lower() == "vary"]
    named = {part.strip().lower() for value in values for part in value.split(",")}
    if "*" in named or name.lower() in named:
        return headers
    rest = [header for header in headers if header[0].lower() != "vary"]
    return [*rest, ("Vary", ", ".join([*values, name]))]
