"""The error log as the server uses it: whatever an application has done to sys.stderr, to the exception that
is to be told or to the modules that would tell it, a line is written and nothing is raised.

The way of choice is the standard error that was there before the application; then descriptor 2 itself, as
long as it is the same file as then.
"""

from __future__ import annotations

import sys

from fapws import tracebacks
from fapws.lean import Any, Callable
from fapws.outlet import identity, write_now
from fapws.visible import visible

Request = tuple[Any, ...]
"""Method and target, as the environ has them; behind them its name, where requests have one."""
_stream: Any = None
_raw: Callable[[bytes], None] | None = None


def keep_stream(stream: Any, raw: Callable[[bytes], None]) -> None:
    """Before the application is loaded: this is where the server's own lines go; to ``raw`` where the stream
    is of no use any more."""
    global _stream, _raw
    _stream, _raw = stream, raw


class ErrorLog:
    """One for each server."""

    def __init__(self) -> None:
        self._stream = sys.stderr if _stream is None else _stream
        self._file = identity(2)

    def write(self, text: str) -> None:
        """An entry of one or several lines. Never raises."""
        text = visible(f"fapws: {text}".rstrip("\n")) + "\n"
        try:
            self._stream.write(text)
            self._stream.flush()
        except BaseException:  # the application's: it may be anything
            self._write_raw(text)

    def write_exception(self, sentence: str, error: BaseException) -> None:
        """A sentence and a traceback. Never raises."""
        self.write(f"{sentence}\n{traceback_of(error)}")

    def _write_raw(self, text: str) -> None:
        octets = text.encode("utf-8", "backslashreplace")
        try:
            if _raw is not None:
                _raw(octets)
            elif self._file is not None and identity(2) == self._file:
                write_now(2, octets)
        except BaseException:
            return  # an exception of a signal handler of the application's


def line_of(error: BaseException) -> str:
    """Class and text of an exception in one line. Never raises."""
    kind = _kind(error)
    try:
        return f"{kind}: {error}".replace("\n", " ")
    except BaseException:  # its own __str__ failed
        return kind


def traceback_of(error: BaseException) -> str:
    """An exception as Python shows it, or what can be told of one that raises when it is looked at."""
    try:
        return _usual_traceback(error)
    except BaseException:
        return _plain_traceback(error)


def _usual_traceback(error: BaseException) -> str:
    try:
        return tracebacks.text_of(error).rstrip("\n")
    except (ImportError, OSError):
        return repr(error)


def _plain_traceback(error: BaseException) -> str:
    """Of which only what its class cannot override is looked at."""
    link = BaseException.__dict__["__traceback__"].__get__(error)
    places = []
    while link is not None:
        code = link.tb_frame.f_code
        places.append(f'  File "{code.co_filename}", line {link.tb_lineno}, in {code.co_name}\n')
        link = link.tb_next
    return f"{''.join(places)}{_kind(error)}: (it cannot be shown)"


def _kind(error: BaseException) -> str:
    """The name of its class, which a metaclass cannot hide."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name


def request_of(environ: dict[str, Any]) -> Request:
    """What the log calls a request."""
    return environ.get("REQUEST_METHOD"), environ.get("RAW_URI")


def named_request_of(environ: dict[str, Any]) -> Request:
    """The same, where requests have names (request_id)."""
    return (*request_of(environ), environ.get("fapws.request_id"))


def name_of(request: Request) -> str:
    """Its name; empty: it has none, or the application has made something else of it."""
    name = request[2] if len(request) > 2 else ""
    return name if type(name) is str and name.isascii() and name.isprintable() else ""


def where(request: Request) -> str:
    """For a sentence in the log; empty if the application has made something else of them."""
    method, target = request[:2]
    name = name_of(request)
    told = f" at {method} {target}" if type(method) is str and type(target) is str else ""
    return f"{told} (request {name})" if name else told
