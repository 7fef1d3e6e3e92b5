"""``fapws --reload`` shows in the browser why a request, or the reload before it, has failed. Nobody else
imports this.

It is shown to this machine alone: both ends of the connection are loopback addresses, no proxy between them
passes on what others ask, and the client names this machine (a page of the web that has led a name of its own
here would read it otherwise). The page is text in HTML: no script, no form, nothing that runs or asks.
"""

from __future__ import annotations

import _socket
import os
import sys

from fapws import tracebacks
from fapws._core import lib
from fapws.lean import TYPE_CHECKING, Any, Callable, NamedTuple, TracebackType
from fapws.visible import visible
from fapws.wsgi import errors

if TYPE_CHECKING:
    from fapws.wsgi.serve import Server

_AROUND = 5
"""Lines of source before and behind the one that was run."""
_FRAMES_MAX = 60
_LINKS_MAX = 10
"""Exceptions that led to each other."""
_LINE_MAX = 300
_TEXT_MAX = 100_000
_RELAYED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
"""What a proxy adds; only one on this machine comes from a loopback address."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'"
HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
HTML, PLAIN = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; margin: 0; background: #fff; color: #222 }
header { background: #7a1f1f; color: #fff; padding: 1em 1.5em }
h1 { font-size: 1.35em; margin: 0; overflow-wrap: anywhere }
header p { margin: .4em 0 0; overflow-wrap: anywhere }
main { padding: 0 1.5em 2em }
h2 { font-size: 1.1em; margin: 1.5em 0 .5em; overflow-wrap: anywhere }
h3 { font-size: 1em; font-weight: normal; margin: 1em 0 .3em; overflow-wrap: anywhere }
pre { background: #f4f4f2; padding: .6em; overflow-x: auto; font-size: .9em; line-height: 1.4 }
mark { background: #ffd9a0; color: inherit; font-weight: bold }
.far { color: #666 }
footer { padding: 0 1.5em 1.5em; color: #555 }
@media (prefers-color-scheme: dark) {
  body { background: #1b1b1b; color: #ddd } pre { background: #262626 }
  mark { background: #6b4a12 } .far, footer { color: #aaa }
}
"""


class Page(NamedTuple):
    """What is sent."""

    media_type: str
    content: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Of the response, without its length."""
        return [("Content-Type", self.media_type), *HEADERS]


# ---- Who may see it --------------------------------------------------------------------------------


def may_see(descriptor: int, environ: dict[str, Any]) -> bool:
    """Whether the client of a connection is on this machine, as far as can be known."""
    if any(name in environ for name in _RELAYED) or not _names_this_machine(environ.get("HTTP_HOST")):
        return False
    try:
        with _socket_of(descriptor) as connection:
            return _is_loopback(connection.getsockname()) and _is_loopback(connection.getpeername())
    except OSError:
        return False


class _socket_of:
    """The connection as a socket of Python's, whose end is not the connection's."""

    def __init__(self, descriptor: int) -> None:
        self._socket = _socket.socket(fileno=os.dup(descriptor))

    def __enter__(self) -> _socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _is_loopback(address: Any) -> bool:
    """Of an address as getsockname() gives it; a unix socket has none, and a proxy stands behind it."""
    if not isinstance(address, tuple):
        return False
    host = str(address[0]).partition("%")[0].lower()
    host = host.removeprefix("::ffff:") if "." in host else host
    return host == "::1" or host.startswith("127.")


def _names_this_machine(host: Any) -> bool:
    if not isinstance(host, str):
        return False
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name in ("localhost", "::1") or name.endswith(".localhost"):
        return True
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)


# ---- What is seen ----------------------------------------------------------------------------------


def explain(error: BaseException, environ: dict[str, Any], descriptor: int) -> Page | None:
    """The page on an application's exception; None: it is not to be shown to this client. Never raises."""
    try:
        if not may_see(descriptor, environ):
            return None
        method, target = errors.request_of(environ)
        request = f"{method} {target}"
        if not _wants_html(environ):
            return Page(PLAIN, f"{request}\n\n{errors.traceback_of(error)}\n".encode("utf-8", "replace"))
        whole = f"<h2>As Python shows it</h2><pre>{_escaped(errors.traceback_of(error)[-_TEXT_MAX:])}</pre>"
        sections = "".join(_link(link, told) for link, told in _chain(error)) + whole
        return _page(errors.line_of(error), f"while the application was asked for {request}", sections)
    except BaseException:  # of the application's objects: the log has what can be told
        return None


def explain_reload(reason: str, environ: dict[str, Any], descriptor: int) -> Page | None:
    """The page on a reload that has failed. Never raises."""
    try:
        if not may_see(descriptor, environ):
            return None
        if not _wants_html(environ):
            return Page(PLAIN, f"the program does not load\n\n{visible(reason)}\n".encode("utf-8", "replace"))
        last = reason.strip().rpartition("\n")[2]
        told = "The program does not load. It is tried again when a file is saved."
        return _page(last, told, f"<h2>Traceback</h2><pre>{_escaped(reason[-_TEXT_MAX:])}</pre>")
    except BaseException:
        return None


def _wants_html(environ: dict[str, Any]) -> bool:
    return "text/html" in str(environ.get("HTTP_ACCEPT", ""))


def _page(title: str, told: str, sections: str) -> Page:
    text = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{_escaped(title[:_LINE_MAX])}</title><style>{_STYLE}</style></head>
<body><header><h1>{_escaped(title[:2000])}</h1><p>{_escaped(told[:2000])}</p></header>
<main>{sections}</main>
<footer>Shown by fapws --reload, on this machine alone. The error log has the same.</footer></body></html>
"""
    return Page(HTML, text.encode("utf-8", "replace"))


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """The exception and those that led to it, the last first."""
    found: list[tuple[BaseException, str]] = []
    told = ""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and len(found) < _LINKS_MAX and id(link) not in seen:
        seen.add(id(link))
        if tracebacks.is_repetition(link):
            link = link.__context__
            continue
        found.append((link, told))
        if link.__cause__ is not None:
            link, told = link.__cause__, "It was raised because of this one:"
        else:
            hidden = link.__suppress_context__
            link, told = (None if hidden else link.__context__), "It came while this one was dealt with:"
    return found


def _link(error: BaseException, told: str) -> str:
    """One exception: its places, the innermost first, where a reader looks first."""
    places = _places(error.__traceback__)
    head = f"<h2>{_escaped(told)} {_escaped(errors.line_of(error)[:2000])}</h2>" if told else "<h2>Where</h2>"
    shown = "".join(_place(*place) for place in reversed(places))
    return head + shown


def _places(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """File, line and function, of the application's frames where there are any."""
    while trace is not None and tracebacks.is_ours(trace) and trace.tb_next is not None:
        trace = trace.tb_next
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return found[-_FRAMES_MAX:]


def _place(file: str, line: int, function: str) -> str:
    import linecache  # traceback has brought it in

    linecache.checkcache(file)
    rows = []
    for number in range(max(1, line - _AROUND), line + _AROUND + 1):
        text = linecache.getline(file, number)
        if text:
            shown = _escaped(f"{number:5} {text.rstrip()[:_LINE_MAX]}")
            rows.append(f"<mark>{shown}</mark>" if number == line else shown)
    far = ' class="far"' if _is_library(file) else ""
    source = "<pre>" + "\n".join(rows) + "</pre>" if rows else ""
    return f"<section{far}><h3>{_escaped(file)}, line {line}, in {_escaped(function)}</h3>{source}</section>"


def _is_library(file: str) -> bool:
    inside = f"{os.sep}site-packages{os.sep}" in file or f"{os.sep}dist-packages{os.sep}" in file
    return inside or file.startswith((os.path.dirname(os.__file__) + os.sep, sys.prefix + os.sep + "lib"))


def _escaped(text: str) -> str:
    shown = visible(text)
    for letter, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        shown = shown.replace(letter, written)
    return shown


def unloaded(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Stands for a program that has never loaded, before those who are not shown why."""
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"Internal Server Error\n"]


class FailedReload:
    """Stands before the application of before, once a reload has failed."""

    def __init__(self, application: Callable[..., Any], server: Server, reason: str) -> None:
        self._application = application
        self._server = server
        self._reason = reason

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        response: Any = start_response.__self__  # type: ignore[attr-defined]  # the server's own
        descriptor = lib.fw_connection_fd(self._server.core, response.connection)
        page = explain_reload(self._reason, environ, descriptor)
        if page is None:
            return self._application(environ, start_response)
        start_response("500 Internal Server Error", response.own_headers(page.headers))
        return [page.content]
