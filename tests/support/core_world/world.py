"""A world of processes that may do anything but disobey SIGKILL, and the decision core that rules it.

The rules of what may happen there, and what must hold whatever happens, are in the modules beside this one.
"""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events
from fapws.supervisor.core import worker_states as states

NAMES = ("blog", "shop", "wiki")
FRUGAL = "shop"
ON_DEMAND = "wiki"
WATCHED = "blog"
WATCH = 6.0
"""Seconds that the canary of that pool is watched."""
WINDOW = 40.0
"""Seconds that what a reload has replaced is kept; there is one pool that keeps nothing."""
MOST = 3
DELAY = 4.0
"""Seconds that a service with the pool on demand stays after it was told to stop."""


def make_config(workers: dict[str, int], preloaded: frozenset[str] = frozenset()) -> Config:
    """A configuration with these pools; ``preloaded``: those of them whose workers a zygote forks."""
    pools = tuple(
        Pool(
            name,
            workers=count,
            boot_timeout=5.0,
            drain_timeout=3.0,
            request_timeout=20.0,
            max_requests=50,
            min_workers=int(name != ON_DEMAND),
            idle_timeout=10.0,
            reload="frugal" if name == FRUGAL else "rolling",
            stop_delay=DELAY if name == ON_DEMAND else 0.0,
            reload_watch=WATCH if name == WATCHED else 0.0,
            preload=name in preloaded,
            rollback_window=WINDOW if name != FRUGAL else 0.0,
        )
        for name, count in sorted(workers.items())
    )
    return Config("", pools)


configs = st.builds(
    make_config,
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, MOST), min_size=1),
    st.frozensets(st.sampled_from(NAMES)),
)


class World(RuleBasedStateMachine):
    """What there is, as its processes know it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state = decide.State(make_config({"blog": 2, "shop": 1}, frozenset(("blog",))))
        self.zygotes: dict[int, bool] = {}
        """By number: whether it can fork."""
        self.unborn: dict[int, int] = {}
        """Workers that were ordered of a zygote, and that."""
        self.dismissed: set[int] = set()
        """Zygotes that were told to end."""
        self.processes: dict[int, str] = {}
        """By number: the pool."""
        self.serving: set[int] = set()
        """The workers that have said READY and were not told to leave."""
        self.killed: set[int] = set()
        self.checking = False
        self.back: Config | None = None
        """What the rollback that is being prepared goes back to."""
        self.from_memory = 0
        """The generation of a rollback that is under way."""
        self.ended = False
        self.watched: set[str] = set()
        """Pools whose listeners the master watches."""
        self.limits: dict[str, int] = {"blog": 2, "shop": 1}
        """Workers of a pool in the configurations that may be in force."""
        self.upgrade_asked = False
        """Somebody waits for the end of an upgrade."""
        self.trial = False
        """Whether a child tries the new code."""
        self.trial_killed = False
        self.passed = False
        """The trial of this very upgrade has passed."""
        self.leaping = False
        self.turned_away: set[str] = set()
        """Pools whose workers were told that they are not ready."""
        self.told: dict[int, bool] = {}
        """By number: whether the worker believes that it is to be sent clients."""
        self.stop_asked = False
        self.responses: dict[int, tuple[int, int]] = {}
        """By number: what a worker has responded, and how much of it was 5xx."""
        self.told_responses: dict[int, tuple[int, int]] = {}
        """The same, as the core was last told."""
        self.tell(events.Boot())

    def tell(self, event: events.Event) -> None:
        serving_before, generation = set(self.serving), self.state.generation
        canaries_before = {c.number for c in self.state.children if c.generation > generation}
        self.state, ordered = decide.step(self.state, event, self.now)
        if self.state.generation != generation:
            self.check_canaries(canaries_before)
        retired = [a.worker for a in ordered if isinstance(a, actions.SendDrain)]
        if retired and isinstance(event, events.WorkerReady):
            self.check_successors(retired, serving_before | {event.worker})
        for action in ordered:
            if isinstance(action, (actions.TryNewCode, actions.Leap)):
                assert isinstance(event, events.Tick), "what the master has seen may not be told yet"
                assert action is ordered[-1]
            self.act(action)

    def check_successors(self, retired: list[int], serving: set[int]) -> None:
        """A reload never leaves a pool that stays without a worker that serves."""
        left = serving - set(retired)
        for pool in self.state.config.pools:
            had = any(self.processes.get(number) == pool.name for number in serving)
            if had and pool.name != FRUGAL:
                assert any(self.processes.get(number) == pool.name for number in left)

    def check_canaries(self, numbers: set[int]) -> None:
        """Whatever has happened, none is followed before its time, nor one that is plainly worse."""
        mine = self.state.children.of_pool(WATCHED)
        told = self.told_responses
        for canary in (child for child in mine if child.number in numbers & self.serving):
            assert self.now >= canary.since + WATCH
            ours = told.get(canary.number, (0, 0))
            others = [told[c.number] for c in mine if c.number != canary.number and c.number in told]
            if others and not any(errors for _, errors in others):
                assert ours[0] < 20 or ours[1] * 20 < ours[0], "worse, and nobody went back"

    def act(self, action: actions.Action) -> None:
        assert not self.ended, "nothing follows Exit"
        if isinstance(action, actions.Start):
            assert action.worker not in self.processes
            assert action.pool.preload == (action.zygote > 0)
            if action.zygote:
                assert self.zygotes[action.zygote], "never a worker of a generation whose zygote failed"
                assert action.zygote not in self.dismissed | self.killed
                self.unborn[action.worker] = action.zygote
            self.processes[action.worker] = action.pool.name
            self.told[action.worker] = action.ready
        elif isinstance(action, actions.StartZygote):
            assert action.pool.preload and action.zygote not in self.zygotes
            tried = self.state.generation != self.from_memory == action.generation
            assert not tried, "a rollback has imported something"
            self.zygotes[action.zygote] = False
        elif isinstance(action, actions.Terminate) and action.worker in self.zygotes:
            assert action.worker not in self.dismissed, "told twice"
            assert not self.children_of(action.worker), "its workers would lose their parent"
            self.dismissed.add(action.worker)
        elif isinstance(action, actions.Kill) and action.worker in self.zygotes:
            assert action.worker not in self.killed, "killed twice"
            self.killed.add(action.worker)
        elif isinstance(action, actions.ZygoteHung):
            assert action.zygote.number in self.zygotes
        elif isinstance(action, actions.ZygoteDied):
            assert action.zygote.number not in self.dismissed
        elif isinstance(action, (actions.TurnAway, actions.Welcome)):
            self.change_readiness(action)
        elif isinstance(action, actions.Renew):
            assert action.worker in self.serving and self.processes[action.worker] == WATCHED
        elif isinstance(action, actions.Drained):
            assert action.pool in self.turned_away
        elif isinstance(action, actions.Leaving):
            assert action.seconds == DELAY and self.stop_asked
        elif isinstance(action, (actions.SendDrain, actions.Terminate)):
            assert action.worker in self.processes, "told a process that is not there"
            self.serving.discard(action.worker)
        elif isinstance(action, actions.Kill):
            assert action.worker in self.processes
            assert action.worker not in self.killed, "killed twice"
            self.killed.add(action.worker)
            self.serving.discard(action.worker)
        elif isinstance(action, actions.Hung):
            assert action.child.number in self.serving
            self.serving.discard(action.child.number)
        elif isinstance(action, actions.Spared):
            self.serving.add(action.child.number)
        elif isinstance(action, actions.WatchPool):
            assert action.pool.name not in self.watched
            self.watched.add(action.pool.name)
        elif isinstance(action, actions.UnwatchPool):
            self.watched.remove(action.pool)
        elif isinstance(action, actions.Prepare):
            self.checking = True
            self.back = action.config
            self.from_memory = self.state.latest if action.config else 0
        elif isinstance(action, actions.ReloadDone):
            self.checking = False
            self.limits = {pool.name: pool.workers for pool in action.config.pools}
            for name in NAMES:
                # A reload that was given up leaves old workers serving.
                self.limits[name] = max(self.limits.get(name, 0), self.count(name) - 1)
        elif isinstance(action, actions.Died):
            canary = action.child.generation > self.state.generation
            assert canary == (action.delay == inf)
            assert canary or 0.0 <= action.delay <= states.BACKOFF_MAX
        elif isinstance(action, actions.Exit):
            assert not self.processes, "ended before every child was reaped"
            assert not self.trial, "ended before the trial was reaped"
            self.ended = True
        else:
            self.act_of_an_upgrade(action)

    def change_readiness(self, action: actions.TurnAway | actions.Welcome) -> None:
        ready = isinstance(action, actions.Welcome)
        assert (action.pool in self.turned_away) == ready, "told what it knows"
        (self.turned_away.discard if ready else self.turned_away.add)(action.pool)
        for number, pool in self.processes.items():
            if pool == action.pool:
                self.told[number] = ready

    def act_of_an_upgrade(self, action: actions.Action) -> None:
        if isinstance(action, actions.TryNewCode):
            assert self.upgrade_asked and self.quiet()
            assert not self.trial, "two trials at a time"
            self.trial = True
            self.trial_killed = False
        elif isinstance(action, actions.KillTrial):
            assert self.trial and not self.trial_killed
            self.trial_killed = True
        elif isinstance(action, actions.Leap):
            assert self.passed, "the new code was not tried"
            assert self.quiet()
            self.passed = False
            self.leaping = True
        elif isinstance(action, actions.UpgradeFailed):
            assert action.reason
            assert self.upgrade_asked, "nobody has asked"
            assert not self.trial, "the next one could start a second trial"
            self.upgrade_asked = self.passed = self.leaping = False

    def quiet(self) -> bool:
        """Whether nothing is under way that a new master would have to finish."""
        state = self.state
        restless = any(child.state in (*states.COMING, states.HUNG) for child in state.children)
        restless = restless or any(zygote.deadline < inf for zygote in state.zygotes)
        waits = state.reload is not None or state.queued or state.scaling
        return state.phase == decide.RUNNING and not waits and not restless

    def beat(self, number: int, silent: float) -> int:
        return number + int(self.now - silent)

    def count(self, pool: str) -> int:
        return sum(name == pool for name in self.processes.values())

    def pick(self, choice: int) -> int:
        return sorted(self.processes)[choice % len(self.processes)]

    def said(self, number: int) -> tuple[int, int]:
        return self.responses.get(number, (0, 0))

    def end(self, number: int, status: int) -> None:
        """A worker's process has ended, or has never come to be."""
        del self.processes[number]
        self.unborn.pop(number, None)
        self.serving.discard(number)
        self.killed.discard(number)
        self.tell(events.WorkerExited(number, status))

    def children_of(self, zygote: int) -> list[int]:
        return [child.number for child in self.state.children if child.zygote == zygote and child.has_process]
