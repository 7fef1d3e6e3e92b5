"""A worker's life: boot, READY, serve, drain, exit. Runs in the process the master forked."""

from __future__ import annotations

import atexit
import os
import sys
import time

from fapws import descriptors
from fapws._core import lib
from fapws.lean import TYPE_CHECKING, Any, Callable, NoReturn
from fapws.messages import (
    FROM_MASTER,
    Broken,
    Changed,
    Decoder,
    Drain,
    Failed,
    Message,
    Profile,
    Profiled,
    Ready,
    Renew,
    Reopened,
    TurnAway,
    Welcome,
    encode,
)
from fapws.settings.access_format import compile_format
from fapws.settings.model import Pool, split_callable
from fapws.worker import helpers, loop_owner
from fapws.worker.assemble import (
    check_spool,
    common_environ,
    log_to_standard_error,
    make_server,
    promise,
    wants_access_log,
)
from fapws.worker.loader import LoadError, load, prepare
from fapws.worker.privileges import CannotConfine, Confinement
from fapws.worker.signals import WorkerSignals
from fapws.worker.spec import Preloaded, WorkerSpec
from fapws.worker.stdio import StandardStreams
from fapws.wsgi import errors, forks
from fapws.wsgi.serve import Server, Ticker

if TYPE_CHECKING:
    from fapws.worker.watch import SourceWatch

AUTORELOAD_MS = 500
"""How often the source files are looked at."""
_READ_SIZE = 65536
_BUSY_SINCE = slice(8, 16)
"""Bytes of a row: 0 while there is no request in hand."""
_GROUPS = 2**61 - 1
"""A prime, so that every character of a pool's name counts."""


def _entitle_nobody(_spec: WorkerSpec) -> None:
    """Nobody gives this process a title."""


def run(spec: WorkerSpec, entitle: Callable[[WorkerSpec], None] = _entitle_nobody) -> NoReturn:
    """Serves until drained; called right after fork, in the child. Never returns.

    entitle: names the process; called in each that a zygote forks.
    Exit status: 0 after a drain, 1 when it could not boot (Failed was sent before).
    SIGTERM: drain as at a stop (take what the backlog holds). SIGHUP, SIGINT: ignored.
    Drain message: as at a reload. End of lifeline: drain, and after drain_timeout the end.
    SIGUSR2: the Python stacks go to the master, whatever the worker is doing.
    """
    status = 1
    log = errors.ErrorLog()
    worker = None
    try:
        atexit._clear()  # the master's are not ours to run
        worker = _zygote(spec) if spec.is_zygote else Worker(spec)
        log = worker.errors
        status = worker.serve()
        if worker.child is not None:  # this is a worker that the zygote has forked
            own, preloaded = worker.child
            entitle(own)
            worker = Worker(own, preloaded)
            log = worker.errors
            status = worker.serve()
    except BaseException as error:  # nothing may reach the master's frames below us
        log.write(_told(error))
    finally:
        _leave(status, log, () if worker is None else worker.helpers)


def _zygote(spec: WorkerSpec) -> Worker:
    from fapws.worker.zygote import Zygote  # few pools have one

    return Zygote(spec)


def _told(error: BaseException) -> str:
    """One line on an exception, and its traceback where that can still be made."""
    return f"the worker failed: {errors.line_of(error)}\n{errors.traceback_of(error)}"


def _leave(status: int, log: errors.ErrorLog, started: tuple[Any, ...]) -> NoReturn:
    """Ends the process as Python would: threads joined, atexit handlers run, output flushed. But for what the
    application's import has started, which is told to end: see fapws.worker.helpers."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        helpers.end(started, log.write)
        helpers.tell_waits(log.write)
        atexit._run_exitfuncs()
    except BaseException as error:  # an application's handler failed; the exit goes on
        log.write(_told(error))
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)
        os._exit(status)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except BaseException:  # None, closed, an object of the application's: no stream is left to tell it
        return


class Worker:
    """One worker process: connects the master's wishes with the server that does the work."""

    def __init__(self, spec: WorkerSpec, preloaded: Preloaded | None = None) -> None:
        self.pid = os.getpid()
        self.child: tuple[WorkerSpec, Preloaded] | None = None
        """A zygote's, in a worker that it has forked."""
        self._preloaded = preloaded
        self._spec = spec
        self._decoder = Decoder(FROM_MASTER)
        self._channel = spec.channel
        """-1 in a process that a program has forked."""
        self._confinement = Confinement(spec.pool)
        self._server: Server | None = None
        self._ready = False
        self.helpers: tuple[Any, ...] = ()
        """Processes that the application's import has started."""
        self._refused: Exception | None = None
        """Why a program's run() failed, in our words."""
        self._unloaded = ""
        """Why the application could not be loaded, where that is served in its place."""
        self._told = ""
        """What the operator should know of its warmup."""
        self._streams = preloaded.streams if preloaded else StandardStreams(spec.log)
        self._watch: SourceWatch | None = preloaded.watch if preloaded else None
        self._sent_along: list[int] = []
        """Descriptors that have come before the message they belong to was whole."""
        self._signals = WorkerSignals(spec.channel, self._streams.for_crashes)
        os.set_blocking(spec.channel, True)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._signals.hold_back,
                after_in_parent=self._signals.let_come,
                after_in_child=self._forked,
            )
        if preloaded is None:
            self._streams.install()
            errors.keep_stream(sys.stderr, self._streams.write_error)
        self.errors = errors.ErrorLog()
        """Where its own words go, whatever the application does to sys.stderr."""

    def serve(self) -> int:
        """Boots and serves; returns the exit status."""
        self._signals.show_crashes()
        self._signals.take()
        failure = ""
        try:
            application = self._load_or_wait()
            if self._is_stray():
                forks.leave(self.errors, None)
            if application is not None:
                self.answer_by(application)
            elif not self._ready and self._channel >= 0:
                failure = str(self._refused or "the program came to its end without serving")
        except SystemExit as leaving:  # a program that has served
            return _exit_status(leaving, self.errors)
        except (LoadError, CannotConfine) as error:
            if self._is_stray():
                forks.leave(self.errors, error.__context__)
            failure = str(error)
        except OSError as error:
            failure = (
                f"the worker failed: {error}" if self._ready else f"the worker cannot be set up: {error}"
            )
        except BaseException as error:  # a defect: ours, or of an application at an unexpected place
            failure = _told(error)
        if not failure:
            return 0
        if not failure.endswith("\n"):
            failure += "\n"
        self._tell_failure(failure)
        return 1

    def _tell_failure(self, failure: str) -> None:
        """To the master while it waits for READY, afterwards to the log."""
        if self._ready or self._channel < 0:
            self.errors.write(failure)
            return
        pool = self._spec.pool
        script = pool.script and split_callable(pool.script)[0]
        places = [script, pool.directory, pool.virtualenv, *pool.pythonpath, *sys.path]
        self._send(Failed(failure + self._confinement.blind_spots(places)))

    def _load_or_wait(self) -> Callable[..., Any] | None:
        """As _load(); where the first start of fapws --reload fails, why is served until a file is saved."""
        try:
            return self._load()
        except LoadError as error:
            first = self._spec.generation == 1 and self._server is None and not self._is_stray()
            if not self._spec.pool.traceback_page or not first:
                raise
            self._unloaded = str(error)
        from fapws.wsgi.traceback_page import unloaded

        if self._spec.slot == 0:
            self.errors.write(f"{self._unloaded}fapws: it is tried again when a file is saved\n")
        return unloaded

    def _load(self) -> Callable[..., Any] | None:
        """None: the script was a program of fapws3 and has served by itself."""
        spec = self._spec
        self._guard_lifeline()
        if self._preloaded:
            loop_owner.host = loop_owner.WorkerHost(spec.pool, spec.slot, spec.listeners, self)
            return self._preloaded.application
        if spec.pool.warmup:
            import fapws.worker.warmup  # neither below chroot nor without rights can it be found
        if spec.pool.static:
            import fapws.worker.nothing
            import fapws.worker.static_folders  # noqa: F401  # as above
        self._confinement.begin()
        prepare(spec.pool)
        loop_owner.host = loop_owner.WorkerHost(spec.pool, spec.slot, spec.listeners, self)
        if spec.pool.autoreload and (spec.slot == 0 or spec.is_zygote) and not spec.pool.chroot:
            self._watch = _watch_sources(spec.pool)
        try:
            return load(spec.pool)
        except LoadError:
            if self._refused is not None:
                raise self._refused from None  # it says more than the program's traceback
            raise

    def answer_by(self, application: Callable[..., Any]) -> None:
        """READY, requests, drain. Raises CannotConfine, LoadError or OSError before READY."""
        try:
            if self._preloaded is None:
                self._settle(application)
            server = self._server = self._make_server(application)
            promise(self._spec.pool)
        except (CannotConfine, LoadError, OSError) as error:
            self._refused = error
            raise
        self.helpers = helpers.running()
        self._send(Ready(self._told))
        self._ready = True
        if self._signals.term_noted:
            server.drain(accept_rest=True)
        if self._spec.pool.autoreload and self._spec.slot == 0:  # one of them is enough to tell
            server.add_ticker(self._source_ticker())
        if self._unloaded:
            self._on_broken(self._unloaded)
        loop_owner.serve(server)

    def _settle(self, application: Callable[..., Any]) -> None:
        """Between the import and the first socket. Raises CannotConfine, LoadError or OSError."""
        self._streams.fill_gaps()
        if "fapws.contrib.views" in sys.modules:  # as in _load()
            import fapws.compat.handed_over  # noqa: F401
        self.confine()
        self._signals.take()  # an application's import may have changed them
        if self._spec.pool.warmup:
            self._warm_up(application)

    def _warm_up(self, application: Callable[..., Any]) -> None:
        """Before this worker holds a socket of the pool that clients could come by. Raises LoadError."""
        from fapws.worker.warmup import warm_up

        spec = self._spec
        try:
            common = common_environ(spec.multiprocess)
            self._told = warm_up(application, spec.pool, spec.listeners, common)
        finally:
            if os.getpid() != self.pid:
                forks.leave(self.errors, sys.exc_info()[1])
        self._signals.take()  # and so may its first request

    def confine(self) -> None:
        """Between the import and the first client. Raises CannotConfine."""
        self._confinement.complete()
        check_spool(self._spec.pool)

    # ---- A process that a program has forked ------------------------------------------------------

    def _forked(self) -> None:
        """In every child, at once: it is no worker, and holds nothing of one."""
        if self._channel < 0:
            return
        self._signals.give_back()
        self._streams.let_go()
        os.close(self._channel)
        self._channel = -1
        host = loop_owner.host
        if self._server is None and not (isinstance(host, loop_owner.WorkerHost) and host.was_started):
            for descriptor in self._spec.listeners:  # else they are the server's, or the program's
                os.close(descriptor)

    def _is_stray(self) -> bool:
        """Whether this is a child that came out of the application's import; a program of fapws3 may."""
        host = loop_owner.host
        may_end = isinstance(host, loop_owner.WorkerHost) and host.may_end
        return os.getpid() != self.pid and not may_end

    def answer_as_child(self, application: Callable[..., Any], parent: int) -> None:
        """Serves the same sockets until the parent is gone. Raises CannotConfine, OSError."""
        from fapws.compat.standalone import serve

        pool = self._spec.pool
        self.confine()
        server = make_server(application, pool, self._spec.listeners, True)
        self._log_access(server, application)
        promise(pool)
        serve(server, pool.drain_timeout, f"process {os.getpid()} serves beside its parent", parent)

    # ---- Set-up ----------------------------------------------------------------------------------

    def _make_server(self, application: Callable[..., Any]) -> Server:
        spec = self._spec
        server = make_server(application, spec.pool, spec.listeners, spec.multiprocess, spec.row)
        if spec.multiprocess and not spec.pool.reuseport:
            server.leave_to_others(spec.neighbours, _group(spec.pool))
        self._log_access(server, application)
        if spec.tally is not None:
            server.count(spec.tally)
        if spec.last is not None:
            server.remember(spec.last)
        if not spec.ready:
            server.set_ready(False)
        server.watch(self._signals.fd, self._on_wake)
        self._channel_token = server.watch(spec.channel, self._on_channel)
        self._lifeline_token = server.watch(spec.lifeline, self._on_orphaned)
        return server

    def _log_access(self, server: Server, application: Callable[..., Any]) -> None:
        spec = self._spec
        if spec.access_log >= 0:
            server.log_access(spec.access_log, compile_format(spec.pool.access_format, spec.access_prefix))
        elif wants_access_log(application):
            log_to_standard_error(server, spec.pool.access_format)

    def _guard_lifeline(self) -> None:
        """Before the import, which may hang as well."""
        grace = max(int(self._spec.pool.drain_timeout * 1000), 1)
        if lib.fw_guard_lifeline(self._spec.lifeline, grace, os.fsencode(self._spec.log or "")) < 0:
            raise OSError("no thread can be started")

    def _source_ticker(self) -> Ticker:
        watch = self._watch
        if watch is None:  # below chroot, where the files outside cannot be seen any more
            watch = self._watch = _watch_sources(self._spec.pool)
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
        data = encode(message)
        lib.fw_send_message(self._channel, data, len(data))  # the lifeline tells when the master is dead

    def _on_wake(self) -> None:
        self._signals.read()
        if self._signals.term_noted:
            self._drain(accept_rest=True)

    def _on_channel(self) -> None:
        try:
            data, sent_along = descriptors.receive(self._spec.channel, _READ_SIZE)
            self._sent_along += sent_along
        except OSError:
            data = b""
        if not data:
            self._unwatch(self._channel_token)
            if self._preloaded:  # its zygote died before it could tell of the birth: nobody knows this worker
                self._drain(accept_rest=True)
            return
        for message in self._decoder.feed(data):
            if isinstance(message, Drain):
                self._drain(accept_rest=self._signals.term_noted)
            elif isinstance(message, (TurnAway, Welcome)) and self._server is not None:
                self._server.set_ready(isinstance(message, Welcome))
            elif isinstance(message, Renew) and self._server is not None:
                lib.fw_renew_connections(self._server.core)
            elif isinstance(message, Reopened):
                self._renew_logs(message.logs.split())
            elif isinstance(message, Broken):
                self._on_broken(message.reason)
            elif isinstance(message, Profile):
                self._profile(message.order)

    def _on_broken(self, reason: str) -> None:
        if self._watch is not None:
            self._watch.add_named_in(reason)
        if self._spec.pool.traceback_page and self._server is not None:
            self._server.show_failed_reload(reason)

    def _profile(self, order: str) -> None:
        from fapws.worker import profiler

        row = self._spec.row
        profiler.begin(order, lambda text: self._send(Profiled(text)), lambda: any(row[_BUSY_SINCE]))

    def _renew_logs(self, logs: list[str]) -> None:
        for log in logs:
            if not self._sent_along:
                print("fapws: no descriptor is left for the new log; the old one stays", file=sys.stderr)
                return
            descriptor = self._sent_along.pop(0)
            if log == "access" and self._server is not None:
                self._server.renew_access_log(descriptor)
            else:
                os.close(descriptor)

    def _on_orphaned(self) -> None:
        """The master is dead. The guard of the lifeline ends a worker that does not finish in time."""
        self._unwatch(self._lifeline_token)
        self._streams.move()
        self._drain(accept_rest=True)

    def _drain(self, accept_rest: bool) -> None:
        if self._server is not None:
            self._server.drain(accept_rest)

    def _unwatch(self, token: int) -> None:
        if self._server is not None:
            self._server.unwatch(token)


def _group(pool: Pool) -> int:
    """A number for the workers that listen on the same sockets, made from the pool's name; never 0."""
    return int.from_bytes(pool.name.encode(), "big") % _GROUPS + 1


def _watch_sources(pool: Pool) -> SourceWatch:
    from fapws.worker.watch import SourceWatch

    script = split_callable(pool.script)[0] if pool.script else ""
    return SourceWatch([script] if script else [])


def _exit_status(leaving: SystemExit, log: errors.ErrorLog) -> int:
    """As Python's own end: a text is printed and means 1."""
    if leaving.code is None or leaving.code == 0:
        return 0
    status = leaving.code if isinstance(leaving.code, int) else 1
    log.write(f"the program left with status {status}\n" if leaving.code == status else f"{leaving.code}\n")
    return status
