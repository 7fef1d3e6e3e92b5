"""What only some pools need, kept out of the way of the others: wrapped around their application."""

from __future__ import annotations

from fapws import percent
from fapws.lean import Any, Callable, Iterable
from fapws.wsgi.environ import Environ, name_unix_server
from fapws.wsgi.response import Response


class UnixServerName:
    """For pools with a unix socket: its requests' SERVER_NAME is the host the client asked for."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        if not environ["REMOTE_ADDR"]:
            name_unix_server(environ)
        return self._application(environ, start_response)


class EarlyHints:
    """For pools with early_hints: offers wsgi.early_hints. Goes outermost, next to the server."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        response: Response = start_response.__self__  # type: ignore[attr-defined]  # the server's own
        environ["wsgi.early_hints"] = response.early_hints
        return self._application(environ, start_response)


class Mounted:
    """For pools with a script_name: the prefix goes to SCRIPT_NAME, requests beside it get 404."""

    def __init__(self, application: Callable[..., Any], script_name: str) -> None:
        self._application = application
        self._prefix = percent.decode(script_name.rstrip("/"))

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, prefix = environ["PATH_INFO"], self._prefix
        if path != prefix and not path.startswith(prefix + "/"):
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"Not Found\n"]
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = path[len(prefix) :]
        result: Iterable[bytes] = self._application(environ, start_response)
        return result
