"""Whose loop is this process's? fapws._evwsgi asks when a program of fapws3 calls start() and run().

Nobody's, when the program was started by hand: fapws.compat.standalone serves it. A worker's: it puts a
WorkerHost here before it loads the script. And in a look at a script ahead of time (fapws.compat.script) the
host ends the process at start().

Here is also what a process has one of: the server that runs, and the schedule of timers.
"""

from __future__ import annotations

import os
import sys

from fapws import tracebacks
from fapws.lean import TYPE_CHECKING, Any, Callable, Protocol
from fapws.visible import visible

if TYPE_CHECKING:
    from fapws.compat.schedule import Schedule
    from fapws.settings.model import Pool
    from fapws.wsgi.serve import Server

Application = Callable[..., Any]


class Host(Protocol):
    """The one that has the loop of this process."""

    strict_paths: bool
    """Routing by WSGI's rule; see fapws.compat.paths."""
    debug: int
    """The level that was configured; 0: the program may choose."""

    def start(self, where: str, path: str) -> int:
        """Listens, or adopts; the descriptor. where: an address as the INI file has it, path: of a unix
        socket (then where says how to call it). Raises OSError, ValueError."""

    def run(self, application: Application) -> None:
        """Serves until drained. Raises OSError, CannotConfine."""


host: Host | None = None
"""Set by the one that has the loop; None: the program was started by hand, and nothing has it yet."""
_server: Server | None = None
_schedule: Schedule | None = None
_on_serving: Callable[[Server], None] | None = None


# ---- The server and the schedule of this process -------------------------------------------------


def server() -> Server | None:
    """The one that runs now."""
    return _server


def schedule() -> Schedule:
    """Timers and deferred calls; made when it is first asked for, at any time."""
    global _schedule
    if _schedule is None:
        from fapws.compat.schedule import Schedule

        _schedule = Schedule(log_failure)
        if _server is not None:
            _server.add_ticker(_schedule.run)
    return _schedule


def when_serving(function: Callable[[Server], None]) -> None:
    """To be called with the next server, before it runs."""
    global _on_serving
    _on_serving = function


def serve(given: Server) -> None:
    """Runs a server to its end, with timers and deferred calls; then makes the calls that are left."""
    global _server
    _server = given
    try:
        if _on_serving is not None:
            _on_serving(given)
        if _schedule is not None:
            given.add_ticker(_schedule.run)
        given.run()
    finally:
        _server = None
        if _schedule is not None:
            left = _schedule.call_what_is_deferred()
            if left:
                given.log(f"{left} deferred calls were left out at the end: they defer themselves for ever")
        given.flush_access_log()


def log_failure(sentence: str, error: BaseException) -> None:
    """A sentence and the traceback of a program's function."""
    text = tracebacks.text_of(error).rstrip()
    try:
        print(f"fapws: {sentence}\n{visible(text)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # a log that cannot be written stops nothing


# ---- In a worker ---------------------------------------------------------------------------------

_FORKED_BEFORE = (
    "process {} was forked before start(), so it has none of the master's sockets: fork between start() and "
    "run(), or leave the processes to the master (workers = N, fapws -w N)"
)


class WorkerHost:
    """The loop is a worker's: its sockets, its master. The worker's script runs meanwhile."""

    def __init__(self, pool: Pool, slot: int, listeners: tuple[int, ...], worker: Any) -> None:
        """worker: a fapws.worker.life.Worker."""
        self.strict_paths = pool.strict_paths
        self.debug = pool.debug
        self.served = False
        """run() was called."""
        self._pool = pool
        self._slot = slot
        self._listeners = listeners
        self._worker = worker
        self._parent = (-1, -1)
        """A pipe that no process writes to; its end tells forked children that the worker is gone."""
        self._is_child = False

    @property
    def was_started(self) -> bool:
        """start() was called: children that the program forks may want to serve too."""
        return self._parent != (-1, -1)

    @property
    def may_end(self) -> bool:
        """The script may come to its end without an application: it has served, or is a child of its own."""
        return self.served or self._is_child

    def start(self, where: str, path: str) -> int:
        """Adopts the worker's sockets, whatever the program asks for. Raises OSError in a process that has
        none: it was forked before, when it was not known that children would serve."""
        pid = os.getpid()
        if pid != self._worker.pid and not self.was_started:
            raise OSError(_FORKED_BEFORE.format(pid))
        if self._parent == (-1, -1):
            self._parent = os.pipe()
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._forked)
        if self._slot == 0 and not self._is_child:
            self._tell_other_address(where, path)
        return self._listeners[0]

    def _tell_other_address(self, where: str, path: str) -> None:
        from fapws.settings.addresses import parse_address, same_place

        if any(where == address.text for address in self._pool.listen):
            return
        try:
            wanted = parse_address(f"unix:{path}" if path else where, os.getcwd())
            ours = [address for address in self._pool.listen if address.kind != "fd"]
            if any(same_place(wanted) == same_place(address) != () for address in ours):
                return
        except (OSError, ValueError):
            pass  # then it is another one
        texts = ", ".join(address.text for address in self._pool.listen)
        told = f"fapws: the program asks for {where}; the master listens on {texts}"
        print(told, file=sys.stderr, flush=True)

    def run(self, application: Application) -> None:
        """Serves as this worker; in a process that the program has forked, beside it."""
        self.served = True
        pid = os.getpid()
        if pid == self._worker.pid:
            self._worker.answer_by(application)
            return
        self._forked()
        print(
            f"fapws: the program has forked process {pid} inside a worker; the master does not know it: "
            f"workers = N is the better way",
            file=sys.stderr,
            flush=True,
        )
        self._worker.answer_as_child(application, self._parent[0])

    def _forked(self) -> None:
        """In each child, at once: the worker must see its own end, not a child's."""
        if self._is_child or os.getpid() == self._worker.pid:
            return
        self._is_child = True
        os.close(self._parent[1])
