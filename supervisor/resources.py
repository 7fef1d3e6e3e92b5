"""What a master holds of the operating system: taken when it starts, given back in the opposite order.

After an upgrade in place the same things are taken over from the master before, which is this process too.
"""

from __future__ import annotations

import os
import time

from fapws.lean import Callable
from fapws.settings.model import Config

from .control.commands import View
from .control.control_socket import ControlSocket
from .control.conversations import Conversations
from .control.troubles import Troubles
from .errors import TAKEN, CannotStart, PlaceTaken, refused
from .listen.listeners import Listeners
from .listen.lookup import Opened
from .logs.all_logs import Logs
from .monitoring import Monitoring
from .process.books import Books
from .process.pidfile import Held, Pidfile
from .process.signals import Signals
from .process.systemd import Notifier, take_environment
from .process.workers import Post, Workers
from .upgrade.handover import Saved
from .waiting import make_waiter

_ORPHANS_MARGIN = 2.0
"""Seconds that the end of a worker without a master may take on top of its time."""
_PAUSE = 0.1
WORKER_TITLE = "fapws: worker"


class Resources:
    """Each is documented in its own module; ``error_log`` is the one of ``logs``."""

    def __init__(self, config: Config, post: Post, view: View, saved: Saved | None = None) -> None:
        """Takes all, or takes over what an earlier master has saved. Raises CannotStart.

        ``view``: what the monitor tells about. On CannotStart nothing is left, except what was saved: that
        stays as it is.
        """
        self.notifier = Notifier(saved.service if saved else take_environment())
        self.waiter = make_waiter()
        self.listeners = Listeners()
        self._undo: list[Callable[[], None]] = []
        try:
            self._take(config, post, view, saved)
        except BaseException as error:
            if saved is None:
                self.release()
            if isinstance(error, OSError):
                raise refused("cannot start", error) from error
            raise
        if saved:
            self._take_over(saved)

    def _take(self, config: Config, post: Post, view: View, saved: Saved | None) -> None:
        """Each thing taken leaves its release behind; they run in the opposite order."""
        # First taken, last given up: a master that starts then finds nothing of ours in its way.
        lock = saved.pidfile if saved else -1
        self.pidfile = _take_pidfile(config.pidfile, lock) if config.pidfile else None
        if self.pidfile:
            self._undo.append(self.pidfile.release)
        if saved:
            self.listeners.adopt(saved.open)
        else:
            self._listen(config)
        self._undo.append(self.listeners.remove_files)
        self._undo.append(self.listeners.close)
        self.logs = Logs(config, saved.error_log, dict(saved.access_logs)) if saved else Logs(config)
        self.error_log = self.logs.error
        self._undo.append(self.logs.close)
        self.signals = Signals()
        self._undo.append(self.signals.restore)
        self.waiter.watch(self.signals.fd)
        board = saved.boards if saved else None
        self.workers = Workers(self.waiter, post, self.error_log.write, board)
        self.workers.know(config)
        self._undo.append(self.workers.close)
        given = (saved.control, saved.control_inode) if saved else (-1, None)
        group = config.control_group
        self.control = ControlSocket(config.control, group, *given) if config.control else None
        self.conversations = Conversations(self.control, self.waiter)
        self._undo.append(self.conversations.close)
        self.troubles = Troubles(saved.troubles if saved else ())
        self.books = Books(saved.books if saved else None)
        self.monitoring = Monitoring(self, view)
        self._undo.append(self.monitoring.close)
        if saved:
            self.monitoring.adopt(dict(saved.monitors))
        else:
            self.monitoring.prepare(config)
            self.monitoring.put_in_force(config)
        self.lifeline = (saved.lifeline, saved.lifeline_writer) if saved else os.pipe()
        self._undo.append(lambda: _close_both(*self.lifeline))

    def _listen(self, config: Config) -> None:
        """Where a master was killed, its workers finish what they have in hand, up to drain_timeout, and only
        then let the sockets go: that is waited for. Raises CannotStart."""
        orphans = self.pidfile is not None and self.pidfile.left_by > 0
        longest = max(pool.drain_timeout for pool in config.pools) + _ORPHANS_MARGIN if orphans else 0.0
        until = time.monotonic() + longest
        while True:
            try:
                return self.listeners.prepare(config)
            except PlaceTaken as taken:
                stranger = taken.holder and WORKER_TITLE not in taken.holder
                if stranger or time.monotonic() >= until:
                    raise
            time.sleep(_PAUSE)

    def _take_over(self, saved: Saved) -> None:
        """The workers go on serving, and clients of fapwsctl keep their connections."""
        self.workers.gone = saved.gone
        self.workers.gone_tallies = dict(saved.gone_tallies)
        self.workers.gone_busy = dict(saved.gone_busy)
        self.workers.adopt(saved.workers, self.error_log)
        for fd in saved.clients:
            self.conversations.wait_for_reload(self.conversations.adopt(fd))
        for topic, fd in saved.drain_clients:
            self.conversations.wait_for(topic, self.conversations.adopt(fd))
        for fd in saved.other_clients:
            self.conversations.adopt(fd)

    @property
    def opened(self) -> Opened:
        """The places where we listen by TCP."""
        listeners = (*self.listeners.open.values(), *self.monitoring.open.values())
        return frozenset((listener.address.host, listener.address.port) for listener in listeners)

    def renew_pidfile(self) -> None:
        """Puts the file back if others have removed or changed it. Raises CannotStart."""
        if self.pidfile:
            try:
                self.pidfile.renew()
            except Held as error:
                raise CannotStart(f"the pidfile is another master's: {error}") from error
            except OSError as error:
                raise refused(f"cannot put the pidfile {self.pidfile.path} back", error) from error

    def release(self) -> None:
        """Gives all back."""
        for undo in reversed(self._undo):
            undo()
        self._undo = []


def _close_both(one: int, other: int) -> None:
    os.close(one)
    os.close(other)


def _take_pidfile(path: str, fd: int) -> Pidfile:
    try:
        return Pidfile(path, fd)
    except Held as error:
        raise CannotStart(str(error), TAKEN) from error
    except OSError as error:
        raise refused(f"cannot make the pidfile {path}", error) from error
