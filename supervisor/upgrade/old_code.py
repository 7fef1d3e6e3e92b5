"""The master's side of an upgrade in place. A part of Master, which owns everything named here.

wanted -> (nothing else is under way) -> a child tries the new code -> exec, or the reason why not.
"""

from __future__ import annotations

import os
import time

from fapws.lean import signal
from fapws.settings.source import Source

from ..control import status
from ..control.control_socket import ControlSocket
from ..control.conversations import Clients
from ..core import decide, texts
from ..core import worker_states as states
from ..listen.listeners import Listeners
from ..logs.error_log import Log
from ..process import signals, systemd
from ..process.pidfile import Pidfile
from ..process.workers import Workers
from ..waiting import Waiter
from . import new_code
from .handover import Saved, encode

TOPIC = "upgrade"
"""What clients wait for."""


class Upgrading:
    """From the wish to the exec."""

    _state: decide.State
    _reread: Source
    _clients: Clients
    _control: ControlSocket | None
    _pidfile: Pidfile | None
    _listeners: Listeners
    _workers: Workers
    _signals: signals.Signals
    _waiter: Waiter
    _log: Log
    _notifier: systemd.Notifier
    _lifeline: tuple[int, int]
    _began: float
    _deaths: tuple[status.Death, ...]
    _last_reload: status.LastReload | None

    _upgrade_wanted = False
    _upgrade_checked = False
    _attempt: new_code.Attempt | None = None

    def _ask_upgrade(self) -> None:
        if self._state.phase == decide.RUNNING:
            self._upgrade_wanted = True

    def _step_upgrade(self) -> None:
        """Once a turn: goes on if it can."""
        if self._attempt is not None:
            if new_code.overdue(self._attempt):
                os.kill(self._attempt.pid, signal.SIGKILL)
        elif self._upgrade_wanted and self._state.phase != decide.RUNNING:
            self._fail_upgrade("the server is stopping")
        elif self._upgrade_wanted and self._quiet():
            if self._upgrade_checked:
                self._leap()
            else:
                self._try_new_code()

    def _upgrade_deadline(self) -> float:
        """When _step_upgrade() has something to do at the latest, in monotonic seconds."""
        return self._attempt.deadline if self._attempt else float("inf")

    def _quiet(self) -> bool:
        """Whether nothing is under way that the successor would have to finish."""
        state = self._state
        busy = state.children.any_state(states.STARTING, states.HUNG)
        return state.reload is None and not state.queued and not state.scaling and not busy

    def _try_new_code(self) -> None:
        try:
            self._attempt = new_code.Attempt(encode(self._save()), time.monotonic())
        except OSError as error:
            self._fail_upgrade(f"the new code cannot be tried: {error.strerror}")
            return
        self._waiter.watch(self._attempt.fd)

    def _hear_attempt(self, fd: int) -> bool:
        """Takes what the child says; False: it is not the child's descriptor."""
        if self._attempt is None or fd != self._attempt.fd:
            return False
        if not self._attempt.read():
            self._waiter.forget(fd)
        return True

    def _on_child(self, pid: int, code: int) -> None:
        """A child has ended that is no worker."""
        if self._attempt is None or pid != self._attempt.pid:
            return
        if not self._attempt.ended:
            self._waiter.forget(self._attempt.fd)
        reason = self._attempt.result(code)
        self._attempt = None
        if reason:
            self._fail_upgrade(reason)
        else:
            self._upgrade_checked = True

    def _leap(self) -> None:
        former = signals.block()
        try:
            if self._signals.any_noted:
                return  # a TERM that was caught would die with this program: it is obeyed first
            self._log.write("upgrading in place")
            self._workers.finish_lines()
            saved = self._save()
            new_code.leap(encode(saved), new_code.descriptors_of(saved))
        except OSError as error:
            self._fail_upgrade(f"the new code cannot be run: {error.strerror}")
        finally:
            signals.unblock(former)

    def _end_attempt(self) -> None:
        """The master ends: so does the child that tries the new code."""
        if self._attempt is not None:
            os.kill(self._attempt.pid, signal.SIGKILL)
            os.waitpid(self._attempt.pid, 0)
            self._attempt = None

    def _fail_upgrade(self, reason: str) -> None:
        self._upgrade_wanted = self._upgrade_checked = False
        self._log.write(texts.after("upgrade failed", reason))
        self._clients.tell(TOPIC, False, error=reason)

    def _save(self) -> Saved:
        reader, writer = self._lifeline
        return Saved(
            state=self._state,
            source=self._reread,
            workers=self._workers.save({child.number: child.slot for child in self._state.children}),
            open=self._listeners.open,
            lifeline=reader,
            lifeline_writer=writer,
            board=self._workers.board.fd,
            pidfile=self._pidfile.fd if self._pidfile else -1,
            control=self._control.fd if self._control else -1,
            control_inode=self._control.inode if self._control else None,
            clients=self._clients.waiting_for(TOPIC),
            began=self._began,
            gone=self._workers.gone,
            deaths=self._deaths,
            last_reload=self._last_reload,
            other_clients=self._clients.not_waiting(),
            service=self._notifier.service,
        )
