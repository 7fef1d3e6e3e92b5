"""A pool's server put together: the core's settings, its listeners, what stands around the application.

Used by a worker, and by a program of fapws3 that serves by itself (fapws.compat.standalone).
"""

from __future__ import annotations

import _socket
import os
import resource
import sys

from fapws import __version__, reuse_port
from fapws._core import ffi, lib
from fapws.descriptors import adopt
from fapws.lean import TYPE_CHECKING, Any, Callable
from fapws.settings.log_targets import OFF
from fapws.settings.model import Network, Pool
from fapws.wsgi import errors
from fapws.wsgi.environ import Environ, listener_base
from fapws.wsgi.middleware import EarlyHints, Mounted, UnixServerName
from fapws.wsgi.serve import Server, Settings, base_environ

if TYPE_CHECKING:
    from fapws.worker.static_folders import Rules

MEMORY_BODY = 65536
"""Bytes of a request's content that are kept in memory whatever else waits there; above, see body_memory."""
ACCEPT_BURST = 64
"""Connections accepted in one turn by the only worker of a pool ..."""
ACCEPT_BURST_SHARED = 8
"""... and by one of several, so that the others get their part."""
MIN_BODY_AFTER = 20_000
"""Milliseconds over which min_body_rate counts."""
OWN_DESCRIPTORS = 8
"""What the core opens for itself, and a log that is opened again."""


def make_server(
    application: Callable[..., Any],
    pool: Pool,
    descriptors: tuple[int, ...],
    multiprocess: bool,
    row: Any = None,
) -> Server:
    """A server on listening sockets, which are its own from now on. Raises OSError.

    row: a worker's row of the scoreboard. multiprocess: whether others serve the same sockets.
    """
    listeners = [adopt(descriptor) for descriptor in descriptors]
    if pool.reuseport:
        _open_queues(listeners, pool.backlog)
    server = Server(surround(application, pool, listeners), settings_of(pool, multiprocess), row)
    if pool.request_id:
        server.name_requests()
        server.handler.request_of = errors.named_request_of
    if pool.traceback_page:
        from fapws.wsgi.traceback_page import explain

        server.explain = explain
    if getattr(application, "wants_heads", False):
        server.keep_heads()
    common = common_environ(multiprocess)
    for listener in listeners:
        server.listen(listener.fileno(), listener_base(listener, common))
        listener.detach()  # the core's from now on
    handed_over = _handed_over(application, pool)
    if pool.static or handed_over:
        _serve_folders(server, pool, handed_over)
    if pool.proxy_protocol:
        for number in range(len(listeners)):
            server.expect_proxy(number)
    if pool.trusted_proxies and (pool.proxy_protocol or pool.request_id):
        _trust(server, pool.trusted_proxies)
    return server


def common_environ(multiprocess: bool) -> Environ:
    """What the environ of every request begins with."""
    return base_environ("", f"fapws/{__version__}", multiprocess)


def surround(
    application: Callable[..., Any], pool: Pool, listeners: list[_socket.socket]
) -> Callable[..., Any]:
    """The application with what its pool's options put around it."""
    if pool.script_name:
        application = Mounted(application, pool.script_name)
    if pool.request_id:
        from fapws.wsgi.request_ids import Answering, RequestIds

        application = Answering(application)
    if pool.trusted_proxies:
        from fapws.wsgi.forwarded import Forwarded

        application = Forwarded(application, pool.trusted_proxies, pool.forwarded, pool.access_log != OFF)
    if any(is_unix(listener) for listener in listeners):
        application = UnixServerName(application)
    if pool.early_hints:
        application = EarlyHints(application)
    if pool.request_id:
        application = RequestIds(application)
    return application


def is_unix(listener: _socket.socket) -> bool:
    """Whether its clients have no address."""
    return bool(listener.family == getattr(_socket, "AF_UNIX", None))


def _handed_over(application: Callable[..., Any], pool: Pool) -> list[tuple[str, str, Rules]]:
    """Folders of a program of fapws3 or fapws4 that the core serves in its place."""
    if "fapws.contrib.views" not in sys.modules or pool.script_name:
        return []
    from fapws.compat.handed_over import folders_of

    return folders_of(application)


def _serve_folders(server: Server, pool: Pool, handed_over: list[tuple[str, str, Rules]]) -> None:
    """The operator's word counts first."""
    from fapws.worker.static_folders import rules_of, serve_folder  # few have any

    try:
        rules = rules_of(pool, pool.static_types and _inner(pool, pool.static_types))
    except ValueError as error:  # it was good when the configuration was read
        raise OSError(f"static_types {pool.static_types}: {error}") from None
    for prefix, folder in pool.static:
        serve_folder(server.core, prefix.encode("ascii"), _inner(pool, folder), rules)
    for prefix, folder, own in handed_over:
        if prefix not in dict(pool.static):
            serve_folder(server.core, prefix.encode("ascii"), folder, own)


def _open_queues(listeners: list[_socket.socket], backlog: int) -> None:
    """From now on the kernel gives this worker its part: it will be served at once. Raises OSError."""
    for listener in listeners:
        if not reuse_port.listens(listener):  # the first worker there
            listener.listen(backlog)


def _trust(server: Server, trusted: tuple[Network, ...]) -> None:
    from fapws.settings.networks import packed

    for network in trusted:
        server.trust(*packed(network))


def wants_access_log(application: Callable[..., Any]) -> bool:
    """Whether a program with PATHS or fapws._evwsgi asks for a log of its responses."""
    return bool(getattr(application, "wants_access_log", False))


def log_to_standard_error(server: Server, access_format: str) -> None:
    """A line for each response, for a program that asks for it and has no access log."""
    from fapws.settings.access_format import compile_format

    try:
        stderr = os.dup(2)
    except OSError:
        return  # a program that has closed standard error wants no log
    server.log_access(stderr, compile_format(access_format, b""))


def promise(pool: Pool) -> None:
    """OpenBSD's pledge and unveil: the last thing before clients are heard. Raises OSError."""
    for path, permissions in pool.unveil:
        if lib.fw_unveil(os.fsencode(path), permissions.encode("ascii")) < 0:
            raise OSError(f"unveil {path}:{permissions} is refused")
    if pool.unveil and lib.fw_unveil(ffi.NULL, ffi.NULL) < 0:
        raise OSError("unveil is refused")
    if pool.pledge and lib.fw_pledge(pool.pledge.encode("utf-8")) < 0:
        raise OSError(f"pledge {pool.pledge} is refused")


def check_spool(pool: Pool) -> None:
    """Small requests do without it, so that it lacks is a line in the log and no failure."""
    if not os.access(_spool_directory(pool), os.W_OK | os.X_OK):
        print(
            f"fapws: spool_directory {pool.spool_directory}: the worker may not write there; "
            f"request content that needs a file (body_memory) will be refused",
            file=sys.stderr,
        )


def _spool_directory(pool: Pool) -> str:
    return _inner(pool, pool.spool_directory)


def _inner(pool: Pool, path: str) -> str:
    """A path as the worker sees it."""
    return "/" + os.path.relpath(path, pool.chroot) if pool.chroot else path


def settings_of(pool: Pool, multiprocess: bool) -> Settings:
    """What the core is told of a pool: each limit of which it knows the name, and the rest."""
    limits = pool.limits
    known = {name for name, _ in ffi.typeof("fw_settings").fields}
    return {
        **{name: _as_core(name, value) for name, value in limits._asdict().items() if name in known},
        "max_descriptors": max_descriptors(limits.reserved_descriptors),
        "spare_descriptors": limits.reserved_descriptors // 2,
        "max_spool": limits.max_spool and max(limits.max_spool, limits.max_body_size),
        "memory_body": MEMORY_BODY,
        "unbuffered": not pool.request_buffering,
        "accept_burst": ACCEPT_BURST_SHARED if multiprocess and not pool.reuseport else ACCEPT_BURST,
        "min_body_after": MIN_BODY_AFTER,
        "debug": pool.debug,
        "ready_path": pool.ready_path.encode("ascii"),
        "log_ready": int(pool.log_ready),
        "server": pool.server_header.encode("latin-1"),
        "spool_directory": os.fsencode(_spool_directory(pool)),
    }


def _as_core(name: str, value: float) -> int:
    """A count or bytes as they are; timeouts, which are seconds, in milliseconds."""
    return min(int(value * 1000), 2**31) if name.endswith("_timeout") else int(value)


def max_descriptors(reserve: int) -> int:
    """Those that connections and temporary files may take; the rest is open, or the application's."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return 0
    lowest = os.dup(2)  # what is open lies below, but for a few
    os.close(lowest)
    return max(1, min(soft - lowest - OWN_DESCRIPTORS - reserve, 2**31))
