"""The zygote of a pool with ``preload``: it imports the application, and forks the workers that serve it.

Its life is a worker's up to READY: rights, import, chroot, warmup. Then it holds no socket that clients could
come by; those come with each order, and go to the worker alone. It is the parent of its workers, so it tells
the master of their births and ends, and, where the system has no better way, sends them the master's signals:
what it has not reaped cannot be another process.

Imported only by a zygote and, with it, by its workers.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import sys
import warnings

from fapws import descriptors
from fapws.lean import Any, Callable, FrameType, signal
from fapws.messages import (
    TO_ZYGOTE,
    Beget,
    Born,
    Decoder,
    Ready,
    Strike,
    Unborn,
    Waited,
)
from fapws.settings.plain import KINDS, rebuilt
from fapws.worker import helpers, unforkable
from fapws.worker.life import Worker
from fapws.worker.loader import LoadError
from fapws.worker.spec import Preloaded, WorkerSpec

_READ_SIZE = 65536
_poll, _real_fork, _waitpid = select.poll, os.fork, os.waitpid
"""Before the application is imported: gevent puts functions in their places that run its loop meanwhile."""
_WAIT = os.WNOHANG | getattr(os, "WUNTRACED", 0) | getattr(os, "WCONTINUED", 0)
_PROGRAM = "preload: the script serves by itself (run()), and a process that serves cannot fork workers\n"


class Zygote(Worker):
    """A worker that never comes to serve; its children do."""

    def __init__(self, spec: WorkerSpec) -> None:
        super().__init__(spec)
        self._decoder = Decoder(TO_ZYGOTE)
        self._born_now = False
        """While a worker is forked."""
        self._workers: dict[int, int] = {}
        """Numbers by PIDs."""
        self._former_sigchld: Any = None
        self._ends = False
        self._application: Callable[..., Any] | None = None

    # ---- Up to READY ----------------------------------------------------------------------------

    def answer_by(self, application: Callable[..., Any]) -> None:
        """READY, then orders until there are no more. In a worker that was forked, ``child`` is set."""
        if self._application is None and self._is_import_under_way():
            self._refused = LoadError(_PROGRAM)
            raise self._refused
        self._settle(application)
        for descriptor in self._spec.listeners:
            os.close(descriptor)
        self._spec = self._spec._replace(listeners=())
        self._look_for_what_breaks()
        self.helpers = helpers.running()
        self._application = application
        self._catch_ends()
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        self._send(Ready(self._told))
        self._ready = True
        self._obey()

    def _is_import_under_way(self) -> bool:
        from fapws.worker import loop_owner

        host = loop_owner.host
        return isinstance(host, loop_owner.WorkerHost) and host.served

    def _look_for_what_breaks(self) -> None:
        """Raises LoadError."""
        spec = self._spec
        found = unforkable.found((spec.channel, spec.lifeline, spec.access_log))
        if not found:
            return
        text = unforkable.sentence(found)
        if not spec.pool.preload_unsafe:
            raise LoadError(text)
        self.errors.write(f"preload_unsafe: {text.partition(': ')[2]}")

    # ---- Orders ---------------------------------------------------------------------------------

    def _obey(self) -> None:
        poll = _poll()
        for fd in (self._spec.channel, self._signals.fd, self._spec.lifeline):
            poll.register(fd, select.POLLIN)
        while not self._ends:
            ready = [fd for fd, _ in poll.poll()]
            if self._signals.fd in ready:
                self._signals.read()
                self._reap()
            if self._spec.lifeline in ready or self._signals.term_noted:
                return  # the workers have heard that too
            if self._spec.channel in ready and self._hear():
                return

    def _hear(self) -> bool:
        """True in a worker that was forked, and at the end of the channel."""
        try:
            data, fds = descriptors.receive(self._spec.channel, _READ_SIZE, descriptors.MOST_TO_ZYGOTE)
        except OSError:
            return True
        self._sent_along += fds
        if not data:
            return True
        for message in self._decoder.feed(data):
            if isinstance(message, Beget):
                if self._beget(int(message.order)):
                    return True
            elif isinstance(message, Strike):
                self._strike(*map(int, message.order.split()))
        return False

    def _strike(self, number: int, signum: int) -> None:
        self._reap()
        for pid, known in self._workers.items():
            if known == number:
                os.kill(pid, signum)

    def _beget(self, number: int) -> bool:
        """Forks it; True in the child."""
        needs = self._sent_along.pop(0)
        known = marshal.loads(_content(needs))
        along = known["along"]
        own, self._sent_along = self._sent_along[: len(along)], self._sent_along[len(along) :]
        self._born_now = True
        try:
            pid = _fork()
            if not pid and self._channel >= 0:  # where Python does not tell of forks
                self._forked()
        except OSError as error:
            _close(own)
            self._send(Unborn(f"{number} cannot fork: {error.strerror}"))
            return False
        finally:
            self._born_now = False
        if pid:
            _close(own)
            self._workers[pid] = number
            self._send(Born(f"{number} {pid}"))
            return False
        self._become(known, list(zip(along, own)))
        return True

    def _become(self, known: dict[str, Any], given: list[tuple[str, int]]) -> None:
        """In the child: all that is the zygote's has gone; now it is a worker."""
        own = {what: fd for what, fd in given if what != "listener"}
        listeners = tuple(fd for what, fd in given if what == "listener")
        _close(self._sent_along)
        self._sent_along = []
        output = own.get("output", -1)
        if output >= 0:
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
        self._streams.renew()
        spec = self._specify(known, own, listeners)
        _forget_helpers()
        _reseed()
        _renew_gevent()
        assert self._application is not None
        watch = self._watch if spec.slot == 0 else None
        self.child = spec, Preloaded(self._application, self._streams, watch)

    def _specify(self, known: dict[str, Any], own: dict[str, int], listeners: tuple[int, ...]) -> WorkerSpec:
        spec: WorkerSpec = rebuilt(known["spec"], {**KINDS, "WorkerSpec": WorkerSpec})
        board = memoryview(self._spec.board)
        offset, size, start, length = known["place"]
        page = board[offset : offset + size]
        areas = {key: _area(board, known[key]) for key in ("tally", "last")}
        return spec._replace(
            channel=own["channel"],
            listeners=listeners,
            access_log=own.get("access", -1),
            lifeline=self._spec.lifeline,
            row=page[start : start + length],
            neighbours=page.toreadonly(),
            **areas,
        )

    # ---- A process that was forked --------------------------------------------------------------

    def _forked(self) -> None:
        """In every child. A worker keeps the streams, to which the application may hold references."""
        if self._born_now and self._channel >= 0:
            self._give_back_sigchld()
            self._signals.give_back()
            os.close(self._channel)
            self._channel = -1
            return
        super()._forked()

    # ---- Ends of workers ------------------------------------------------------------------------

    def _catch_ends(self) -> None:
        self._former_sigchld = signal.signal(signal.SIGCHLD, _nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))

    def _give_back_sigchld(self) -> None:
        if signal.getsignal(signal.SIGCHLD) is _nothing:
            former = self._former_sigchld
            signal.signal(signal.SIGCHLD, signal.SIG_DFL if former is None else former)

    def _reap(self) -> None:
        """Workers alone: what the application's import has started, it waits for itself."""
        for pid, number in list(self._workers.items()):
            while True:
                try:
                    changed, status = _waitpid(pid, _WAIT)
                except ChildProcessError:  # the application waits for any child
                    changed, status = pid, 0
                if not changed:
                    break
                ended = os.WIFEXITED(status) or os.WIFSIGNALED(status)
                if ended:
                    del self._workers[pid]
                self._send(Waited(f"{number} {status}"))
                if ended:
                    break


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """It wakes the loop, by Python's wake-up descriptor."""


def _fork() -> int:
    """Without the warning of newer Pythons that there is a thread: it is the guard of the lifeline, which
    holds no lock (csrc/sys/lifeline.c)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return _real_fork()


def _content(fd: int) -> bytes:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    os.close(fd)
    return data


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _area(board: memoryview, place: Any) -> Any:
    if not place:
        return None
    offset, _, start, length = place
    return board[offset + start : offset + start + length]


def _forget_helpers() -> None:
    """Processes of multiprocessing that the import has started are the zygote's: at its exit a worker would
    end them, or wait for what is no child of its own."""
    children = getattr(sys.modules.get("multiprocessing.process"), "_children", None)
    if children is not None:
        children.clear()


def _renew_gevent() -> None:
    """Its loop, if the import has made one, watches with descriptors of the zygote's."""
    renew = getattr(sys.modules.get("gevent"), "reinit", None)
    if renew is not None:
        renew()


def _reseed() -> None:
    """Workers must not draw the same numbers. CPython does it at each fork, others do not."""
    random = sys.modules.get("random")
    if random is not None:
        random.seed()
