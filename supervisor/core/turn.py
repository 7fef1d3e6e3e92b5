"""What the master's decisions depend on, and one decision under construction. Pure.

``State`` is everything that is remembered between two events; ``Turn`` is a step on its way from one
State to the next, with the words that all the rules share. The rules are in decide.py (first start,
deaths, stop), rolling.py (reload), canary_rules.py (whether its first worker is good enough),
upgrade_rules.py (the upgrade in place), upkeep.py (hanging, recycling, sleeping, scaling) and drain_rules.py
(whether a pool is to be sent clients).
"""

from __future__ import annotations

from math import inf

from fapws.lean import NamedTuple
from fapws.settings.model import Config, Pool

from . import actions
from . import worker_states as states
from .children import Child, Children

NEW = "new"
BOOTING = "booting"
"""The first worker of each pool starts, one after the other; if one cannot, the start failed."""
RUNNING = "running"
STOPPING = "stopping"
ENDED = "ended"

FRUGAL = "frugal"
"""Pool.reload: stop one, start one."""

CHECKING = "checking"
CANARY = "canary"
WATCHING = "watching"
"""Every canary serves, and not each has done so for its pool's reload_watch."""
ROLLING = "rolling"
UNDOING = "undoing"


class Share(NamedTuple):
    """Responses of an application, and how many of them had a status of 5xx."""

    responses: int = 0
    errors: int = 0


class Watch(NamedTuple):
    """The canary of one pool; canary_rules.py has its rules."""

    pool: str
    stage: str
    until: float = inf
    """When its time is over, in monotonic seconds."""
    canary: Share = Share()
    before: Share | None = None
    """Those of the old workers; None: they do not count theirs."""
    since: tuple[tuple[int, Share], ...] | None = None
    """What each of them, by number, had given when the watch began; None: not known yet."""
    renew_at: float = 0.0
    """Not before that moment clients are made to open their connections anew, in monotonic seconds."""


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
    only: frozenset[str] = frozenset()
    """The pools that it concerns; empty: all, and the master's own options."""
    failed: str = ""
    """UNDOING: the pool whose canary failed."""
    watches: tuple[Watch, ...] = ()
    """Of the canaries that serve, or have served."""
    back: tuple[Zygote, ...] = ()
    """Of a rollback: those that its workers come from, as they were when it was asked for."""


class Upgrade(NamedTuple):
    """An upgrade in place on its way; upgrade_rules.py has its rules."""

    stage: str
    deadline: float = inf
    """When OVERDUE happens to it, in monotonic seconds; ``inf``: never."""
    reason: str = ""
    """Why it was abandoned."""


class Drain(NamedTuple):
    """A pool that is not to be sent clients; drain_rules.py has its rules."""

    pool: str
    stage: str
    quiet_from: float = 0.0
    """Since when nothing has been seen of clients, in monotonic seconds."""
    requests: int = -1
    """How many its workers had served then."""


class Zygote(NamedTuple):
    """A process that has imported an application, and forks its workers; zygote_rules.py has its rules."""

    number: int
    """From the same series as workers' numbers."""
    pool: Pool
    generation: int
    """Whose workers it forks."""
    state: str
    born: float
    """Seconds of the monotonic clock at which it was ordered."""
    since: float
    """... at which it entered its state."""
    deadline: float
    """When OVERDUE happens to it; ``inf``: never."""
    heard: float
    """When it last gave a sign of life."""
    reason: str = ""
    """What it said when it could not boot."""
    hung: str = ""
    """What is wrong with it."""
    keep_until: float = 0.0
    """Its generation was replaced, and can be gone back to until then; 0: it cannot (rollback_rules.py)."""
    returned: bool = False
    """Whether its generation was gone back to."""
    carried: bool = False
    """Whether a master before an upgrade in place has started it."""


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
    queued_for: frozenset[str] = frozenset()
    """The pools that it concerns; empty: all."""
    due: float = 0.0
    """When the queued one may begin, in monotonic seconds."""
    quiet_from: float = 0.0
    """Before that moment another reload is part of the storm that the last one answers."""
    announced: bool = False
    """Whether Serving was ordered."""
    look_at: float = inf
    """When the scoreboard is read next, in monotonic seconds."""
    asleep: frozenset[str] = frozenset()
    """Pools that have no workers because no client asks for them (min_workers = 0)."""
    scaling: frozenset[str] = frozenset()
    """Pools that do not have the number of workers yet that was asked for."""
    upgrade: Upgrade | None = None
    drains: tuple[Drain, ...] = ()
    """Pools that are not ready."""
    stop_at: float = inf
    """When a service that leaves stops, in monotonic seconds; ``inf``: it does not leave."""
    zygotes: tuple[Zygote, ...] = ()
    """Every one that has not been reaped."""
    status: int = 0
    """The master's exit status."""
    reason: str = ""
    """Why the start failed."""


class Turn:
    """One step under construction."""

    def __init__(self, state: State, now: float) -> None:
        self.state = state
        self.children = state.children.copy()
        self.now = now
        self.actions: list[actions.Action] = []

    def result(self) -> tuple[State, list[actions.Action]]:
        """The new state, and what was ordered on the way."""
        return self.state._replace(children=self.children), self.actions

    def order(self, action: actions.Action) -> None:
        """One thing more to do."""
        self.actions.append(action)

    # ---- Workers --------------------------------------------------------------------------------

    def start(self, pool: Pool, slot: int, generation: int, failures: int = 0, replaces: int = 0) -> None:
        """Orders a worker."""
        number = self.next_number()
        zygote, ready = 0, True
        if pool.preload:
            from . import zygote_rules  # few pools have one

            zygote, ready = zygote_rules.of(self, pool, generation)
        timeout = pool.boot_timeout if not zygote else 0.0
        self.children.put(
            Child(
                number=number,
                pool=pool.name,
                slot=slot,
                generation=generation,
                state=states.STARTING if ready else states.WAITING,
                born=self.now,
                since=self.now,
                deadline=self.now + timeout if timeout else inf,
                stack_due=states.stack_due(self.now, timeout),
                drain_timeout=pool.drain_timeout,
                failures=failures,
                replaces=replaces,
                alone=pool.workers == 1 and not pool.reload_watch,
                active_at=self.now,
                zygote=zygote,
                unborn=zygote > 0,
            )
        )
        if ready:
            self.order_start(pool, number)

    def next_number(self) -> int:
        """One that nobody has had."""
        self.state = self.state._replace(last_number=self.state.last_number + 1)
        return self.state.last_number

    def order_start(self, pool: Pool, number: int) -> None:
        """Its process."""
        child = self.children.get(number)
        assert child is not None
        ready = all(drain.pool != pool.name for drain in self.state.drains)
        self.order(actions.Start(number, pool, child.slot, child.generation, ready, child.zygote))

    def retire(self, child: Child) -> None:
        """It is of no more use: it drains, or is forgotten if there is no process."""
        cell = states.TABLE[child.state][states.RETIRED]
        if cell.order == states.DRAIN:
            self.order(actions.SendDrain(child.number))
            self.enter(child, cell.state, self.now + child.drain_timeout)
        elif cell.state != child.state:
            self.enter(child, cell.state, inf)
        reload = self.state.reload
        if reload is not None and reload.stage == ROLLING and child.state == states.SERVING:
            self.state = self.state._replace(reload=reload._replace(replaced=reload.replaced + 1))

    def enter(self, child: Child, state: str, deadline: float) -> None:
        """Puts it into a state."""
        self.children.put(child._replace(state=state, since=self.now, deadline=deadline, stack_due=inf))

    def start_canaries(
        self, config: Config, generation: int, only: frozenset[str] = frozenset()
    ) -> bool:
        """Starts the first worker of each pool, one after the other; True once all serve.

        ``only``: of these pools; empty: of all.
        """
        for pool in config.pools:
            if only and pool.name not in only:
                continue
            mine = [child for child in self.children.of_pool(pool.name) if child.generation == generation]
            if not mine:
                if self.room(pool.name):
                    self.start(pool, 0, generation)
                return False
            if all(child.state != states.SERVING for child in mine):
                return False
        return True

    def fill(self) -> None:
        """Starts a worker in every slot that has none."""
        for pool in self.state.config.pools:
            taken = {child.slot for child in self.children.of_pool(pool.name) if self.occupies(child, pool)}
            for slot in range(self.target(pool)):
                if slot not in taken and self.room(pool.name):
                    self.start(pool, slot, self.state.generation)

    def reload(self) -> Reload:
        """The one under way, where there must be one."""
        reload = self.state.reload
        assert reload is not None
        return reload

    # ---- Questions ------------------------------------------------------------------------------

    def pool(self, name: str) -> Pool | None:
        """The pool of this name in the configuration in force."""
        return next((pool for pool in self.state.config.pools if pool.name == name), None)

    def pool_of(self, child: Child) -> Pool | None:
        """The pool that a worker was started for: a canary's is not in force yet."""
        reload = self.state.reload
        config = reload.config if reload and child.generation == reload.generation else self.state.config
        return next((pool for pool in config.pools if pool.name == child.pool), None)

    def target(self, pool: Pool) -> int:
        """How many workers it is to have now."""
        return 0 if pool.name in self.state.asleep else pool.workers

    def occupies(self, child: Child, pool: Pool) -> bool:
        """Whether its slot is taken: in a frugal reload until it has left, not only until it drains."""
        reload = self.state.reload
        rolls = reload is not None and reload.stage == ROLLING
        return child.active or (rolls and pool.reload == FRUGAL and self.leaving(child))

    def room(self, name: str) -> bool:
        """Whether the pool may have one process more."""
        reload = self.state.reload
        pools = self.state.config.pools + (reload.config.pools if reload else ())
        workers = max((pool.workers for pool in pools if pool.name == name), default=0)
        return self.children.places(name) < workers + 1

    def old(self, child: Child) -> bool:
        """Whether a newer generation is in force."""
        return child.generation < self.state.generation

    def leaving(self, child: Child) -> bool:
        """Whether it is old, and the reload under way concerns it."""
        only = self.state.reload.only if self.state.reload else frozenset()
        return self.old(child) and (not only or child.pool in only)

    def wanted(self, child: Child) -> bool:
        """Whether its slot still exists."""
        pool = self.pool(child.pool)
        return pool is not None and child.slot < self.target(pool)

    def succeeded(self, child: Child) -> bool:
        """Whether a worker of a newer generation, up to the one in force, occupies its slot."""
        return any(
            child.generation < other.generation <= self.state.generation and other.active
            for other in self.children.in_slot(child.pool, child.slot)
        )
