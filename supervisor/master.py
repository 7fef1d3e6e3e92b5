"""The master's loop: waits, tells the decision core what it saw, has done what the core orders.

Nothing is decided here: core/decide.py does that. Nothing is done here that one part can do alone: workers
are worker_orders.py's, reloads reload_orders.py's, the upgrade is upgrade/old_code.py's. A turn of the loop:
wait until a descriptor or a deadline is due; hear the workers and fapwsctl; take the signals; tick.
"""

from __future__ import annotations

import os
import time
from math import inf

from fapws import __version__
from fapws.lean import TYPE_CHECKING, Any, Callable, deque, signal
from fapws.outlet import Outlet
from fapws.settings.log_targets import STDERR
from fapws.settings.model import WORKERS_MAX, Config
from fapws.settings.source import Source
from fapws.visible import visible

from .control import status
from .control.commands import QUESTIONS, UPGRADE, Commands, drain_topic, scale_topic
from .control.troubles import BOOT, MASTER, Trouble
from .core import actions, decide, drain_rules, events, outlook, progress, texts, upgrade_rules
from .errors import FAILED, NOT_CONFIGURED, TAKEN, CannotStart
from .listen.lookup import look_up
from .listen.sleeping_pools import SleepingPools
from .process import title, worker_process
from .reload_orders import ReloadOrders
from .resources import Resources
from .upgrade.handover import Saved
from .upgrade.old_code import Upgrade
from .waiting import Readiness
from .worker_orders import WorkerOrders

if TYPE_CHECKING:
    from .questioning import Questioning

_LAST_WORDS = 0.5
"""Seconds that an upgrade waits for the rest of a message of a worker."""

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
        master = Master(look_up(config), reread, tell)
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
    """After an upgrade: the start was told long ago, by the master before."""


def tell_terminal(code: int, text: str) -> None:
    """Prints the outcome of a start on standard output, or on standard error if it failed."""
    outlet = Outlet(2 if code else 1)
    outlet.put(visible(text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace"))
    outlet.close()


class Master:
    """The loop, and the parts that it connects: what is decided is handed to the part that does it."""

    def __init__(self, config: Config, source: Source, tell: Tell, saved: Saved | None = None) -> None:
        """Takes pidfile, log and sockets, or takes them over. Raises CannotStart.

        ``source`` reads the configuration again. ``saved``: what an earlier master has left.
        """
        self.state = upgrade_rules.taken_over(saved.state) if saved else decide.State(config)
        self._source = source
        self._tell = tell
        self._began = saved.began if saved else time.monotonic()
        self._exit: int | None = None
        self._events: deque[events.Event] = deque()
        self._pumping = False
        self._questioning: Questioning | None = None
        self._resources = Resources(config, self._post, self, saved)
        self._compose(saved)

    def _compose(self, saved: Saved | None) -> None:
        resources = self._resources
        deaths, last = (saved.deaths, saved.last_reload) if saved else ((), None)
        self._sleeping = SleepingPools(resources.listeners, resources.waiter)
        self._worker_orders = WorkerOrders(resources, lambda: self.state, self._post, deaths)
        self._reload_orders = ReloadOrders(resources, self._source, lambda: self.state, self._post, last)
        self._upgrade = Upgrade(resources.waiter, resources.signals, self._save, self._post)
        resources.workers.on_other = self._upgrade.on_child
        resources.workers.on_exit = self._on_exit
        resources.workers.on_stacks = lambda *told: self._asking().on_stacks(*told)
        resources.workers.on_profiled = lambda *told: self._asking().on_profiled(*told)
        commands = Commands(
            self,
            self._post,
            resources.conversations,
            resources.troubles,
            self._reopen_logs,
            self._worker_orders.look_for_storms,
        )
        questions = dict.fromkeys(QUESTIONS, lambda *asked: self._asking().obey(*asked))
        resources.conversations.commands = {**commands.table(), **questions}
        self._orders = self._make_orders()
        for pool in self.state.config.pools:
            if pool.name in self.state.asleep:
                self._watch_pool(actions.WatchPool(pool))

    def _make_orders(self) -> dict[type[actions.Action], Callable[[Any], None]]:
        """What each action calls, which takes its own kind of action."""
        workers, reloads, upgrade = self._worker_orders, self._reload_orders, self._upgrade
        return {
            actions.Start: workers.start,
            actions.StartZygote: workers.start_zygote,
            actions.ZygoteHung: workers.zygote_hung,
            actions.ZygoteDied: workers.zygote_died,
            actions.SendDrain: workers.send_drain,
            actions.Terminate: workers.terminate,
            actions.Kill: workers.kill,
            actions.Look: workers.look,
            actions.SendPing: workers.send_ping,
            actions.Renew: workers.renew,
            actions.Late: workers.late,
            actions.Hung: workers.hung,
            actions.Slow: workers.slow,
            actions.SlowOver: workers.slow_over,
            actions.Spared: workers.spared,
            actions.Recycling: workers.recycling,
            actions.Died: workers.died,
            actions.DiedDraining: workers.died_draining,
            actions.WatchPool: self._watch_pool,
            actions.UnwatchPool: lambda action: self._sleeping.unwatch(action.pool),
            actions.Scaled: self._scaled,
            actions.TurnAway: workers.turn_away,
            actions.Welcome: self._welcome,
            actions.Drained: self._drained,
            actions.Leaving: self._leaving,
            actions.Prepare: reloads.prepare,
            actions.ReloadDone: reloads.done,
            actions.TryNewCode: lambda _action: upgrade.try_new_code(),
            actions.KillTrial: lambda _action: upgrade.kill_trial(),
            actions.Leap: self._leap,
            actions.UpgradeFailed: self._upgrade_failed,
            actions.Serving: self._serving,
            actions.CloseListeners: self._close_listeners,
            actions.Exit: self._leave,
        }

    # ---- The loop -------------------------------------------------------------------------------

    def run(self) -> int:
        """Serves until the core says Exit."""
        try:
            self._resources.signals.install()
            title.set_title(f"fapws: master {self.state.config.path}".rstrip())
            worker_process.prepare_memory()
            if self.state.phase == decide.NEW:
                self._say_that_it_begins()
                self._post(events.Boot())
            else:
                self._resources.error_log.write(f"upgraded in place to version {__version__}")
                self._resources.workers.reap()
                self._post(events.ReloadAsked())
            while self._exit is None:
                self._turn()
            return self._exit
        except BaseException:
            import traceback  # half a megabyte that is needed only here

            text = f"the master ends by a defect of its own\n{traceback.format_exc()}"
            self._resources.error_log.write_unless_watched(text)
            raise
        finally:
            self._upgrade.close()
            self._reload_orders.close()
            self._resources.release()

    def _say_that_it_begins(self) -> None:
        """And that the master before had no time to say that it ended, which nobody else remembers."""
        resources = self._resources
        resources.error_log.write_unless_watched(f"starting: version {__version__} (pid {os.getpid()})")
        left = resources.pidfile
        if left and left.left_by:
            text = texts.left_by(left.left_by, left.path)
            resources.error_log.write(text)
            resources.troubles.add(Trouble(time.monotonic(), MASTER, "", text))

    def _turn(self) -> None:
        resources = self._resources
        for ready in resources.waiter.wait(self._patience()):
            self._on_ready(ready)
        for number in sorted(resources.signals.take()):
            self._on_signal(number)
        if resources.logs.follow_syslog(time.monotonic()):
            resources.workers.renew_logs(resources.logs)
        self._reload_orders.end_overdue(time.monotonic())
        resources.monitoring.end_overdue(time.monotonic())
        if self._questioning:
            self._questioning.end_overdue(time.monotonic())
        resources.workers.bury_overdue(time.monotonic())
        self._post(events.Tick())
        if resources.notifier.listens:
            resources.notifier.status(self._reload_orders.summary())

    def _patience(self) -> float:
        now = time.monotonic()
        wakeup = decide.next_wakeup(self.state, now)
        resources = self._resources
        others = (resources.notifier.beat(now), resources.logs.look_due, self._reload_orders.due)
        asked = self._questioning.due if self._questioning else inf
        wakeup = min(wakeup, resources.workers.due)
        return max(0.0, min(wakeup, resources.monitoring.due, asked, *others) - now)

    def _on_ready(self, ready: Readiness) -> None:
        resources = self._resources
        if resources.conversations.on_ready(ready) or resources.workers.on_ready(ready.fd):
            return
        if self._upgrade.on_ready(ready.fd) or self._reload_orders.on_ready(ready.fd):
            return
        if resources.monitoring.on_ready(ready):
            return
        pool = self._sleeping.at(ready.fd)
        if pool is not None:
            self._post(events.Knocked(pool))

    def _on_exit(self, number: int, pool: str, code: int) -> None:
        self._worker_orders.on_exit(number)
        self._resources.books.worker_ends(self.state.children.get(number), pool, code)
        if self._questioning:
            self._questioning.on_exit(number)

    def _post(self, event: events.Event) -> None:
        """Tells the core; what its actions bring about is told after it, in order."""
        self._events.append(event)
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._events:
                before = self.state
                self.state, ordered = decide.step(before, self._events.popleft(), time.monotonic())
                if self._resources.conversations.followed:
                    for text in progress.steps(before, self.state):
                        self._resources.conversations.tell_step(text)
                for action in ordered:
                    self._orders[type(action)](action)
        finally:
            self._pumping = False

    def _asking(self) -> Questioning:
        """What asks single workers; it is brought in when somebody wants to know something of one."""
        if self._questioning is None:
            from .questioning import Questioning

            self._questioning = Questioning(self._resources, self, self._post)
        return self._questioning

    # ---- Signals --------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        event = _EVENTS.get(number)
        if event is not None:
            self._post(event)
        elif number == signal.SIGCHLD:
            self._resources.workers.reap()
        elif number == signal.SIGUSR1:
            self._reopen_logs()
        else:
            self._scale_all(1 if number == signal.SIGTTIN else -1)

    def _reopen_logs(self) -> str:
        """Opens the logs by their names again, for the workers too; the complaint, if there is one."""
        complaint = self._resources.logs.reopen()
        self._resources.workers.renew_logs(self._resources.logs)
        return complaint

    def _scale_all(self, step: int) -> None:
        for pool in self.state.config.pools:
            workers = min(max(pool.workers + step, 1), WORKERS_MAX)
            if workers != pool.workers:
                self._post(events.ScaleAsked(pool.name, workers))

    # ---- Orders that concern several parts ------------------------------------------------------

    def _serving(self, _action: actions.Serving) -> None:
        urls = self.urls()
        pools = [(pool.name, urls[pool.name]) for pool in self.state.config.pools]
        serve = sum(outlook.serving(self.state, pool) for pool in self.state.config.pools)
        workers = sum(pool.workers for pool in self.state.config.pools)
        automatic = [(pool.name, pool.automatic) for pool in self.state.config.pools if pool.automatic]
        line = texts.serving(pools, os.getpid(), serve, workers, automatic)
        lines = [line, *texts.doubts(self._resources.workers.doubts)]
        lately = self._resources.troubles.kept[-1:] if serve < workers else ()
        missed = [last.text for last in lately if last.kind == BOOT]
        self._tell(0, "\n".join(f"fapws: {told}" for told in (*lines, *missed)))
        self._resources.notifier.ready(self._reload_orders.summary())
        for told in lines:
            self._resources.error_log.write_unless_watched(told)

    def _watch_pool(self, action: actions.WatchPool) -> None:
        self._sleeping.watch(action.pool)
        text = f"pool {action.pool.name} has no clients: its workers leave until one comes"
        self._resources.error_log.write_unless_watched(text)

    def _scaled(self, action: actions.Scaled) -> None:
        self._resources.listeners.trim(self.state.config)
        self._resources.error_log.write(action.text)
        conversations = self._resources.conversations
        pools = {pool.name: pool.workers for pool in self.state.config.pools}
        asked_for = scale_topic(action.pool, pools.get(action.pool, ""))
        for topic in conversations.topics(scale_topic(action.pool)):
            overtaken = action.ok and topic != asked_for
            text = f"overtaken by another order: {action.text}" if overtaken else action.text
            ok = action.ok and not overtaken
            conversations.tell(topic, ok, **({"text": text} if ok else {"error": text}))

    def _welcome(self, action: actions.Welcome) -> None:
        self._worker_orders.welcome(action)
        error = f"pool {action.pool} is not to be drained any more"
        for topic in (drain_topic(action.pool), drain_topic("")):
            self._resources.conversations.tell(topic, False, error=error)

    def _drained(self, action: actions.Drained) -> None:
        self._resources.error_log.write(f"pool {action.pool} is drained: it has nothing in hand")
        tell = self._resources.conversations.tell
        tell(drain_topic(action.pool), True, text=f"pool {action.pool} has nothing in hand")
        stages = {p.name: drain_rules.stage(self.state, p.name) for p in self.state.config.pools}
        ready = [name for name, stage in stages.items() if stage == drain_rules.READY]
        if drain_rules.EMPTYING in stages.values():
            return
        if ready:
            error = f"ready for clients, because a reload has brought it meanwhile: {', '.join(ready)}"
            tell(drain_topic(""), False, error=error)
        else:
            tell(drain_topic(""), True, text="no pool has anything in hand")

    def _leaving(self, action: actions.Leaving) -> None:
        self._resources.notifier.stopping(self._reload_orders.summary())
        self._resources.error_log.write_unless_watched(texts.leaving(action.seconds))

    def _leap(self, _action: actions.Leap) -> None:
        self._resources.error_log.write("upgrading in place")
        self._resources.workers.write_partial_lines()
        self._resources.workers.hear_to_the_end(_LAST_WORDS)
        self._upgrade.leap()

    def _upgrade_failed(self, action: actions.UpgradeFailed) -> None:
        self._resources.error_log.write(texts.after("upgrade failed", action.reason))
        self._resources.conversations.tell(UPGRADE, False, error=action.reason)

    def _close_listeners(self, _action: actions.CloseListeners) -> None:
        self._sleeping.unwatch_all()
        self._resources.listeners.close()
        self._resources.notifier.stopping(self._reload_orders.summary())
        self._resources.error_log.write_unless_watched("stopping")

    def _leave(self, action: actions.Exit) -> None:
        self._exit = action.status
        if action.reason:
            self._tell(action.status, action.reason)
        text = texts.after("stopped", action.reason) if action.reason else "stopped"
        self._resources.error_log.write_unless_watched(text)

    # ---- What others look at --------------------------------------------------------------------

    def urls(self) -> dict[str, list[str]]:
        """Where each pool listens, as people type it."""
        of_pool = self._resources.listeners.of_pool
        return {pool.name: [listener.url for listener in of_pool(pool)] for pool in self.state.config.pools}

    def facts(self) -> status.Facts:
        """What the status is made of besides the core's state."""
        return status.Facts(
            pid=os.getpid(),
            began=self._began,
            urls=self.urls(),
            monitors={key: found.url for key, found in self._resources.monitoring.open.items()},
            workers=self._resources.workers.views(),
            gone=self._resources.workers.gone,
            deaths=self._worker_orders.deaths,
            last_reload=self._reload_orders.last,
        )

    def _save(self) -> Saved:
        """What the new code of an upgrade needs."""
        resources = self._resources
        reader, writer = resources.lifeline
        return Saved(
            state=self.state._replace(upgrade=None),
            source=self._source,
            workers=resources.workers.save({child.number: child.slot for child in self.state.children}),
            open=resources.listeners.open,
            lifeline=reader,
            lifeline_writer=writer,
            boards=resources.workers.board.fds(),
            pidfile=resources.pidfile.fd if resources.pidfile else -1,
            control=resources.control.fd if resources.control else -1,
            control_inode=resources.control.inode if resources.control else None,
            clients=resources.conversations.waiting_for(UPGRADE),
            began=self._began,
            gone=resources.workers.gone,
            deaths=self._worker_orders.deaths,
            last_reload=self._reload_orders.last,
            troubles=resources.troubles.kept,
            drain_clients=resources.conversations.waiting(drain_topic("")),
            other_clients=resources.conversations.not_waiting(),
            service=resources.notifier.service,
            error_log=-1 if resources.error_log.target == STDERR else resources.error_log.fd,
            access_logs=tuple(resources.logs.open_access_logs.items()),
            monitors=tuple(resources.monitoring.open.items()),
            gone_tallies=tuple(resources.workers.gone_tallies.items()),
            gone_busy=tuple(resources.workers.gone_busy.items()),
            books=resources.books.saved(resources.error_log.lost_ever),
        )


_EVENTS: dict[int, events.Event] = {
    signal.SIGTERM: events.StopAsked(fast=False),
    signal.SIGINT: events.StopAsked(fast=True, interrupted=True),
    signal.SIGQUIT: events.StopAsked(fast=True),
    signal.SIGHUP: events.ReloadAsked(in_storm=True),
    signal.SIGUSR2: events.UpgradeAsked(),
}
"""The event that a signal is, where it is one."""
