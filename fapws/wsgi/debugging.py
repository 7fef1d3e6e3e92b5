"""debug = 2 and 3: each request and its response in the error log. Nobody else imports this.

From 2 on a line when the application gets a request and one when it has responded; with 3 also the fields of
both and the beginning of their contents, which may be passwords.
"""

from __future__ import annotations

import time

from fapws._core import lib
from fapws.lean import Any, Callable, Iterator
from fapws.visible import visible_line
from fapws.wsgi.environ import Environ
from fapws.wsgi.file_wrapper import FileWrapper

CONTENT_MAX = 1024
"""Bytes of a content that are shown."""

Log = Callable[[str], None]


class Debugging:
    """Around an application. Goes outermost, next to the server, of which it knows the response."""

    def __init__(self, application: Callable[..., Any], log: Log, level: int) -> None:
        self._application = application
        self._log = log
        self._shows = level >= lib.FW_DEBUG_CONTENT

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        response: Any = start_response.__self__  # type: ignore[attr-defined]  # the server's own
        client = f"{environ.get('REMOTE_ADDR') or 'unix'}:{environ.get('REMOTE_PORT')}"
        what = visible_line(f"{environ.get('REQUEST_METHOD')} {environ.get('RAW_URI')} from {client}")
        if response.server.named:
            what += f" (request {response.request_name()})"
        lines = [f"debug: request {what}"]
        if self._shows:
            lines += [*_fields_of(environ), *_content_of(environ["wsgi.input"])]
        self._log("\n".join(lines))
        began = time.monotonic()

        def tell(content: Any, end: str = "") -> None:
            status = f"status {response.status}" if response.status is not None else "no status yet"
            told = [f"debug: response to {what}: {visible_line(status)}{end} after {_ms(began)} ms"]
            if self._shows:
                told += _pairs(response.headers or ())
                told += _first_of(b"".join(piece for piece in content if type(piece) is bytes))
            self._log("\n".join(told))

        try:
            result = self._application(environ, start_response)
        except BaseException as error:
            tell((), f", {type(error).__name__}")
            raise
        if isinstance(result, (list, tuple)):
            tell(result)
        elif response.status is None and type(result) is not FileWrapper:
            return _Told(result, tell)  # a generator, which has not begun
        else:
            tell((), ", content to come")
        return result


class _Told:
    """An iterable whose application calls start_response with the first piece."""

    def __init__(self, result: Any, tell: Callable[[Any, str], None]) -> None:
        self._result = result
        self._pieces: Iterator[Any] = iter(())
        self._tell: Callable[[Any, str], None] | None = tell

    def __iter__(self) -> Iterator[Any]:
        self._pieces = iter(self._result)
        return self

    def __next__(self) -> Any:
        try:
            piece = next(self._pieces)
        except BaseException as error:
            what = "no content" if isinstance(error, StopIteration) else type(error).__name__
            self._tell_once((), f", {what}")
            raise
        self._tell_once((piece,), ", first piece")
        return piece

    def _tell_once(self, content: Any, end: str) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(content, end)

    def close(self) -> None:
        """The application's."""
        close = getattr(self._result, "close", None)
        if close is not None:
            close()


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _fields_of(environ: Environ) -> list[str]:
    names = [name for name in environ if name.startswith(("HTTP_", "CONTENT_"))]
    return _pairs([(name, environ[name]) for name in names])


def _pairs(pairs: Any) -> list[str]:
    """Whatever an application has put there."""
    try:
        return [visible_line(f"  {name}: {value}") for name, value in pairs]
    except (TypeError, ValueError):
        return [visible_line(f"  {pairs!r}")]


def _content_of(source: Any) -> list[str]:
    """The beginning of wsgi.input, which stays where it is; nothing of content that is still to come."""
    if not source.seekable():
        return []
    at = source.tell()
    content = source.read(CONTENT_MAX + 1)
    source.seek(at)
    return _first_of(content)


def _first_of(content: bytes) -> list[str]:
    if not content:
        return []
    shown = visible_line(content[:CONTENT_MAX].decode("utf-8", "backslashreplace"))
    return [f"  | {shown}{' ...' if len(content) > CONTENT_MAX else ''}"]
