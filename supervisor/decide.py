"""What the master does next: ``step(state, event, now) -> (state, actions)``. Pure.

The master's own life is BOOTING -> RUNNING -> STOPPING -> ENDED, and while it runs a reload may be
on its way: CHECKING the new configuration, then a CANARY in every pool, then ROLLING the rest over;
or UNDOING, when a canary failed. Whatever the event, a step ends in ``settle``, which compares what
there is with what there should be and orders the difference: an event that is lost or comes twice
cannot leave a hole.

Kept at every step: a pool has at most one process more than it has workers; nobody who serves is
retired before somebody of the new generation serves; every process ordered is waited for.
"""

from __future__ import annotations

from math import inf
from typing import Any, Callable, NamedTuple

from fapws.config.model import Config, Pool
from fapws.supervisor import events, states, texts
from fapws.supervisor.children import Child, Children

NEW = "new"
BOOTING = "booting"
"""The first worker of each pool starts, one after the other; if one cannot, the start failed."""
RUNNING = "running"
STOPPING = "stopping"
ENDED = "ended"

CHECKING = "checking"
CANARY = "canary"
ROLLING = "rolling"
UNDOING = "undoing"

FAST_GRACE = 1.0
"""Seconds that a fast stop leaves the workers between TERM and KILL."""
ROLL_ATTEMPTS = 3
"""Failures in a row of one replacement, after its canary had been good, that end a reload."""


class Reload(NamedTuple):
    """A reload on its way."""

    generation: int
    """What its workers will carry."""
    stage: str
    began: float
    config: Config
    """The new configuration; the old one while CHECKING."""
    replaced: int = 0
    """Workers that were told to drain because a replacement serves."""
    reason: str = ""
    """UNDOING: why."""


class State(NamedTuple):
    """Everything that the decisions depend on."""

    config: Config
    children: Children = Children()
    phase: str = NEW
    generation: int = 1
    """Of the configuration in force."""
    latest: int = 1
    """The last generation number given; failed reloads use them up too."""
    last_number: int = 0
    """The last worker number given."""
    reload: Reload | None = None
    queued: bool = False
    """Whether another reload follows; a hundred requests for one are one."""
    announced: bool = False
    """Whether Serving was ordered."""
    status: int = 0
    """The master's exit status."""
    reason: str = ""
    """Why the start failed."""


def step(state: State, event: events.Event, now: float) -> tuple[State, list[events.Action]]:
    """The state after an event, and what to do, in this order. ``now``: monotonic seconds."""
    turn = _Turn(state, now)
    _HANDLERS[type(event)](turn, event)
    turn.settle()
    return turn.result()


def next_wakeup(state: State, now: float) -> float:
    """When a Tick is due at the latest, in monotonic seconds; ``inf``: never."""
    return state.children.next_deadline(now)


class _Turn:
    """One step under construction; its methods are the rules."""

    def __init__(self, state: State, now: float) -> None:
        self.state = state
        self.children = state.children.copy()
        self.now = now
        self.actions: list[events.Action] = []

    def result(self) -> tuple[State, list[events.Action]]:
        return self.state._replace(children=self.children), self.actions

    # ---- What there should be -------------------------------------------------------------------

    def settle(self) -> None:
        """Orders the difference between what there is and what there should be."""
        self._tidy()
        self._expire()
        if self.state.phase == BOOTING:
            self._settle_boot()
        if self.state.phase == RUNNING:
            self._fill()
            self._announce()
            self._settle_reload()
        if self.state.phase == STOPPING and not self.children.processes():
            self.state = self.state._replace(phase=ENDED)
            self.actions.append(events.Exit(self.state.status, self.state.reason))

    def _expire(self) -> None:
        """Deadlines that have passed."""
        for child in self.children:
            if child.deadline > self.now:
                continue
            cell = states.TABLE[child.state][states.OVERDUE]
            if cell.order == states.KILL:
                self._enter(child, cell.state, inf)
                self.actions.append(events.Kill(child.number))
            elif cell.order == states.START:
                self._refill(child)

    def _tidy(self) -> None:
        """Forgets empty slots that nobody wants, or that somebody newer occupies."""
        for child in self.children:
            if child.state == states.BACKING_OFF and (not self._wanted(child) or self._succeeded(child)):
                self._enter(child, states.GONE, inf)

    def _fill(self) -> None:
        """Starts a worker in every slot that has none."""
        for pool in self.state.config.pools:
            taken = {child.slot for child in self.children.of_pool(pool.name) if child.active}
            for slot in range(pool.workers):
                if slot not in taken and self._room(pool.name):
                    self._start(pool, slot, self.state.generation)

    def _announce(self) -> None:
        """Serving, once every worker of the first start has become ready or failed."""
        if not self.state.announced and not self._any_state(states.STARTING, states.KILLED):
            self.state = self.state._replace(announced=True)
            self.actions.append(events.Serving())

    # ---- The first start ------------------------------------------------------------------------

    def on_boot(self, _event: events.Boot) -> None:
        if self.state.phase == NEW:
            self.state = self.state._replace(phase=BOOTING)

    def _settle_boot(self) -> None:
        if self._canaries(self.state.config, self.state.generation):
            self.state = self.state._replace(phase=RUNNING)

    def _canaries(self, config: Config, generation: int) -> bool:
        """Starts the first worker of each pool, one after the other; True once all serve."""
        for pool in config.pools:
            mine = [child for child in self.children.of_pool(pool.name) if child.generation == generation]
            if not mine:
                if self._room(pool.name):
                    self._start(pool, 0, generation)
                return False
            if all(child.state != states.SERVING for child in mine):
                return False
        return True

    # ---- What happens to a worker ---------------------------------------------------------------

    def on_ready(self, event: events.WorkerReady) -> None:
        child = self.children.get(event.worker)
        if child is not None and child.state == states.STARTING:
            self._enter(child, states.TABLE[child.state][states.READY].state, inf)

    def on_failed(self, event: events.WorkerFailed) -> None:
        child = self.children.get(event.worker)
        if child is not None:
            self.children.put(child._replace(reason=event.reason))

    def on_exited(self, event: events.WorkerExited) -> None:
        child = self.children.get(event.worker)
        if child is None or not child.has_process:
            return
        if states.TABLE[child.state][states.EXITED].state == states.GONE:
            self._enter(child, states.GONE, inf)
        elif self.state.phase == BOOTING:
            self._enter(child, states.GONE, inf)
            reason = texts.boot_failure(child, event.status, self.now - child.born)
            self._fail_boot(texts.start_failure(child, reason))
        elif self._is_canary(child):
            self._enter(child, states.GONE, inf)
            self._undo(texts.boot_failure(child, event.status, self.now - child.born))
        else:
            self._crashed(child, event)

    def _crashed(self, child: Child, event: events.WorkerExited) -> None:
        """Leaves the slot backing off; how long depends on how often it failed in a row."""
        healthy = child.state == states.SERVING and self.now - child.since >= states.HEALTHY_AFTER
        failures = 1 if healthy else child.failures + 1
        delay = states.backoff(failures)
        self.children.put(
            child._replace(
                state=states.BACKING_OFF,
                since=self.now,
                deadline=self.now + delay,
                failures=failures,
            )
        )
        self.actions.append(
            events.Died(
                child._replace(failures=failures),
                event.status,
                self.now - child.born,
                event.requests,
                delay,
            )
        )

    def _refill(self, child: Child) -> None:
        pool = self._pool(child.pool)
        if pool is not None and self._room(child.pool):
            self._enter(child, states.GONE, inf)
            self._start(pool, child.slot, self.state.generation, child.failures)

    # ---- Reload ---------------------------------------------------------------------------------

    def on_reload_asked(self, _event: events.ReloadAsked) -> None:
        if self.state.phase in (BOOTING, RUNNING):
            self.state = self.state._replace(queued=True)

    def on_prepared(self, event: events.Prepared) -> None:
        reload = self.state.reload
        if reload is not None and reload.stage == CHECKING:
            self._set_reload(reload._replace(stage=CANARY, config=event.config))

    def on_refused(self, event: events.Refused) -> None:
        reload = self.state.reload
        if reload is not None and reload.stage == CHECKING:
            self._reload_done(False, event.reason)

    def _settle_reload(self) -> None:
        reload = self.state.reload
        if reload is None:
            if self.state.queued and self.state.announced:
                self._begin_reload()
        elif reload.stage == CANARY:
            if self._canaries(reload.config, reload.generation):
                self._commit(reload)
                self._roll()
        elif reload.stage == ROLLING:
            self._roll()
        elif reload.stage == UNDOING and not self._any_of(reload.generation):
            self._reload_done(False, reload.reason)

    def _begin_reload(self) -> None:
        generation = self.state.latest + 1
        self.state = self.state._replace(
            latest=generation,
            queued=False,
            reload=Reload(generation, CHECKING, self.now, self.state.config),
        )
        self.actions.append(events.Prepare())

    def _commit(self, reload: Reload) -> None:
        """Every canary serves: the new configuration is in force; who is old and useless goes."""
        self.state = self.state._replace(config=reload.config, generation=reload.generation)
        self._set_reload(reload._replace(stage=ROLLING))
        for child in self.children:
            if self._old(child) and child.state != states.SERVING:
                self._retire(child)
        self._fill()

    def _roll(self) -> None:
        """Retires whoever has a successor; then the next one gets his, if nothing is under way."""
        for child in self.children:
            if self._old(child) and child.active and self._superseded(child):
                self._retire(child)
        pending = self._pending_replacement()
        if pending is not None:
            if pending.state == states.BACKING_OFF and pending.failures >= ROLL_ATTEMPTS:
                self._give_up(pending)
            return
        if any(self._old(child) and not child.active for child in self.children):
            return
        self._roll_next()

    def _roll_next(self) -> None:
        old = next((child for child in self.children if self._old(child)), None)
        if old is not None:
            pool = self._pool(old.pool)
            if pool is not None and self._room(old.pool):
                self._start(pool, old.slot, self.state.generation)
        elif not self._any_state(states.STARTING):
            reload = self.state.reload
            assert reload is not None
            seconds = self.now - reload.began
            self._reload_done(True, texts.reload_success(reload.generation, reload.replaced, seconds))

    def _pending_replacement(self) -> Child | None:
        """A new worker that does not serve yet, in a slot where the old one still does."""
        old_slots = {(c.pool, c.slot) for c in self.children if self._old(c) and c.active}
        for child in self.children:
            if (
                not self._old(child)
                and child.active
                and child.state != states.SERVING
                and (child.pool, child.slot) in old_slots
            ):
                return child
        return None

    def _give_up(self, replacement: Child) -> None:
        self._enter(replacement, states.GONE, inf)
        left = sum(self._old(child) and child.active for child in self.children)
        self._reload_done(False, texts.reload_incomplete(replacement, left))

    def _undo(self, reason: str) -> None:
        """A canary failed: those that already serve leave again, then the reload has failed."""
        reload = self.state.reload
        assert reload is not None
        self._set_reload(reload._replace(stage=UNDOING, reason=reason))
        for child in self.children:
            if child.generation == reload.generation:
                self._retire(child)

    def _reload_done(self, ok: bool, text: str) -> None:
        self.state = self.state._replace(reload=None)
        self.actions.append(events.ReloadDone(ok, text, self.state.config))
        if self.state.queued and self.state.phase == RUNNING:
            self._begin_reload()

    def _set_reload(self, reload: Reload) -> None:
        self.state = self.state._replace(reload=reload)

    # ---- Stop -----------------------------------------------------------------------------------

    def on_stop(self, event: events.StopAsked) -> None:
        if self.state.phase in (STOPPING, ENDED):
            self._hurry()
        else:
            self._stop(event.fast)

    def _fail_boot(self, reason: str) -> None:
        self.state = self.state._replace(status=1, reason=reason)
        self._stop(fast=True)

    def _stop(self, fast: bool) -> None:
        self.state = self.state._replace(phase=STOPPING, queued=False)
        if self.state.reload is not None:
            self._reload_done(False, "the server is stopping")
        self.actions.append(events.CloseListeners())
        for child in self.children:
            cell = states.TABLE[child.state][states.STOPPED]
            if cell.order == states.TERM:
                self.actions.append(events.Terminate(child.number))
                self._enter(child, cell.state, self.now + child.drain_timeout)
            elif cell.state != child.state:
                self._enter(child, cell.state, inf)
        if fast:
            self._hurry()

    def _hurry(self) -> None:
        """Whoever is still there is killed after a short grace, unless that has happened already."""
        limit = self.now + FAST_GRACE
        for child in self.children:
            if child.deadline < inf:
                self.children.put(child._replace(deadline=min(child.deadline, limit)))

    def on_tick(self, _event: events.Tick) -> None:
        """Nothing of its own: settle() looks at the deadlines."""

    # ---- Small words ----------------------------------------------------------------------------

    def _start(self, pool: Pool, slot: int, generation: int, failures: int = 0) -> None:
        number = self.state.last_number + 1
        self.state = self.state._replace(last_number=number)
        self.children.put(
            Child(
                number=number,
                pool=pool.name,
                slot=slot,
                generation=generation,
                state=states.STARTING,
                born=self.now,
                since=self.now,
                deadline=self.now + pool.boot_timeout if pool.boot_timeout else inf,
                drain_timeout=pool.drain_timeout,
                failures=failures,
            )
        )
        self.actions.append(events.Start(number, pool, slot, generation))

    def _retire(self, child: Child) -> None:
        cell = states.TABLE[child.state][states.RETIRED]
        if cell.order == states.DRAIN:
            self.actions.append(events.SendDrain(child.number))
            self._enter(child, cell.state, self.now + child.drain_timeout)
        elif cell.state != child.state:
            self._enter(child, cell.state, inf)
        reload = self.state.reload
        if reload is not None and reload.stage == ROLLING and child.state == states.SERVING:
            self._set_reload(reload._replace(replaced=reload.replaced + 1))

    def _enter(self, child: Child, state: str, deadline: float) -> None:
        self.children.put(child._replace(state=state, since=self.now, deadline=deadline))

    def _pool(self, name: str) -> Pool | None:
        return next((pool for pool in self.state.config.pools if pool.name == name), None)

    def _room(self, name: str) -> bool:
        """Whether the pool may have one process more."""
        reload = self.state.reload
        pools = self.state.config.pools + (reload.config.pools if reload else ())
        workers = max((pool.workers for pool in pools if pool.name == name), default=0)
        return self.children.processes(name) < workers + 1

    def _old(self, child: Child) -> bool:
        return child.generation < self.state.generation

    def _is_canary(self, child: Child) -> bool:
        reload = self.state.reload
        return reload is not None and reload.stage == CANARY and child.generation == reload.generation

    def _wanted(self, child: Child) -> bool:
        pool = self._pool(child.pool)
        return pool is not None and child.slot < pool.workers

    def _succeeded(self, child: Child) -> bool:
        """Whether somebody of a newer generation in force occupies the child's slot."""
        return any(
            child.generation < other.generation <= self.state.generation and other.active
            for other in self.children.in_slot(child.pool, child.slot)
        )

    def _superseded(self, child: Child) -> bool:
        """Whether the new generation serves in an old worker's place, or its place is no more."""
        pool = self._pool(child.pool)
        if pool is None:
            return True
        place = (
            self.children.in_slot(child.pool, child.slot)
            if child.slot < pool.workers
            else self.children.of_pool(child.pool)
        )
        return any(not self._old(other) and other.state == states.SERVING for other in place)

    def _any_of(self, generation: int) -> bool:
        return any(child.generation == generation for child in self.children)

    def _any_state(self, *wanted: str) -> bool:
        return any(child.state in wanted for child in self.children)


# Each handler takes its own kind of event, which the type of a dict cannot say.
_HANDLERS: dict[type[events.Event], Callable[[_Turn, Any], None]] = {
    events.Boot: _Turn.on_boot,
    events.WorkerReady: _Turn.on_ready,
    events.WorkerFailed: _Turn.on_failed,
    events.WorkerExited: _Turn.on_exited,
    events.ReloadAsked: _Turn.on_reload_asked,
    events.Prepared: _Turn.on_prepared,
    events.Refused: _Turn.on_refused,
    events.StopAsked: _Turn.on_stop,
    events.Tick: _Turn.on_tick,
}
