"""fapws4's PATHS as a WSGI application: the first prefix that matches serves the request.

An object of PATHS is called with (environ, start_response) as in WSGI, and may do less: it need not
call start_response (200, text/html), and may return str, bytes, a list or tuple of them, a file,
any other iterable, or None.

Routing is fapws3's: list order, on the raw request target, without a boundary between segments.
``/env`` also serves ``/envZZZ``, with SCRIPT_NAME ``/env`` and PATH_INFO ``ZZZ``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fapws.wsgi.file_wrapper import FileWrapper, file_span

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Callable[[bytes], Any]]

DEFAULT_STATUS = "200 OK"
DEFAULT_TYPE = "text/html"
BLOCK_SIZE = 65536
"""Bytes read from a file object at once."""
_NOT_FOUND = b"<!DOCTYPE html><title>404 Not Found</title><h1>Not Found</h1>\n"
_TARGET_KEYS = ("REQUEST_URI", "RAW_URI", "fapws.uri")
_HEX = frozenset("0123456789abcdefABCDEF")


class Paths:
    """The WSGI application made of a list of (prefix, object) pairs.

    environ_class, start_class: a program's own classes in place of dict and ``fapws.base``'s; see
    there for what is called on them. strict: WSGI's routing instead of fapws3's; a prefix then ends
    at a ``/`` of the path, and PATH_INFO begins with one. Raises TypeError or ValueError, naming the
    entry, if the list is not one.
    """

    wants_heads = True
    """Tells the worker that Answer.raw_head() is wanted."""
    fallback: Callable[..., Any] | None = None
    """Serves what no prefix matches, with SCRIPT_NAME and PATH_INFO as they came."""

    def __init__(
        self, paths: Any, environ_class: Any = None, start_class: Any = None, strict: bool = False
    ) -> None:
        self._routes = _check(paths)
        self._environ_class = environ_class
        self._start_class = start_class
        self._strict = strict

    def add(self, prefix: str, served: Callable[..., Any]) -> None:
        """Adds a route behind those there are. Raises TypeError or ValueError."""
        check_entry((prefix, served), f"route {prefix!r}")
        self._routes.append((prefix, served))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        served = self._route(environ)
        if served is None:
            start_response("404 Not Found", [("Content-Type", "text/html; charset=utf-8")])
            return [_NOT_FOUND]
        return _answer(served, environ, _Head(start_response))

    def _route(self, environ: Environ) -> Callable[..., Any] | None:
        """Who serves the request; SCRIPT_NAME and PATH_INFO are set for him."""
        path = _raw_path(environ)
        for prefix, served in self._routes:
            if path.startswith(prefix):
                if self._strict:
                    prefix = prefix.rstrip("/")
                    if path[len(prefix) : len(prefix) + 1] not in ("", "/"):
                        continue
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                environ["PATH_INFO"] = _decode(path[len(prefix) :])
                return served
        return self.fallback


def _check(paths: Any) -> list[tuple[str, Callable[..., Any]]]:
    if not isinstance(paths, (list, tuple)):
        raise TypeError(
            f"PATHS must be a list of (prefix, callable) pairs, not {type(paths).__name__}"
        )
    for number, entry in enumerate(paths):
        check_entry(entry, f"PATHS[{number}] = {entry!r}")
    return [(prefix, served) for prefix, served in paths]


def check_entry(entry: Any, where: str) -> None:
    """Raises TypeError or ValueError, beginning with where, for what is no (prefix, callable) pair."""
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        raise TypeError(f"{where} is not a (prefix, callable) pair")
    prefix, served = entry
    if not isinstance(prefix, str):
        raise TypeError(f"{where}: the prefix must be a str, not {type(prefix).__name__}")
    if not prefix.startswith("/"):
        raise ValueError(f"{where}: the prefix must begin with /")
    if not callable(served):
        raise TypeError(f"{where}: {type(served).__name__} is not callable")


def _raw_path(environ: Environ) -> str:
    """The path of the request target as the client wrote it, behind SCRIPT_NAME.

    Where the server does not tell the target, or a front end has changed it, PATH_INFO is encoded
    again, so that both come in one notation and decoding gives PATH_INFO back.
    """
    path: str = environ.get("PATH_INFO", "")
    for key in _TARGET_KEYS:
        raw = str(environ.get(key, "")).partition("?")[0]
        if raw == path or (raw and _decode(raw) == path):
            return raw
    return path.replace("%", "%25")


def _decode(path: str) -> str:
    """Percent-decoding to latin-1 text, as PEP 3333 wants PATH_INFO; a % that is no code stays."""
    if "%" not in path:
        return path
    first, *rest = path.split("%")
    pieces = [first]
    for piece in rest:
        if len(piece) >= 2 and piece[0] in _HEX and piece[1] in _HEX:
            pieces.append(chr(int(piece[:2], 16)) + piece[2:])
        else:
            pieces.append("%" + piece)
    return "".join(pieces)


# ---- The answer ----------------------------------------------------------------------------------


class _Head:
    """The start_response an object gets: keeps the head until the first content is known.

    Only then is it clear whether a charset belongs into the Content-Type.
    """

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self._status = ""
        self._headers: Headers = []
        self._write: Callable[[bytes], Any] | None = None

    def __call__(self, status: str, headers: Any, exc_info: Any = None) -> Callable[[Any], None]:
        try:
            if self._write is not None:
                # The head is out: the server raises what exc_info holds, or that it was called
                # twice.
                self._start_response(status, headers, exc_info)
            elif self._status and exc_info is None:
                raise AssertionError("start_response was called twice without exc_info")
            self._status, self._headers = status, list(headers)
        finally:
            exc_info = None
        return self._write_piece

    def send(self, text: bool) -> Callable[[bytes], Any]:
        """Hands the head to the server, once; text: the content begins with a str, encoded as
        UTF-8."""
        if self._write is None:
            headers = list(self._headers) if self._status else [("Content-Type", DEFAULT_TYPE)]
            if text:
                headers = [_with_charset(name, value) for name, value in headers]
            self._write = self._start_response(self._status or DEFAULT_STATUS, headers)
        return self._write

    def _write_piece(self, piece: Any) -> None:
        self.send(isinstance(piece, str))(_encode(piece))


def _with_charset(name: str, value: str) -> tuple[str, str]:
    lowered = value.lower()
    if name.lower() == "content-type" and lowered.startswith("text/") and "charset" not in lowered:
        value += "; charset=utf-8"
    return name, value


def _encode(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(_bad_answer(piece))


def _bad_answer(what: Any) -> str:
    return f"an object of PATHS answers with str or bytes, not with {type(what).__name__}"


def _answer(served: Callable[..., Any], environ: Environ, head: _Head) -> Iterable[bytes]:
    result = served(environ, head)
    if result is None or isinstance(result, (str, bytes, bytearray)):
        head.send(isinstance(result, str))
        return [_encode(result)] if result else []
    if isinstance(result, (list, tuple)):
        head.send(any(isinstance(piece, str) for piece in result))
        # One piece, so that the server can tell the length.
        return [b"".join(_encode(piece) for piece in result)]
    if type(result) is FileWrapper and file_span(result.file) is not None:
        head.send(False)
        return result  # as it is: the server has the system send the file
    if not hasattr(result, "read") and not hasattr(result, "__iter__"):
        raise TypeError(_bad_answer(result))
    return _Stream(result, head)


class _Stream:
    """A file, generator or other iterable, encoded piece by piece; the first piece is fetched
    ahead."""

    def __init__(self, result: Any, head: _Head) -> None:
        self._close = getattr(result, "close", None)
        try:
            self._pieces: Iterator[Any] = (
                _blocks(result) if hasattr(result, "read") else iter(result)
            )
            self._ahead = next(self._pieces, None)
            head.send(isinstance(self._ahead, str))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self._ahead = self._ahead, None
        if piece is None:
            piece = next(self._pieces)
        return _encode(piece)

    def close(self) -> None:
        """Called by the server however the answer ends (PEP 3333)."""
        close, self._close = self._close, None
        if close is not None:
            close()


def _blocks(file: Any) -> Iterator[Any]:
    while block := file.read(BLOCK_SIZE):
        yield block
