"""request_id: each request has a name, which the application, both logs and the client see.

A trusted proxy's X-Request-ID is kept, if it is a token of at most 128 bytes; any other is replaced by one
made here. Pools without the option do not import this.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

from fapws.lean import Any, Callable, Iterable
from fapws.settings.model import Network
from fapws.settings.networks import contains
from fapws.wsgi.environ import NAMELESS, Environ

ID_MAX = 128
"""Bytes."""
KEY = "fapws.request_id"
_FIELD = "X-Request-ID"
_ENVIRON_FIELD = "HTTP_X_REQUEST_ID"
_RANDOM_BYTES = 16
_PEERS_KEPT = 1024
"""Addresses whose trust is remembered; some hundred bytes each."""
_TOKEN = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{ID_MAX}}}")


class RequestIds:
    """Names requests. Goes outermost: it looks at the connection's own peer, and start_response must be the
    server's own."""

    def __init__(self, application: Callable[..., Any], networks: tuple[Network, ...], logged: bool) -> None:
        """networks: the trusted proxies; logged: whether the access log is to know it too."""
        self._application = application
        self._logged = logged
        self._trusts = lru_cache(_PEERS_KEPT)(lambda peer: contains(networks, peer)) if networks else None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        name = environ[KEY] = environ[_ENVIRON_FIELD] = (
            self._given(environ) or os.urandom(_RANDOM_BYTES).hex()
        )
        environ["wsgi.errors"] = NamedErrors(environ["wsgi.errors"], name)
        if self._logged:
            start_response.__self__.name_request(name)  # type: ignore[attr-defined]
        return self._application(environ, start_response)

    def _given(self, environ: Environ) -> str:
        """By a trusted proxy; empty: none was."""
        given: str = environ.get(_ENVIRON_FIELD, "")
        if not given or self._trusts is None or NAMELESS in environ:
            return ""
        trusted = self._trusts(environ["REMOTE_ADDR"]) and _TOKEN.fullmatch(given)
        return given if trusted else ""


class Answering:
    """Puts the name into the response. Goes innermost: others ask the server's own start_response."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        field = (_FIELD, environ[KEY])

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
