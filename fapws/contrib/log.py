"""A line for each request of one function, in the "combined" format, without the server's access log.

    from fapws.contrib import log

    @log.Log()
    def hello(environ, start_response):
        return "Hello world!!"

    PATHS = [("/", hello)]

The server's own access log costs less and knows all requests; this one is for a single function and
for servers that have none.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from fapws.contrib.start import Start, content_of, native

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BLOCK_SIZE = 65536

Application = Callable[..., Any]


class Log:
    """Decorates a WSGI application, or what fapws4 takes as one. fapws3's ``fapws.contrib.log.Log``.

    output: where the lines go, anything with write(str); standard output if it is not given. A line is
    written when the response is over. An output that fails costs the line and nothing else.
    """

    def __init__(self, output: Any = None) -> None:
        self.output = output

    def __call__(self, application: Application) -> Application:
        @functools.wraps(application, updated=())
        def logged(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            return self._answer(application, environ, start_response)

        return logged

    def _answer(self, application: Application, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        record = _Record(self, environ, start)
        try:
            result = content_of(application(environ, Start(start, record.start_response)))
        except BaseException:
            record.failed()
            raise
        if result is None or isinstance(result, (str, bytes, bytearray, list, tuple)):
            record.sent += _size(result)
            record.end()
            return result
        if _is_wrapped_file(environ, result):
            # Left as it is, so that the server can have the system send it.
            record.sent += record.declared
            record.end()
            return result
        return _Counted(record, result)

    def write(self, line: str) -> None:
        """One line, without its end."""
        output = sys.stdout if self.output is None else self.output
        try:
            output.write(line + "\n")
            flush = getattr(output, "flush", None)
            if flush is not None:
                flush()
        except (OSError, ValueError):  # a full disk or a closed file is no reason to fail a request
            pass


class _Record:
    """What is known about one request and its response."""

    def __init__(self, log: Log, environ: dict[str, Any], start: Callable[..., Any]) -> None:
        self._log = log
        self._start = start
        # Kept now: an application may change the environ.
        self._client = _safe(environ.get("REMOTE_ADDR")) or "-"
        self._user = _safe(environ.get("REMOTE_USER")).replace(" ", "\\x20") or "-"
        method, protocol = environ.get("REQUEST_METHOD"), environ.get("SERVER_PROTOCOL")
        self._request = f"{_safe(method)} {_safe(_target(environ))} {_safe(protocol)}"
        self._referer = _safe(environ.get("HTTP_REFERER")) or "-"
        self._agent = _safe(environ.get("HTTP_USER_AGENT")) or "-"
        self._code = "200"  # the status of a PATHS function that does not call start_response
        self._head_only = method == "HEAD"
        self.declared = 0
        self.sent = 0

    def start_response(self, status: str, headers: Any, *exc_info: Any) -> Callable[[Any], Any]:
        """Notes the status on its way to the server."""
        write = self._start(status, headers, *exc_info)
        self._code = native(status)[:3]
        lengths = [native(value) for name, value in headers if native(name).lower() == "content-length"]
        self.declared = int(lengths[0]) if lengths and str(lengths[0]).isdecimal() else 0

        def counted(data: Any) -> Any:
            self.sent += _size(data)
            return write(data)

        return counted

    def failed(self) -> None:
        """The application raised: notes 500, which the server sends if no head is out."""
        self.end("500")

    def end(self, code: str = "") -> None:
        """Writes the line."""
        # fapws3's programs may set the status without a call.
        code = code or str(native(getattr(self._start, "status_code", self._code)))
        sent = 0 if self._head_only or code in ("204", "304") else self.sent
        self._log.write(
            f'{self._client} - {self._user} [{_now()}] "{self._request}" {_safe(code)} {sent or "-"}'
            f' "{self._referer}" "{self._agent}"'
        )


class _Counted:
    """A response in pieces; the line is written when it is closed."""

    def __init__(self, record: _Record, result: Any) -> None:
        self._record: _Record | None = record
        self._close = getattr(result, "close", None)
        read = getattr(result, "read", None)
        try:
            self._pieces: Iterator[Any] = iter(result) if read is None else _blocks(read)
        except BaseException:
            record.failed()
            if self._close is not None:
                self._close()
            raise

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self._pieces)
        if self._record is not None:
            self._record.sent += _size(piece)
        return piece

    def close(self) -> None:
        """Called by the server, however the response ends (PEP 3333)."""
        record, self._record = self._record, None
        try:
            if self._close is not None and record is not None:
                self._close()
        finally:
            if record is not None:
                record.end()


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(_BLOCK_SIZE):
        yield block


def _is_wrapped_file(environ: dict[str, Any], result: Any) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(result, wrapper)


def _size(content: Any) -> int:
    """Bytes on the wire."""
    if content is None:
        return 0
    if isinstance(content, str):
        return len(content.encode("utf-8", "replace"))
    if isinstance(content, (list, tuple)):
        return sum(map(_size, content))
    return len(content)


def _target(environ: dict[str, Any]) -> str:
    """The request target as the client wrote it, or as it would have."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ.get("fapws.uri")
    if raw:
        return str(raw)
    path = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
    path = quote(path, safe="/:@!$&'()*+,;=~", encoding="latin-1", errors="replace")
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _safe(value: Any) -> str:
    """Text that can neither end a line nor a quoted field of it: other bytes are shown in hexadecimal."""
    text = "" if value is None else str(value)
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        character if " " <= character <= "~" and character not in '"\\' else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in _octets(character))


def _octets(character: str) -> bytes:
    # A native string of WSGI holds bytes (PEP 3333); other text is shown as UTF-8.
    return character.encode("latin-1") if character <= "\xff" else character.encode("utf-8", "replace")


def _now() -> str:
    now = time.gmtime()
    return (
        f"{now.tm_mday:02d}/{_MONTHS[now.tm_mon - 1]}/{now.tm_year}:"
        f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d} +0000"
    )
