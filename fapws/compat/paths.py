"""fapws4's PATHS and fapws3's routes as a WSGI application: the first prefix that matches serves.

An object of PATHS is called with (environ, start_response) as in WSGI, and may do less: it need not
call start_response (200, text/html), and may return str, bytes, a list or tuple of them, a file,
any other iterable, or None. What it finds in environ beyond WSGI: see fapws.compat.extras.

Routing is fapws3's: list order, on the raw request target, without a boundary between segments.
``/env`` also serves ``/envZZZ``, with SCRIPT_NAME ``/env`` and PATH_INFO ``ZZZ``. Below a prefix that ends
with a slash, PATH_INFO begins without one, but for the applications of others (fapws.compat.foreign).
"""

from __future__ import annotations

import sys

from fapws import base as fapws_base
from fapws import percent, tracebacks
from fapws.base import Start_response
from fapws.compat.extras import add_extras, fill, read_form
from fapws.compat.fields import native
from fapws.compat.responses import as_iterable
from fapws.lean import TYPE_CHECKING, Any, Callable, Iterable
from fapws.visible import visible, visible_line

if TYPE_CHECKING:
    from fapws.compat.foreign import Program

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], Any]]

_NOT_FOUND = b"<!DOCTYPE html><title>404 Not Found</title><h1>Not Found</h1>\n"
_NOT_IMPLEMENTED = b"<!DOCTYPE html><title>501 Not Implemented</title><h1>Not Implemented</h1>\n"
_HTML = "text/html; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_TARGET_KEYS = ("REQUEST_URI", "RAW_URI", "fapws.uri")
_CONFIG = Start_response.config
NO_PATHS = "PATHS is empty: every request would be answered by 404"


class Paths:
    """The WSGI application made of a list of (prefix, object) pairs.

    environ_class, start_class: a program's own classes in place of dict and ``fapws.base``'s. strict:
    WSGI's routing instead of fapws3's; a prefix then ends at a ``/`` of the path, and PATH_INFO begins
    with one. base: a module with supported_HTTP_command and config, if not ``fapws.base``. program: whose
    routes these are; None: whoever wrote an object, it gets PATH_INFO by the rule. Raises TypeError or
    ValueError, naming the entry, if the list is not one.
    """

    wants_heads = True
    """Tells the worker that Response.raw_head() is wanted."""
    fallback: Callable[..., Any] | None = None
    """Serves what no prefix matches, with SCRIPT_NAME and PATH_INFO as they came."""

    def __init__(
        self,
        paths: Any,
        environ_class: Any = None,
        start_class: Any = None,
        strict: bool = False,
        base: Any = fapws_base,
        program: Program | None = None,
    ) -> None:
        self._environ_class = environ_class if environ_class and fapws_base.watches(environ_class) else None
        self._start_class = start_class or Start_response
        self._base = base
        self._strict = False
        self.settle(strict)
        self._routes = [(prefix, self._slashed(prefix, served, program)) for prefix, served in _check(paths)]

    @property
    def wants_access_log(self) -> bool:
        """Whether the program's config asks for a line for each response."""
        return bool(getattr(self._base.config, "access_log", False))

    @property
    def routes(self) -> tuple[tuple[str, Callable[..., Any]], ...]:
        """Prefixes and what serves them, in their order."""
        return tuple(self._routes)

    @property
    def plain(self) -> bool:
        """Whether nothing of the program stands between a client and what serves a route."""
        names = [*map(native, self._base.supported_HTTP_command)]
        own = self._environ_class is None and self._start_class is Start_response
        return own and self._base.config is _CONFIG and {"GET", "HEAD"} <= set(names)

    def settle(self, strict: bool) -> None:
        """The rule of routing: WSGI's if the operator wants it (strict), or the program's config."""
        self._strict = strict or getattr(self._base.config, "strict_paths", None) is True

    def add(self, prefix: str | bytes, served: Callable[..., Any], program: Program | None = None) -> None:
        """Adds a route behind those there are. Raises TypeError or ValueError."""
        # fapws3's programs name an empty prefix when they serve everything.
        prefix = check_entry((prefix or "/", served), f"route {prefix!r}")[0] if prefix else ""
        self._routes.append((prefix, self._slashed(prefix, served, program)))

    def _slashed(
        self, prefix: str, served: Callable[..., Any], program: Program | None
    ) -> Callable[..., Any]:
        """What serves a route: the object, or what gives it WSGI's PATH_INFO if others wrote it."""
        if program is None or not prefix.endswith("/"):
            return served
        from fapws.compat.foreign import Slashed, is_foreign

        return Slashed(served, self._base.config) if is_foreign(served, program) else served

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ.get("REQUEST_METHOD", "GET")
        supported = self._base.supported_HTTP_command
        if method not in supported and method.encode("latin-1") not in supported:
            return self._refuse(start_response, "501 Not Implemented", _HTML, _NOT_IMPLEMENTED)
        served = self._route(environ)
        if method == "OPTIONS" and (served is None or environ.get("REQUEST_URI") == "*"):
            return self._tell_methods(start_response)
        if served is None:
            return self._refuse(start_response, "404 Not Found", _HTML, _NOT_FOUND)
        start = None
        try:
            add_extras(environ, start_response)
            if method == "POST" or self._environ_class is not None:
                environ = self._extend(environ)
            config = self._base.config
            if self._start_class is Start_response and config is _CONFIG:
                given = start = Start_response()
            else:
                given = self._start_class()
                start = given if isinstance(given, Start_response) else Start_response()
                start.config = config
            start.server_start = start_response
            result = served(environ, given)
            if start is not given:
                _take_over(start, given)
            return as_iterable(result, start)
        except Exception as error:
            if start is not None and start.sent:
                raise  # the server cuts the response off, and logs why
            return self._fail(error, environ, start_response)

    # ---- Before ----------------------------------------------------------------------------------

    def _route(self, environ: Environ) -> Callable[..., Any] | None:
        """The function that serves the request; SCRIPT_NAME and PATH_INFO are set for it."""
        try:
            path = environ["PATH_INFO"]
            if path != environ["REQUEST_URI"]:  # a query, or something encoded
                path = _raw_path(environ)
        except KeyError:  # another server
            path = _raw_path(environ)
        for prefix, served in self._routes:
            if path.startswith(prefix):
                if self._strict:
                    prefix = prefix.rstrip("/")
                    if path[len(prefix) : len(prefix) + 1] not in ("", "/"):
                        continue
                mounted = environ.get("SCRIPT_NAME")
                environ["SCRIPT_NAME"] = mounted + prefix if mounted else prefix
                rest = path[len(prefix) :]
                environ["PATH_INFO"] = percent.decode(rest) if "%" in rest else rest
                return served
        return self.fallback

    def _extend(self, environ: Environ) -> Environ:
        """The environ the program gets: with its form; an instance of its own class if it has one."""
        form = read_form(environ)
        if self._environ_class is not None:
            own: Environ = self._environ_class()
            fill(own, environ, form)
            return own
        if form is not None:
            environ["fapws.params"] = form
        return environ

    # ---- Without the program -----------------------------------------------------------------------

    def _tell_methods(self, start_response: StartResponse) -> Iterable[bytes]:
        """OPTIONS of the whole server (RFC 9110 9.3.7), or of a path that no route serves."""
        allowed = ", ".join(map(native, self._base.supported_HTTP_command))
        start_response("200 OK", fapws_base.with_ident([("Allow", allowed)], self._base.config))
        return []

    def _refuse(
        self, start_response: StartResponse, status: str, kind: str, content: bytes, *exc_info: Any
    ) -> Iterable[bytes]:
        start_response(status, fapws_base.with_ident([("Content-Type", kind)], self._base.config), *exc_info)
        return [content]

    def _fail(self, error: Exception, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """500, with what the program's config wants the client to read; the traceback is logged."""
        try:
            text = tracebacks.text_of(error)
        except (ImportError, OSError):
            text = repr(error)
        shown = visible(text.rstrip())
        where = visible_line(f"{environ.get('REQUEST_METHOD')} {environ.get('fapws.uri')}")
        try:
            print(f"fapws: the application failed at {where}\n{shown}", file=sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # a log that cannot be written never stops a response
        settings = self._base.config
        kind, content = _HTML, str(getattr(settings, "send_traceback_short", ""))
        if getattr(settings, "send_traceback_to_browser", False):
            kind, content = _PLAIN, text
        encoded = content.encode("utf-8", "replace")
        exc_info = type(error), error, error.__traceback__
        return self._refuse(start_response, "500 Internal Server Error", kind, encoded, exc_info)


def _take_over(start: Start_response, given: Any) -> None:
    """From an object that is not of our class: what fapws3's server looked at."""
    start.started = True
    for name in ("status_code", "status_reasons", "response_headers", "cookies"):
        if hasattr(given, name):
            setattr(start, name, getattr(given, name))


def of_program(namespace: dict[str, Any], strict: bool) -> Paths:
    """A fapws4 script's PATHS, with the Environ and Start_response that it defines. Raises as Paths does,
    and ValueError if there is nothing in it."""
    from fapws.compat.foreign import program_of

    if namespace.get("PATHS") in ([], ()):
        raise ValueError(NO_PATHS)
    return Paths(
        namespace.get("PATHS"),
        _own_class(namespace.get("Environ"), fapws_base.Environ),
        _own_class(namespace.get("Start_response"), Start_response),
        strict,
        program=program_of(namespace),
    )


def _own_class(given: Any, ours: type) -> Any:
    """None for anything else of this name, and for ours, which scripts import by habit."""
    return given if isinstance(given, type) and issubclass(given, ours) and given is not ours else None


def _check(paths: Any) -> list[tuple[str, Callable[..., Any]]]:
    if not isinstance(paths, (list, tuple)):
        raise TypeError(f"PATHS must be a list of (prefix, callable) pairs, not {type(paths).__name__}")
    return [check_entry(entry, f"PATHS[{number}] = {entry!r}") for number, entry in enumerate(paths)]


def check_entry(entry: Any, where: str) -> tuple[str, Callable[..., Any]]:
    """The (prefix, callable) pair, its prefix as a str. Raises TypeError or ValueError, beginning with
    where, for what is none."""
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        raise TypeError(f"{where} is not a (prefix, callable) pair")
    prefix, served = native(entry[0]), entry[1]
    if not isinstance(prefix, str):
        raise TypeError(f"{where}: the prefix must be a str, not {type(prefix).__name__}")
    if not prefix.startswith("/"):
        raise ValueError(f"{where}: the prefix must begin with /")
    if not callable(served):
        raise TypeError(f"{where}: {type(served).__name__} is not callable")
    return prefix, served


def _raw_path(environ: Environ) -> str:
    """The path of the request target as the client wrote it, behind SCRIPT_NAME.

    Where the server does not tell the target, or a front end has changed it, PATH_INFO is encoded
    again, so that both come in one notation and decoding gives PATH_INFO back.
    """
    path: str = environ.get("PATH_INFO", "")
    for key in _TARGET_KEYS:
        raw = str(environ.get(key, "")).partition("?")[0]
        if raw == path or (raw and percent.decode(raw) == path):
            return raw
    return path.replace("%", "%25")
