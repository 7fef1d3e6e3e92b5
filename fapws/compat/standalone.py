"""A program of fapws3 that was started by hand: one process, in the foreground, without a master.

Limits are the defaults of the option table. Errors go to standard error, and, if fapws.config.access_log
says so, a line for each response.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import Any, NamedTuple

from fapws._core import lib
from fapws.settings.addresses import check_socket_path, parse_address
from fapws.settings.build import default_pool
from fapws.settings.model import Address
from fapws.supervisor.errors import CannotStart
from fapws.supervisor.listen import bind
from fapws.worker import loop_owner
from fapws.worker.assemble import log_to_standard_error, make_server, wants_access_log
from fapws.wsgi.exchange import FOREVER
from fapws.wsgi.serve import Server

_READ_SIZE = 4096
_LINGER = 2.0
_IMPATIENCE = 2
"""How many SIGINT may wait for the loop; the next one interrupts the program."""


class _Started(NamedTuple):
    """A socket that listens since start()."""

    fd: int
    url: str
    path: str = ""
    inode: tuple[int, int] | None = None
    """unix: the file that we made."""


class Standalone:
    """The host of a program that has the process for itself."""

    strict_paths = False
    debug = 0

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._started: list[_Started] = []

    def start(self, where: str, path: str) -> int:
        """Binds and listens at once. Raises OSError, ValueError."""
        pool = default_pool("program")
        if path.startswith("\0"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.bind(path)
                sock.listen(pool.backlog)
            except OSError as error:
                sock.close()
                raise OSError(f"cannot listen on {where}: {error.strerror or error}") from None
            self._started.append(_Started(sock.detach(), where))
            return self._started[-1].fd
        if path:
            absolute = os.path.abspath(path)
            check_socket_path(absolute)
            address = Address(where, "unix", path=absolute)
        else:
            address = parse_address(where, os.getcwd())
        try:
            listener = bind.listen(address, pool.backlog)
        except CannotStart as error:
            raise OSError(str(error)) from None
        self._started.append(_Started(listener.fd, listener.url, address.path, listener.inode))
        return listener.fd

    def run(self, application: loop_owner.Application) -> None:
        """Serves until SIGINT or SIGTERM. Raises OSError."""
        started, self._started = self._started, []
        forked = os.getpid() != self._pid
        pool = default_pool("program")
        try:
            server = make_server(application, pool, tuple(one.fd for one in started), forked)
            if wants_access_log(application):
                log_to_standard_error(server, pool.access_format)
            name = os.path.basename(getattr(sys.modules["__main__"], "__file__", "") or "program")
            where = ", ".join(one.url for one in started)
            serve(server, pool.drain_timeout, f"serving {name} on {where} (pid {os.getpid()}, no master)")
        finally:
            if not forked:
                for one in started:
                    bind.remove_own(one.path, one.inode)


def serve(server: Server, drain_timeout: float, line: str, parent: int = -1) -> None:
    """Runs a server until a signal drains it, or until parent, a pipe, ends; frees it.

    line: for the log, as soon as signals are heard. SIGINT and SIGTERM drain; another one, or the end of
    drain_timeout (seconds), cuts off what has no response by then. Clients that ask nothing are let go at
    once: no other process will serve them, so waiting would only move the race of RFC 9112 9.6. With a
    parent, others serve on and they are given time to leave by themselves; and SIGINT is ignored: a
    terminal sends it to all, and the master decides. Afterwards the process does on these signals what it
    did before.
    """
    drain = _Drain(server, drain_timeout, _LINGER if parent >= 0 else 0.0)
    with _Signals(server, drain.begin, signal.SIG_IGN if parent >= 0 else None):
        if parent >= 0:
            lib.fw_guard_lifeline(parent, max(int(drain_timeout * 1000), 1), b"")
            token = -1

            def on_end() -> None:
                server.unwatch(token)
                drain.begin()

            token = server.watch(parent, on_end)
        server.log(line)
        try:
            loop_owner.serve(server)
        finally:
            server.free()


class _Drain:
    """The end of a server that no master watches."""

    def __init__(self, server: Server, seconds: float, linger: float) -> None:
        """linger: seconds for idle clients."""
        self._server = server
        self._linger = linger
        self._seconds = seconds
        self._ends: float | None = None

    def begin(self) -> None:
        """The first time gracefully, the second time at once."""
        if self._ends is not None:
            self._server.abandon()
            return
        self._ends = time.monotonic() + self._seconds
        self._server.drain(accept_rest=True, linger=self._linger)
        self._server.add_ticker(self._watch)

    def _watch(self, now: float, idle: bool) -> int:
        if self._ends is not None and now >= self._ends:
            self._server.log("not everything was answered in time; the rest is cut off")
            self._server.abandon()
        return FOREVER


class _Signals:
    """SIGINT and SIGTERM wake the loop; afterwards everything is as it was.

    Only the main thread may set handlers. A program that serves in another one ends in another way.
    """

    def __init__(self, server: Server, act: Any, on_interrupt: Any) -> None:
        """act: called in the loop for each signal. on_interrupt: a handler for SIGINT, None: act."""
        self._server = server
        self._act = act
        self._on_interrupt = on_interrupt
        self._seen = 0
        self._handlers: dict[int, Any] = {}
        self._reader, self._writer = os.pipe()
        self._old_wakeup = -1

    def __enter__(self) -> None:
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)
        self._token = self._server.watch(self._reader, self._on_wake)
        try:
            self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
            self._handlers[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_interrupt or self._note)
        except ValueError:
            pass  # not the main thread

    def __exit__(self, *_: object) -> None:
        if self._handlers:
            for number, handler in self._handlers.items():
                # None: it was not Python that had set it.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _note(self, number: int, frame: Any) -> None:
        """Only notes it: Python runs handlers between any two bytecodes of the program.

        Unless the loop does not come to see it: then a program that hangs is interrupted as usual.
        """
        self._seen += 1
        if number == signal.SIGINT and self._seen > _IMPATIENCE:
            raise KeyboardInterrupt

    def _on_wake(self) -> None:
        try:
            os.read(self._reader, _READ_SIZE)
        except BlockingIOError:
            pass
        seen, self._seen = self._seen, 0
        for _ in range(seen):
            self._act()
