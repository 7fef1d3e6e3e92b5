"""request_id: each request has a name, which the application, both logs and the client see.

The core names them, because it answers some itself: csrc/conn/request_names.c has the rule for X-Request-ID.
Pools without the option do not import this.
"""

from __future__ import annotations

from fapws.lean import Any, Callable, Iterable
from fapws.wsgi.environ import Environ

KEY = "fapws.request_id"
FIELD = "X-Request-ID"
_ENVIRON_FIELD = "HTTP_X_REQUEST_ID"


class RequestIds:
    """Tells the application their names. Goes outermost: start_response must be the server's own."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        response: Any = start_response.__self__  # type: ignore[attr-defined]
        name = environ[KEY] = environ[_ENVIRON_FIELD] = response.request_name()
        environ["wsgi.errors"] = NamedErrors(environ["wsgi.errors"], name)
        return self._application(environ, start_response)


class Answering:
    """Puts the name into the response. Goes innermost: others ask the server's own start_response."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        field = (FIELD, environ[KEY])

        def start_named(status: Any, headers: Any, *exc_info: Any) -> Any:
            return start_response(status, _with(headers, field), *exc_info)

        return self._application(environ, start_named)


def _with(headers: Any, field: tuple[str, str]) -> Any:
    """What is no list of pairs is left to the server, which says what is wrong with it."""
    if type(headers) is not list:
        return headers
    try:
        others = [pair for pair in headers if pair[0].lower() != "x-request-id"]
    except (TypeError, IndexError, AttributeError):
        return headers
    return [*others, field]


class NamedErrors:
    """``wsgi.errors`` of one request: each line begins with its name."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._start = f"[{name}] "
        self._in_line = False

    def write(self, text: str) -> None:
        """PEP 3333, "Input and Error Streams"."""
        if not text:
            return
        lines = text.split("\n")
        last = lines.pop()
        first = "" if self._in_line else self._start
        self._in_line = bool(last)
        named = first + f"\n{self._start}".join([*lines, last])
        self._stream.write(named if last else named[: -len(self._start)])

    def writelines(self, lines: Iterable[str]) -> None:
        """The same for several."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Of the stream."""
        self._stream.flush()

    def __getattr__(self, attribute: str) -> Any:
        """What else a stream has, such as ``encoding`` and ``isatty``."""
        return getattr(self._stream, attribute)
