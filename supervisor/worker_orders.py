"""Carries out what the decision core orders about single workers, and logs what becomes of them."""

from __future__ import annotations

import time

from fapws import messages
from fapws.lean import TYPE_CHECKING, Callable, signal

from .control import status
from .control.troubles import BOOT, CRASH, HANG, Trouble
from .core import actions, events, texts
from .core import worker_states as states
from .core.children import Child
from .core.decide import State
from .errors import CannotStart
from .process.last_requests import GOES_ON
from .process.worker_process import Inheritance
from .process.workers import Post
from .resources import Resources

if TYPE_CHECKING:
    from .slow_requests import Slowness


class WorkerOrders:
    """Remembers the last deaths, for the status."""

    def __init__(
        self, resources: Resources, state: Callable[[], State], post: Post, deaths: tuple[status.Death, ...]
    ) -> None:
        """``state``: gives the core's state as it is now. ``deaths``: those before an upgrade in place."""
        self.deaths = deaths
        self._listeners = resources.listeners
        self._workers = resources.workers
        self._log = resources.error_log
        self._troubles = resources.troubles
        self._refusals = resources.workers.refusals()
        self._reasons = resources.workers.reasons()
        self._inheritance = Inheritance(resources.lifeline[0], resources.logs)
        self._state = state
        self._post = post
        self._slowness: Slowness | None = None
        """None: no request was found slow so far."""

    def start(self, action: actions.Start) -> None:
        """Forks it; what prevents that counts as a failed start."""
        try:
            fds = tuple(listener.fd for listener in self._listeners.of_slot(action.pool, action.slot))
        except CannotStart as error:
            reason = str(error)
        else:
            state = self._state()
            config = (state.reload or state).config
            counts = config.status is not None or action.pool.reload_watch > 0
            reason = self._workers.start(action, fds, self._inheritance, config.isolate, counts)
        if reason:
            self._post(events.WorkerFailed(action.worker, reason))
            self._post(events.WorkerExited(action.worker, 1))

    def start_zygote(self, action: actions.StartZygote) -> None:
        """Forks it; what prevents that is why it fails."""
        try:
            fds = tuple(listener.fd for listener in self._listeners.of_slot(action.pool, 0))
        except CannotStart as error:
            reason = str(error)
        else:
            state = self._state()
            isolate = (state.reload or state).config.isolate
            reason = self._workers.start_zygote(action, fds, self._inheritance, isolate)
        if reason:
            self._post(events.ZygoteFailed(action.zygote, reason))
            self._post(events.ZygoteExited(action.zygote, 1))

    def zygote_hung(self, action: actions.ZygoteHung) -> None:
        """Logs it and, unless it is stopped, asks it for its stack."""
        zygote = action.zygote
        pid, age = self._workers.pid(zygote.number), time.monotonic() - zygote.born
        self._log.write(texts.zygote_hanging(zygote, pid, age, states.HUNG_GRACE))
        if not action.stopped:
            self._workers.ask_stacks(zygote.number, for_log=True)

    def zygote_died(self, action: actions.ZygoteDied) -> None:
        """Logs it."""
        pid = self._workers.pid(action.zygote.number)
        self._log.write(texts.zygote_death(action.zygote, pid, action.status, action.age))

    def send_drain(self, action: actions.SendDrain) -> None:
        """With the Drain message, or by SIGTERM if it has to empty queues of its own first."""
        state = self._state()
        child = state.children.get(action.worker)
        queues_end = child is not None and self._listeners.let_go(child.pool, child.slot, state.config)
        if queues_end or not self._workers.send(action.worker, messages.Drain()):
            self._workers.signal(action.worker, signal.SIGTERM)

    def turn_away(self, action: actions.TurnAway) -> None:
        """Logs it, and tells every process of the pool, those that still load the application too."""
        self._log.write(f"pool {action.pool} is not ready for clients any more")
        self._workers.tell_pool(action.pool, messages.TurnAway())

    def welcome(self, action: actions.Welcome) -> None:
        """The opposite."""
        self._log.write(f"pool {action.pool} is ready for clients again")
        self._workers.tell_pool(action.pool, messages.Welcome())

    def terminate(self, action: actions.Terminate) -> None:
        """By SIGTERM; and by message, because the application may have taken the signal for itself."""
        self._workers.signal(action.worker, signal.SIGTERM)
        self._workers.send(action.worker, messages.Drain())

    def kill(self, action: actions.Kill) -> None:
        """By SIGKILL."""
        self._workers.signal(action.worker, signal.SIGKILL)

    def look(self, _action: actions.Look) -> None:
        """Reads the scoreboard, and sees where clients wait."""
        state = self._state()
        pools = {pool.name: pool for pool in state.config.pools if pool.request_timeout}
        children = [child for child in state.children if child.pool in pools and child.active]
        somebody_waits = self._listeners.somebody_waits
        waiting = {child.number for child in children if somebody_waits(pools[child.pool], child.slot)}
        self.look_for_storms()
        self._post(self._workers.look(waiting))

    def look_for_storms(self) -> None:
        """Whether many requests were refused since the last time."""
        before, self._refusals = self._refusals, self._workers.refusals()
        if any(refused != before.get(pool, (0, 0))[0] for pool, (refused, _) in self._refusals.items()):
            reasons_before, self._reasons = self._reasons, self._workers.reasons()
            self._troubles.look(before, self._refusals, reasons_before, self._reasons)

    def send_ping(self, action: actions.SendPing) -> None:
        """One that cannot be told is found silent, which is what the ping is for."""
        self._workers.send(action.worker, messages.Ping())

    def renew(self, action: actions.Renew) -> None:
        """One that cannot be told keeps its connections."""
        self._workers.renew(action.worker)

    def late(self, action: actions.Late) -> None:
        """Asks it for its stack, unless that would end it."""
        from .process.caught import catches  # a start that takes so long is rare

        number = action.child.number
        if catches(self._workers.pid(number), signal.SIGUSR2) is not False:
            self._workers.ask_stacks(number, for_log=True)

    def hung(self, action: actions.Hung) -> None:
        """Logs it and, unless it is stopped, asks it for its stack."""
        child = action.child
        pid = self._workers.pid(child.number)
        line = self._workers.score(child.number).request_line
        age = time.monotonic() - child.born
        self._log.write(texts.hanging(child, pid, age, line, action.stopped))
        if not action.stopped:
            self._workers.ask_stacks(child.number, for_log=True)

    def slow(self, action: actions.Slow) -> None:
        """Logs it, with a stack."""
        if self._slowness is None:
            try:
                from .slow_requests import Slowness
            except ImportError:  # the installation has been removed: a master serves on without this line
                return
            self._slowness = Slowness(self._workers, self._log.write)
        self._slowness.slow(action)

    def slow_over(self, action: actions.SlowOver) -> None:
        """Logs it."""
        if self._slowness is not None:
            self._slowness.over(action)

    def on_exit(self, number: int) -> None:
        """Before a worker's row is given back: it may have finished a slow request at last."""
        if self._slowness is not None:
            self._slowness.on_exit(number)

    def spared(self, action: actions.Spared) -> None:
        """Logs it."""
        self._log.write(texts.spared(action.child, self._workers.pid(action.child.number)))

    def recycling(self, action: actions.Recycling) -> None:
        """Logs it."""
        self._log.write(texts.recycling(action.child, self._workers.pid(action.child.number)))

    def died(self, action: actions.Died) -> None:
        """Logs it, with the request that it was working on, and remembers it."""
        child = action.child
        pid = self._workers.pid(child.number)
        text = texts.death(child, pid, action.status, action.age, action.requests)
        line = self._workers.score(child.number).request_line
        if line and not child.hung:
            text += f", in hand: {line}"
        last = self._last_requests(child.number)
        told = f"{text}; {texts.refill(action.delay)}{texts.boot_reason(child)}"
        self._log.write("\n".join((told, *texts.last_requests(last))))
        death = status.Death(time.monotonic(), child.pool, child.slot, pid, text)
        self.deaths = (*self.deaths, death)[-status.DEATHS_KEPT :]
        booted = child.state in (states.SERVING, states.HUNG)
        in_hand = f", in hand: {line}" if line and child.hung else ""
        self._remember(child, HANG if child.hung else CRASH if booted else BOOT, text + in_hand, last)

    def died_draining(self, action: actions.DiedDraining) -> None:
        """Logs it, with the request that is lost by that."""
        number = action.child.number
        text = texts.death_draining(action.child, self._workers.pid(number), action.status)
        line = self._workers.score(number).request_line
        text = f"{text}, in hand: {line}" if line else text
        last = self._last_requests(number)
        self._log.write("\n".join((text, *texts.last_requests(last))))
        self._remember(action.child, CRASH, text, last)

    def _remember(self, child: Child, kind: str, text: str, last: tuple[str, ...]) -> None:
        reason = child.reason.rstrip("\n")
        late = kind == BOOT and child.deadline_missed
        if kind == BOOT and reason and not late:
            text = f"{text}: {texts.headline(reason)}"
        self._troubles.add(
            Trouble(
                at=time.monotonic(),
                kind=kind,
                pool=child.pool,
                text=text,
                traceback="" if late else reason,
                stack=reason if late else self._troubles.take_stack(child.number),
                printed=self._workers.printed(child.number),
                requests=last,
            )
        )

    def _last_requests(self, number: int) -> tuple[str, ...]:
        return tuple(
            texts.answered(found.line, found.status, found.ms, found.ms == GOES_ON)
            for found in self._workers.last_requests(number)
        )
