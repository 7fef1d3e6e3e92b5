"""The master's loop: waits, tells the decision core what it saw, does what the core orders.

Nothing is decided here. ``Master`` knows processes, sockets and clocks; decide.py knows what they
are for. A turn of the loop: wait until a descriptor or a deadline is due; hear the workers; take
the signals; reap; tick.
"""

from __future__ import annotations

import os
import sys
import time

from fapws import __version__, messages
from fapws.lean import Any, Callable, deque, signal
from fapws.settings.model import Config
from fapws.settings.problems import ConfigError
from fapws.settings.source import Source
from fapws.visible import visible

from .control import status
from .control.commands import WORKERS_MAX, Answering
from .control.control_socket import ControlSocket
from .control.conversations import Clients
from .core import actions, decide, events, texts
from .errors import FAILED, NOT_CONFIGURED, TAKEN, CannotStart, refused
from .listen.listeners import Listeners
from .logs.all_logs import Logs
from .logs.error_log import STDERR
from .process import title, worker_process
from .process.pidfile import Held, Pidfile
from .process.signals import Signals
from .process.systemd import Notifier, take_environment
from .process.worker_process import Inheritance
from .process.workers import Workers
from .upgrade.handover import Saved
from .upgrade.steps import Upgrading
from .waiting import Readiness, make_waiter

Tell = Callable[[int, str], None]
"""Is told the outcome of the start once: exit status (0: it serves) and the text for people."""


def run(config: Config, reread: Source, tell: Tell | None = None) -> int:
    """Runs a master until it is stopped, in this process; the exit status.

    ``reread`` gives the configuration for a reload; it raises ConfigError with the text for people.
    Without ``tell`` the outcome of the start goes to standard output, or error if it failed.
    """
    tell = tell or tell_terminal
    try:
        _check_places(config)
        master = Master(config, reread, tell)
    except CannotStart as error:
        tell(error.status, f"fapws: {error}")
        return FAILED if error.status == TAKEN else error.status
    return master.run()


def _check_places(config: Config) -> None:
    from fapws.settings.advice import missing_directories

    missing = missing_directories(config)
    if missing:
        raise CannotStart("; ".join(missing), NOT_CONFIGURED)


def tell_nobody(_code: int, _text: str) -> None:
    """After an upgrade: whoever waited for the start has long been told."""


def tell_terminal(code: int, text: str) -> None:
    """Prints the outcome of a start where somebody watches."""
    stream = sys.stderr if code else sys.stdout
    try:
        stream.write(visible(text.rstrip("\n")) + "\n")
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return  # closed: nobody watches


class Master(Answering, Upgrading):
    """Everything the running master holds."""

    def __init__(self, config: Config, reread: Source, tell: Tell, saved: Saved | None = None) -> None:
        """Takes pidfile, log and sockets, or takes them over. Raises CannotStart.

        Then nothing is left, except what an earlier master has saved: that stays as it is.
        """
        self._state = saved.state if saved else decide.State(config)
        self._reread = reread
        self._tell = tell
        self._began = saved.began if saved else time.monotonic()
        self._exit: int | None = None
        self._events: deque[events.Event] = deque()
        self._pumping = False
        self._notifier = Notifier(saved.service if saved else take_environment())
        self._knockers: dict[int, str] = {}
        """Listeners that are watched: the pool that sleeps."""
        self._unchanged = ""
        """Options that the reload under way could not change."""
        self._before = 0
        """The generation in force when it began."""
        self._deaths = saved.deaths if saved else ()
        self._last_reload = saved.last_reload if saved else None
        self._waiter = make_waiter()
        self._listeners = Listeners()
        self._undo: list[Callable[[], None]] = []
        try:
            self._take_resources(config, saved)
        except BaseException as error:
            if saved is None:
                self._release()
            if isinstance(error, OSError):
                raise refused("cannot start", error) from error
            raise
        if saved:
            self._take_over(saved)

    def _take_resources(self, config: Config, saved: Saved | None) -> None:
        """Each thing taken leaves its release behind; they run in the opposite order."""
        # First taken, last given up: whoever starts next finds nothing of ours in his way.
        lock = saved.pidfile if saved else -1
        self._pidfile = _take_pidfile(config.pidfile, lock) if config.pidfile else None
        if self._pidfile:
            self._undo.append(self._pidfile.release)
        if saved:
            self._listeners.adopt(saved.open)
        else:
            self._listeners.prepare(config)
        self._undo.append(self._listeners.remove_files)
        self._undo.append(self._listeners.close)
        self._logs = Logs(config)
        self._log = self._logs.error
        self._undo.append(self._logs.close)
        self._signals = Signals()
        self._undo.append(self._signals.restore)
        self._waiter.watch(self._signals.fd)
        board = saved.board if saved else -1
        self._workers = Workers(self._waiter, self._post, self._log.write, board)
        self._workers.on_other = self._on_child
        self._undo.append(self._workers.close)
        given = (saved.control, saved.control_inode) if saved else (-1, None)
        group = config.control_group
        self._control = ControlSocket(config.control, group, *given) if config.control else None
        self._clients = Clients(self._control, self._waiter, self.commands())
        self._undo.append(self._clients.close)
        self._lifeline = (saved.lifeline, saved.lifeline_writer) if saved else os.pipe()
        self._undo.append(lambda: _close_both(*self._lifeline))

    def _take_over(self, saved: Saved) -> None:
        """The workers go on serving; those of the new code follow by a reload."""
        self._workers.gone = saved.gone
        self._workers.adopt(saved.workers, self._log)
        for pool in self._state.config.pools:
            if pool.name in self._state.asleep:
                self._watch_pool(actions.WatchPool(pool))
        for fd in saved.clients:
            self._clients.wait_for_reload(self._clients.adopt(fd))
        for fd in saved.other_clients:
            self._clients.adopt(fd)

    def _release(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo = []

    # ---- The loop -------------------------------------------------------------------------------

    def run(self) -> int:
        """Serves until the core says Exit."""
        try:
            self._signals.install()
            title.set_title(f"fapws: master {self._state.config.path}".rstrip())
            worker_process.prepare_memory()
            if self._state.phase == decide.NEW:
                self._post(events.Boot())
            else:
                self._log.write(f"upgraded in place to version {__version__}")
                self._reap()
                self._post(events.ReloadAsked())
            while self._exit is None:
                self._turn()
            return self._exit
        except BaseException:
            import traceback  # half a megabyte that nobody else needs

            self._log_quietly(f"the master ends by a defect of its own\n{traceback.format_exc()}")
            raise
        finally:
            self._end_attempt()
            self._release()

    def _turn(self) -> None:
        for ready in self._waiter.wait(self._patience()):
            self._on_ready(ready)
        for number in sorted(self._signals.take()):
            _SIGNALS[number](self)
        if self._logs.follow_syslog(time.monotonic()):
            self._workers.renew_logs(self._logs)
        self._post(events.Tick())
        self._step_upgrade()

    def _patience(self) -> float:
        now = time.monotonic()
        wakeup = decide.next_wakeup(self._state, now)
        others = (self._notifier.beat(now), self._upgrade_deadline(), self._logs.look_due)
        return max(0.0, min(wakeup, *others) - now)

    def _on_ready(self, ready: Readiness) -> None:
        if self._clients.on_ready(ready) or self._workers.on_ready(ready.fd):
            return
        if self._hear_attempt(ready.fd):
            return
        sleeper = self._knockers.get(ready.fd)
        if sleeper is not None:
            self._post(events.Knocked(sleeper))

    def _post(self, event: events.Event) -> None:
        """Tells the core; what its actions bring about is told after it, in order."""
        self._events.append(event)
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._events:
                self._state, ordered = decide.step(self._state, self._events.popleft(), time.monotonic())
                for action in ordered:
                    _ACTIONS[type(action)](self, action)
        finally:
            self._pumping = False

    # ---- Workers --------------------------------------------------------------------------------

    def _start(self, action: actions.Start) -> None:
        try:
            fds = tuple(listener.fd for listener in self._listeners.of_slot(action.pool, action.slot))
        except CannotStart as error:
            reason = str(error)
        else:
            reason = self._workers.start(action, fds, Inheritance(self._lifeline[0], self._logs))
        if reason:
            self._events.append(events.WorkerFailed(action.worker, reason))
            self._events.append(events.WorkerExited(action.worker, 1))

    def _send_drain(self, action: actions.SendDrain) -> None:
        child = self._state.children.get(action.worker)
        ends = child is not None and self._listeners.let_go(child.pool, child.slot, self._state.config)
        # With its own queues it does as at a stop: it takes what waits there.
        if ends or not self._workers.send(action.worker, messages.Drain()):
            self._workers.signal(action.worker, signal.SIGTERM)

    def _terminate(self, action: actions.Terminate) -> None:
        self._workers.signal(action.worker, signal.SIGTERM)

    def _kill(self, action: actions.Kill) -> None:
        self._workers.signal(action.worker, signal.SIGKILL)

    def _look(self, _action: actions.Look) -> None:
        self._events.append(self._workers.look())

    def _send_ping(self, action: actions.SendPing) -> None:
        self._workers.send(action.worker, messages.Ping())

    def _hung(self, action: actions.Hung) -> None:
        child = action.child
        pid = self._workers.pid(child.number)
        line = self._workers.score(child.number).request_line
        age = time.monotonic() - child.born
        self._log.write(texts.hanging(child, pid, age, line, action.stopped))
        if not action.stopped:
            self._workers.signal(child.number, signal.SIGUSR2)

    def _spared(self, action: actions.Spared) -> None:
        self._log.write(texts.spared(action.child, self._workers.pid(action.child.number)))

    def _recycling(self, action: actions.Recycling) -> None:
        self._log.write(texts.recycling(action.child, self._workers.pid(action.child.number)))

    def _watch_pool(self, action: actions.WatchPool) -> None:
        for listener in self._listeners.queues_of_pool(action.pool):
            self._knockers[listener.fd] = action.pool.name
            self._waiter.watch(listener.fd)
        self._log_quietly(f"pool {action.pool.name} has no clients: its workers leave until one comes")

    def _unwatch_pool(self, action: actions.UnwatchPool) -> None:
        for fd in [fd for fd, pool in self._knockers.items() if pool == action.pool]:
            self._waiter.forget(fd)
            del self._knockers[fd]

    def _scaled(self, action: actions.Scaled) -> None:
        self._listeners.trim(self._state.config)
        self._log.write(action.text)
        topic = f"scale {action.pool}"
        if action.ok:
            self._clients.tell(topic, True, text=action.text)
        else:
            self._clients.tell(topic, False, error=action.text)

    def _died(self, action: actions.Died) -> None:
        child = action.child
        pid = self._workers.pid(child.number)
        text = texts.death(child, pid, action.status, action.age, action.requests)
        line = self._workers.score(child.number).request_line
        if line and not child.hung:
            text += f", in hand: {line}"
        self._log.write(f"{text}; {texts.refill(action.delay)}{texts.boot_reason(child)}")
        death = status.Death(time.monotonic(), child.pool, child.slot, pid, text)
        self._deaths = (*self._deaths, death)[-status.DEATHS_KEPT :]

    def _died_draining(self, action: actions.DiedDraining) -> None:
        number = action.child.number
        text = texts.death_draining(action.child, self._workers.pid(number), action.status)
        line = self._workers.score(number).request_line
        self._log.write(f"{text}, in hand: {line}" if line else text)

    # ---- Start, reload, stop --------------------------------------------------------------------

    def _serving(self, _action: actions.Serving) -> None:
        pools = [(pool.name, self._urls()[pool.name]) for pool in self._state.config.pools]
        workers = sum(pool.workers for pool in self._state.config.pools)
        line = texts.serving(pools, os.getpid(), workers)
        self._tell(0, f"fapws: {line}")
        self._notifier.ready(line)
        self._log_quietly(line)

    def _prepare(self, _action: actions.Prepare) -> None:
        self._clients.reload_begins()
        self._notifier.reloading()
        self._before = self._state.generation
        try:
            config = self._keep_what_cannot_change(self._reread())
            self._renew_pidfile()
            self._listeners.prepare(config)
            self._logs.prepare(config)
        except (ConfigError, CannotStart) as error:
            self._events.append(events.Refused(str(error)))
        except Exception:
            # A defect of the reader must not take the service down; the reload fails and says why.
            import traceback  # half a megabyte that nobody else needs

            self._events.append(events.Refused(traceback.format_exc()))
        else:
            self._events.append(events.Prepared(config))

    def _renew_pidfile(self) -> None:
        """Others may have removed or changed the file. Raises CannotStart."""
        if self._pidfile:
            try:
                self._pidfile.renew()
            except Held as error:
                raise CannotStart(f"the pidfile is another master's: {error}") from error
            except OSError as error:
                raise refused(f"cannot put the pidfile {self._pidfile.path} back", error) from error

    def _keep_what_cannot_change(self, config: Config) -> Config:
        """A pidfile or control socket that moved while it is in use takes a restart."""
        now = self._state.config
        kept = config._replace(pidfile=now.pidfile, control=now.control)
        names = [name for name in ("pidfile", "control") if getattr(kept, name) != getattr(config, name)]
        self._unchanged = texts.unchanged(names)
        return kept

    def _reload_done(self, action: actions.ReloadDone) -> None:
        if self._state.phase == decide.RUNNING:
            try:
                self._listeners.settle(action.config, self._state.generation != self._before)
                if self._logs.settle(action.config):
                    self._workers.renew_logs(self._logs)
                self._clients.renew_socket(action.config.control_group)
            except (OSError, CannotStart) as error:
                self._log.write(f"the reload left something behind: {error}")
        text = action.text + (self._unchanged if action.ok else "")
        self._log.write(texts.after(f"reload {'done' if action.ok else 'failed'}", text))
        self._last_reload = status.LastReload(time.monotonic(), action.ok, text)
        if self._state.phase == decide.RUNNING:
            self._notifier.ready(text if action.ok else "serving; the last reload failed")
        if action.ok:
            self._clients.reload_ends(True, text=text)
        else:
            self._clients.reload_ends(False, error=text)
            self._workers.tell_broken(text, {p.name for p in action.config.pools if p.autoreload})

    def _close_listeners(self, _action: actions.CloseListeners) -> None:
        for pool in set(self._knockers.values()):
            self._unwatch_pool(actions.UnwatchPool(pool))
        self._listeners.close()
        self._notifier.stopping()
        self._log_quietly("stopping")

    def _leave(self, action: actions.Exit) -> None:
        self._exit = action.status
        if action.reason:
            self._tell(action.status, action.reason)
        self._log_quietly(action.reason or "stopped")

    def _reap(self) -> None:
        self._workers.reap()

    # ---- Signals --------------------------------------------------------------------------------

    def _on_term(self) -> None:
        self._post(events.StopAsked(fast=False))

    def _on_int(self) -> None:
        self._post(events.StopAsked(fast=True, interrupted=True))

    def _on_quit(self) -> None:
        self._post(events.StopAsked(fast=True))

    def _on_hup(self) -> None:
        self._post(events.ReloadAsked(in_storm=True))

    def _on_usr1(self) -> None:
        self._reopen_logs()

    def _reopen_logs(self) -> str:
        """Opens the logs by their names again, for the workers too; the complaint, if there is one."""
        complaint = self._logs.reopen()
        self._workers.renew_logs(self._logs)
        return complaint

    def _on_ttin(self) -> None:
        self._scale_all(1)

    def _on_ttou(self) -> None:
        self._scale_all(-1)

    def _scale_all(self, step: int) -> None:
        for pool in self._state.config.pools:
            workers = min(max(pool.workers + step, 1), WORKERS_MAX)
            if workers != pool.workers:
                self._post(events.ScaleAsked(pool.name, workers))

    def _on_usr2(self) -> None:
        self._ask_upgrade()

    def _log_quietly(self, text: str) -> None:
        """For the file only: on a terminal it would say what is seen anyway."""
        if self._log.target != STDERR:
            self._log.write(text)


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


_SIGNALS: dict[int, Callable[[Master], None]] = {
    signal.SIGTERM: Master._on_term,
    signal.SIGINT: Master._on_int,
    signal.SIGQUIT: Master._on_quit,
    signal.SIGHUP: Master._on_hup,
    signal.SIGUSR1: Master._on_usr1,
    signal.SIGUSR2: Master._on_usr2,
    signal.SIGTTIN: Master._on_ttin,
    signal.SIGTTOU: Master._on_ttou,
    signal.SIGCHLD: Master._reap,
}

# Each takes its own kind of action, which the type of a dict cannot say.
_ACTIONS: dict[type[actions.Action], Callable[[Master, Any], None]] = {
    actions.Start: Master._start,
    actions.SendDrain: Master._send_drain,
    actions.Terminate: Master._terminate,
    actions.Kill: Master._kill,
    actions.Look: Master._look,
    actions.SendPing: Master._send_ping,
    actions.Hung: Master._hung,
    actions.Spared: Master._spared,
    actions.Recycling: Master._recycling,
    actions.WatchPool: Master._watch_pool,
    actions.UnwatchPool: Master._unwatch_pool,
    actions.Scaled: Master._scaled,
    actions.Prepare: Master._prepare,
    actions.Serving: Master._serving,
    actions.Died: Master._died,
    actions.DiedDraining: Master._died_draining,
    actions.CloseListeners: Master._close_listeners,
    actions.ReloadDone: Master._reload_done,
    actions.Exit: Master._leave,
}
