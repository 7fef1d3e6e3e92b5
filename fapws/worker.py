"""A worker's life: boot, READY, serve, drain, exit. Runs in the process the master forked."""

from __future__ import annotations

import _socket
import atexit
import faulthandler
import os
import sys
import time

from fapws import __version__, passing
from fapws._core import ffi, lib
from fapws.lean import Any, Callable, FrameType, NamedTuple, NoReturn, signal
from fapws.loader import LoadError, load, prepare
from fapws.messages import Changed, Decoder, Drain, Failed, Message, Ready, Reopened, encode
from fapws.privileges import CannotConfine, Confinement
from fapws.settings.access_format import compile_format
from fapws.settings.model import Network, Pool
from fapws.stdio import Streams
from fapws.wsgi.environ import listener_base
from fapws.wsgi.middleware import EarlyHints, Mounted, UnixServerName
from fapws.wsgi.serve import Server, Settings, Ticker, base_environ

MEMORY_BODY = 65536
"""Bytes of a request's content that are kept in memory; above, an unlinked temporary file."""
ACCEPT_BURST = 64
"""Connections accepted in one turn by the only worker of a pool ..."""
ACCEPT_BURST_SHARED = 8
"""... and by one of several, so that the others get their part."""
MIN_BODY_AFTER = 20_000
"""Milliseconds of grace before min_body_rate counts."""
AUTORELOAD_MS = 500
"""How often the source files are looked at."""
STACK_SIGNAL = signal.SIGUSR2
"""The worker writes the Python stacks of its threads to its standard error."""
_READ_SIZE = 65536
_DRAINING_SIGNALS = (signal.SIGTERM,)
_IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGINT)


class WorkerSpec(NamedTuple):
    """What the master hands to a worker; every descriptor in it is the worker's own from now on."""

    pool: Pool
    slot: int
    """Number of the worker in its pool, from 0."""
    generation: int
    """Counts reloads; 1 at the start."""
    listeners: tuple[int, ...]
    """Listening sockets, one for each of the pool's addresses, in their order."""
    channel: int
    """The worker's end of the socketpair to the master (fapws.messages)."""
    lifeline: int
    """Read end of a pipe that nobody writes to: readable (EOF) means that the master is dead."""
    row: Any
    """This worker's row of the scoreboard: a writable buffer of SCORE_SIZE bytes."""
    multiprocess: bool
    """Whether the pool has several workers (wsgi.multiprocess)."""
    log: int = -1
    """The error log itself, for the time without a master; -1: descriptors 1 and 2 are it."""
    access_log: int = -1
    """Where the core writes a line for each answer; -1: nowhere."""
    access_prefix: bytes = b""
    """What stands before each of these lines."""


def run(spec: WorkerSpec) -> NoReturn:
    """Serves until drained; called right after fork, in the child. Never returns.

    Exit status: 0 after a drain, 1 when it could not boot (Failed was sent before).
    SIGTERM: drain as at a stop (take what the backlog holds). SIGHUP, SIGINT: ignored.
    Drain message: as at a reload. End of lifeline: drain, and after drain_timeout the end.
    SIGUSR2: the Python stacks go to standard error, whatever the worker is doing.
    """
    status = 1
    try:
        atexit._clear()  # the master's are not ours to run
        status = Worker(spec).serve()
    except BaseException:  # nothing may reach the master's frames below us
        _print_exception()
    finally:
        _leave(status)


def _print_exception() -> None:
    import traceback  # half a megabyte that a worker without errors does not need

    traceback.print_exc()


def _leave(status: int) -> NoReturn:
    """Ends the process as Python would: threads joined, atexit handlers run, output flushed."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # an application's handler failed; the exit goes on
        _print_exception()
    finally:
        os._exit(status)


class Worker:
    """One worker process: connects the master's wishes with the server that does the work."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._decoder = Decoder()
        self._server: Server | None = None
        self._term_pending = False
        self._streams = Streams(spec.log) if spec.log >= 0 else None
        self._sent_along: list[int] = []
        """Descriptors that have come before the message they belong to was whole."""
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        os.set_blocking(spec.channel, True)

    def serve(self) -> int:
        """Boots and serves; returns the exit status."""
        self._take_signals()
        if self._streams is not None:
            self._streams.install()
        try:
            self._guard_lifeline()
            confinement = Confinement(self._spec.pool)
            confinement.begin()
            prepare(self._spec.pool)
            application = load(self._spec.pool)
            confinement.finish()
            _check_spool(self._spec.pool)
            self._take_signals()  # an application's import may have changed them
            server = self._server = self._make_server(application)
        except LoadError as error:
            self._send(Failed(str(error)))
            return 1
        except CannotConfine as error:
            self._send(Failed(f"{error}\n"))
            return 1
        except OSError as error:
            self._send(Failed(f"the worker cannot be set up: {error}\n"))
            return 1
        try:
            _promise(self._spec.pool)
        except OSError as error:
            self._send(Failed(f"{error}\n"))
            return 1
        self._send(Ready())
        if self._term_pending:
            server.drain(accept_rest=True)
        if self._spec.pool.autoreload and self._spec.slot == 0:  # one of them is enough to tell
            server.add_ticker(self._source_ticker())
        try:
            server.run()
        finally:
            server.finish()
        return 0

    # ---- Set-up ----------------------------------------------------------------------------------

    def _make_server(self, application: Callable[..., Any]) -> Server:
        spec = self._spec
        listeners = _adopt(spec.listeners)
        wants_heads = getattr(application, "wants_heads", False)
        if spec.pool.trusted_proxies:
            from fapws.wsgi.forwarded import Forwarded

            application = Forwarded(application, spec.pool.trusted_proxies, spec.pool.forwarded)
        if any(listener.family == getattr(_socket, "AF_UNIX", None) for listener in listeners):
            application = UnixServerName(application)
        if spec.pool.script_name:
            application = Mounted(application, spec.pool.script_name)
        if spec.pool.early_hints:
            application = EarlyHints(application)
        server = Server(application, _settings(spec), spec.row)
        if wants_heads:
            server.keep_heads()
        if spec.access_log >= 0:
            program = compile_format(spec.pool.access_format, spec.access_prefix)
            server.log_access(spec.access_log, program)
        common = base_environ("", f"fapws/{__version__}", spec.multiprocess)
        for listener in listeners:
            server.listen(listener.fileno(), listener_base(listener, common))
            listener.detach()  # the core's from now on
        if spec.pool.proxy_protocol:
            _expect_proxies(server, spec.pool.trusted_proxies, len(listeners))
        server.watch(self._wake_reader, self._on_wake)
        self._channel_token = server.watch(spec.channel, self._on_channel)
        self._lifeline_token = server.watch(spec.lifeline, self._on_orphaned)
        return server

    def _guard_lifeline(self) -> None:
        """Before the import, which may hang as well."""
        grace = max(int(self._spec.pool.drain_timeout * 1000), 1)
        if lib.fw_guard_lifeline(self._spec.lifeline, grace) < 0:
            raise OSError("no thread can be started")

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in _DRAINING_SIGNALS:
            signal.signal(number, self._on_term)
        for number in _IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        # Away first: over a handler that the application has set since, registering does nothing.
        faulthandler.unregister(STACK_SIGNAL)
        faulthandler.register(STACK_SIGNAL, file=2, all_threads=True, chain=False)

    def _source_ticker(self) -> Ticker:
        from fapws.watch import SourceWatch

        script = self._spec.pool.script.partition(":")[0]
        watch = SourceWatch([script] if script else [])
        next_look = time.monotonic()

        def look(now: float, idle: bool) -> int:
            nonlocal next_look
            if now >= next_look:
                next_look = now + AUTORELOAD_MS / 1000
                path = watch.changed()
                if path:
                    self._send(Changed(path))
            return AUTORELOAD_MS

        return look

    # ---- What the master and the system say -----------------------------------------------------

    def _send(self, message: Message) -> None:
        try:
            data = encode(message)
            while data:
                data = data[os.write(self._spec.channel, data) :]
        except OSError:
            pass  # the master is dead: the lifeline tells

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        """Only notes it: Python runs handlers between any two bytecodes of the application."""
        self._term_pending = True

    def _on_wake(self) -> None:
        try:
            os.read(self._wake_reader, _READ_SIZE)
        except BlockingIOError:
            pass  # an earlier turn has read it
        if self._term_pending:
            self._drain(accept_rest=True)

    def _on_channel(self) -> None:
        try:
            data, descriptors = passing.receive(self._spec.channel, _READ_SIZE)
            self._sent_along += descriptors
        except OSError:
            data = b""
        if not data:
            self._unwatch(self._channel_token)
            return
        for message in self._decoder.feed(data):
            if isinstance(message, Drain):
                self._drain(accept_rest=False)
            elif isinstance(message, Reopened):
                self._renew_logs(message.logs.split())

    def _renew_logs(self, logs: list[str]) -> None:
        for log in logs:
            if not self._sent_along:
                print("fapws: no descriptor is left for the new log; the old one stays", file=sys.stderr)
                return
            descriptor = self._sent_along.pop(0)
            if log == "error" and self._streams is not None:
                self._streams.renew(descriptor)
            elif log == "access" and self._server is not None:
                self._server.renew_access_log(descriptor)
            else:
                os.close(descriptor)

    def _on_orphaned(self) -> None:
        """The master is dead. The guard of the lifeline ends a worker that does not finish in time."""
        self._unwatch(self._lifeline_token)
        if self._streams is not None:
            self._streams.move()
        self._drain(accept_rest=True)

    def _drain(self, accept_rest: bool) -> None:
        if self._server is not None:
            self._server.drain(accept_rest)

    def _unwatch(self, token: int) -> None:
        if self._server is not None:
            self._server.unwatch(token)


def _adopt(descriptors: tuple[int, ...]) -> list[_socket.socket]:
    """Listening sockets by number. They are shared with workers that may be in accept() right now, and
    PyPy makes an adopted socket blocking for all of them unless the default says otherwise."""
    _socket.setdefaulttimeout(0.0)
    try:
        return [_socket.socket(fileno=descriptor) for descriptor in descriptors]
    finally:
        _socket.setdefaulttimeout(None)


def _expect_proxies(server: Server, trusted: tuple[Network, ...], listeners: int) -> None:
    from fapws.settings.networks import packed

    for number in range(listeners):
        server.expect_proxy(number)
    for network in trusted:
        server.trust(*packed(network))


def _promise(pool: Pool) -> None:
    """OpenBSD's pledge and unveil: the last thing before clients are heard. Raises OSError."""
    for path, permissions in pool.unveil:
        if lib.fw_unveil(os.fsencode(path), permissions.encode("ascii")) < 0:
            raise OSError(f"unveil {path}:{permissions} is refused")
    if pool.unveil and lib.fw_unveil(ffi.NULL, ffi.NULL) < 0:
        raise OSError("unveil is refused")
    if pool.pledge and lib.fw_pledge(pool.pledge.encode("utf-8")) < 0:
        raise OSError(f"pledge {pool.pledge} is refused")


def _check_spool(pool: Pool) -> None:
    """Small requests do without it, so that it lacks is a line in the log and no failure."""
    if not os.access(_spool_directory(pool), os.W_OK | os.X_OK):
        print(
            f"fapws: spool_directory {pool.spool_directory}: the worker may not write there; "
            f"request content above {MEMORY_BODY} bytes will be refused",
            file=sys.stderr,
        )


def _spool_directory(pool: Pool) -> str:
    """As the worker sees it."""
    if not pool.chroot:
        return pool.spool_directory
    return "/" + os.path.relpath(pool.spool_directory, pool.chroot)


def _settings(spec: WorkerSpec) -> Settings:
    limits = spec.pool.limits
    return Settings(
        max_header_size=limits.max_header_size,
        max_headers=limits.max_headers,
        max_uri=limits.max_uri,
        max_connections=limits.max_connections,
        max_body_size=limits.max_body_size,
        memory_body=MEMORY_BODY,
        accept_burst=ACCEPT_BURST_SHARED if spec.multiprocess else ACCEPT_BURST,
        header_timeout=_milliseconds(limits.header_timeout),
        body_timeout=_milliseconds(limits.body_timeout),
        keepalive_timeout=_milliseconds(limits.keepalive_timeout),
        write_timeout=_milliseconds(limits.write_timeout),
        min_body_rate=limits.min_body_rate,
        min_body_after=MIN_BODY_AFTER,
        debug=spec.pool.debug,
        server=spec.pool.server_header.encode("latin-1"),
        spool_directory=os.fsencode(_spool_directory(spec.pool)),
    )


def _milliseconds(seconds: float) -> int:
    return min(int(seconds * 1000), 2**31)
