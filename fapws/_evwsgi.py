"""fapws3's interface to programs: ``import fapws._evwsgi as evwsgi``.

    evwsgi.start("0.0.0.0", "8080")
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/hello", hello))
    evwsgi.run()

As ``python program.py`` this serves in the process itself; as ``script = program.py`` under the master,
start() adopts the master's sockets and run() serves as that worker. Names, arguments and return values
are fapws3's.
"""

from __future__ import annotations

import os
import sys

from fapws._core import lib
from fapws.compat.foreign import program_of
from fapws.compat.paths import Paths
from fapws.compat.query import parse_query as parse_query
from fapws.compat.start_address import start_address
from fapws.dates import http_date
from fapws.lean import Any, Callable
from fapws.worker import loop_owner
from fapws.wsgi.response import core_text
from fapws.wsgi.serve import Server

_BASE_NAMES = ("Environ", "Start_response", "supported_HTTP_command", "config")
_DEBUG_MAX = 3

_paths: Paths | None = None
_socket = -1
_debug = 0


class error(Exception):
    """What fapws3 raised: a call out of order, an address that cannot be had."""


def start(host: str, port: str | int) -> None:
    """Listens at once; may be called again for another address. port ``"unix"``: host is a socket's
    path, beginning with ``\\0`` for an abstract one. Under the master its sockets are adopted."""
    global _socket
    if loop_owner.host is None:
        from fapws.compat.standalone import Standalone

        loop_owner.host = Standalone()
    try:
        descriptor = loop_owner.host.start(*start_address(host, port))
    except (OSError, ValueError) as problem:
        raise error(str(problem)) from None
    if _socket < 0:
        _socket = descriptor


def set_base_module(module: Any) -> None:
    """Whose Environ, Start_response, supported_HTTP_command and config are used. Forgets the routes."""
    global _paths
    missing = [name for name in _BASE_NAMES if not hasattr(module, name)]
    if missing:
        raise error(f"the base module has no {', '.join(missing)}")
    _paths = Paths([], module.Environ, module.Start_response, base=module)


def _routes() -> Paths:
    if _paths is None:
        raise error("Base module not set")
    return _paths


def wsgi_cb(route: tuple[str | bytes, Callable[..., Any]]) -> None:
    """Adds a (prefix, callable) pair; the first prefix that matches serves. Also while run() serves."""
    if not isinstance(route, (tuple, list)) or len(route) != 2:
        raise TypeError(f"wsgi_cb takes a (prefix, callable) pair, not {route!r}")
    _routes().add(route[0], route[1], program_of(sys._getframe(1).f_globals))


def wsgi_gen_cb(function: Callable[..., Any]) -> None:
    """The function that serves what no prefix matches."""
    if not callable(function):
        raise TypeError(f"wsgi_gen_cb takes a callable, not {type(function).__name__}")
    _routes().fallback = function


def run() -> None:
    """Serves until SIGINT or SIGTERM; returns when all earlier requests have their responses."""
    global _socket
    routes = _routes()
    if loop_owner.server() is not None:
        raise error("run() is running already")
    if loop_owner.host is None or _socket < 0:
        raise error("start(host, port) comes before run()")
    routes.settle(loop_owner.host.strict_paths)
    loop_owner.when_serving(_begin)
    try:
        loop_owner.host.run(routes)
    except OSError as problem:
        raise error(str(problem)) from problem
    finally:
        _socket = -1


def _begin(server: Server) -> None:
    level = _level()
    server.set_debug(level)
    flags = os.environ.get("LIBEV_FLAGS")
    if level and flags:
        server.log(f"debug: LIBEV_FLAGS={flags} has no effect: libuv takes what is best on this system")


def add_timer(seconds: float, function: Callable[[], Any]) -> int:
    """Calls function every so many seconds until it returns False or raises; its number, from 1."""
    return loop_owner.schedule().add_timer(seconds, function)


def stop_timer(index: int) -> None:
    """index: from 0, one less than add_timer() returned."""
    loop_owner.schedule().stop_timer(index)


def restart_timer(index: int) -> None:
    """Its seconds begin anew, also if it was stopped; index from 0."""
    loop_owner.schedule().restart_timer(index)


def defer(function: Callable[[Any], Any], argument: Any = None, combine: bool = False) -> None:
    """Calls function(argument) when there is nothing else to do; combine: once for equal pairs."""
    loop_owner.schedule().defer(function, argument, combine)


def defer_queue_size() -> int:
    """Deferred calls that wait."""
    return loop_owner.schedule().queue_size()


def rfc1123_date(epoch: float) -> str:
    """``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110 5.6.7), whatever the locale."""
    return http_date(epoch)


def set_debug(level: int) -> None:
    """1: the log tells each request that the core refuses, and why; 2: all requests and responses; 3: their
    fields and contents."""
    global _debug
    if not isinstance(level, int) or not 0 <= level <= _DEBUG_MAX:
        raise ValueError(f"the debug level is a number from 0 to {_DEBUG_MAX}, not {level!r}")
    _debug = int(level)
    server = loop_owner.server()
    if server is not None:
        server.set_debug(_level())


def get_debug() -> int:
    """The level in force."""
    return _level()


def _level() -> int:
    """What the INI file or the command line said, else what the program says."""
    return (loop_owner.host.debug if loop_owner.host is not None else 0) or _debug


def socket_fd() -> int:
    """The listening socket's descriptor (the first one's); -1 when there is none."""
    return _socket


def libev_version() -> tuple[int, int]:
    """Major and minor version, which programs format by ``"%i.%i"``. fapws3 told libev's; this is libuv's,
    which took its place."""
    major, minor = core_text(lib.fw_libuv_version()).split(".")[:2]
    return int(major), int(minor)
