"""The decision core under thousands of random event sequences: what must hold whatever happens."""

from __future__ import annotations

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, drain_rules, events, outlook, rolling
from fapws.supervisor.core import canary_rules as canaries
from fapws.supervisor.core import upgrade_rules as upgrades
from fapws.supervisor.core import worker_states as states

NAMES = ("blog", "shop", "wiki")
FRUGAL = "shop"
ON_DEMAND = "wiki"
WATCHED = "blog"
WATCH = 6.0
"""Seconds that the canary of that pool is watched."""
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
        )
        for name, count in sorted(workers.items())
    )
    return Config("", pools)


configs = st.builds(
    make_config,
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, MOST), min_size=1),
    st.frozensets(st.sampled_from(NAMES)),
)


class Supervisor(RuleBasedStateMachine):
    """A world of processes that may do anything but disobey SIGKILL, and the core that rules it."""

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

    # ---- The world ------------------------------------------------------------------------------

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

    # ---- What happens ---------------------------------------------------------------------------

    @precondition(lambda self: self.processes)
    @rule(choice=st.integers(0, 100))
    def ready(self, choice: int) -> None:
        number = self.pick(choice)
        child = self.state.children.get(number)
        assert child is not None
        if child.state == states.STARTING:
            self.serving.add(number)
        self.tell(events.WorkerReady(number))

    @rule()
    def all_ready(self) -> None:
        while booting := [number for number, ready in self.zygotes.items() if not ready]:
            self.zygote_ready(booting[0])
        while starting := [c.number for c in self.state.children if c.state == states.STARTING]:
            self.serving.add(starting[0])
            self.tell(events.WorkerReady(starting[0]))

    @precondition(lambda self: self.state.reload and self.state.reload.stage == decide.WATCHING)
    @rule(bad=st.booleans())
    def canaries_respond(self, bad: bool) -> None:
        """Many responses by all; those of the canaries are good, or have errors that nobody else's have."""
        reload, generation = self.state.reload, self.state.generation
        assert reload is not None
        children = [child for child in self.state.children if child.number in self.processes]
        for child in children:
            new = child.generation == reload.generation
            responses, errors = self.said(child.number)
            self.responses[child.number] = responses + 1000, errors + (200 if bad and new else 0)
        watched = {watch.pool for watch in reload.watches if watch.stage == canaries.WATCHED}
        old = [c for c in children if c.active and c.generation < reload.generation and c.pool in watched]
        compared = old and not any(self.said(child.number)[1] for child in old)
        self.seen(0.0, False, 0, 1, 1, False, 1)
        if bad and compared:
            assert self.state.generation == generation
            assert self.state.reload is None or self.state.reload.stage != decide.WATCHING, "it goes back"

    @precondition(lambda self: self.processes)
    @rule(choice=st.integers(0, 100), status=st.sampled_from([0, 1, -9]), says=st.booleans())
    def dies(self, choice: int, status: int, says: bool) -> None:
        number = self.pick(choice)
        child, reload = self.state.children.get(number), self.state.reload
        watched = reload.generation if reload and reload.stage == decide.WATCHING else 0
        canary = child is not None and child.generation == watched
        if says:
            self.tell(events.WorkerFailed(number, "why\n"))
        generation = self.state.generation
        self.end(number, status)
        if canary:
            assert self.state.reload is None or self.state.reload.stage != decide.WATCHING
            assert self.state.generation == generation, "it goes back"

    # ---- Zygotes --------------------------------------------------------------------------------

    def children_of(self, zygote: int) -> list[int]:
        return [child.number for child in self.state.children if child.zygote == zygote and child.has_process]

    def pick_zygote(self, choice: int) -> int:
        return sorted(self.zygotes)[choice % len(self.zygotes)]

    def zygote_ready(self, number: int) -> None:
        self.zygotes[number] = True
        if number in self.killed | self.dismissed:
            return  # it was about to say so
        self.tell(events.ZygoteReady(number))

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100))
    def preloaded(self, choice: int) -> None:
        number = self.pick_zygote(choice)
        if not self.zygotes[number]:
            self.zygote_ready(number)

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100), status=st.sampled_from([0, 1, -9]), says=st.booleans())
    def zygote_dies(self, choice: int, status: int, says: bool) -> None:
        number = self.pick_zygote(choice)
        if says and not self.zygotes[number]:
            self.tell(events.ZygoteFailed(number, "why\n"))
        serving = set(self.serving)
        del self.zygotes[number]
        self.killed.discard(number)
        self.dismissed.discard(number)
        lost = [worker for worker, zygote in self.unborn.items() if zygote == number]
        self.tell(events.ZygoteExited(number, status))
        assert self.serving == serving or self.state.reload, "its workers serve on"
        for worker in lost:
            self.end(worker, status)

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100), goes_on=st.booleans())
    def zygote_stopped(self, choice: int, goes_on: bool) -> None:
        number = self.pick_zygote(choice)
        self.tell(events.ZygoteContinued(number) if goes_on else events.ZygotePaused(number, "SIGSTOP"))

    @precondition(lambda self: self.unborn)
    @rule(choice=st.integers(0, 100))
    def born(self, choice: int) -> None:
        number = sorted(self.unborn)[choice % len(self.unborn)]
        del self.unborn[number]
        self.tell(events.WorkerBorn(number))

    def end(self, number: int, status: int) -> None:
        """A worker's process has ended, or has never come to be."""
        del self.processes[number]
        self.unborn.pop(number, None)
        self.serving.discard(number)
        self.killed.discard(number)
        self.tell(events.WorkerExited(number, status))

    @precondition(lambda self: not self.ended)
    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 5.0, 31.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tell(events.Tick())
        stage = upgrades.stage(self.state)
        assert stage not in (upgrades.WAITING, upgrades.TRIED) or not self.quiet(), "it would wait for ever"

    @precondition(lambda self: self.processes)
    @rule(
        silent=st.sampled_from([0.0, 5.0, 15.0, 25.0]),
        busy=st.booleans(),
        requests=st.sampled_from([0, 1, 60]),
        connections=st.integers(0, 1),
        few=st.integers(1, 5),
        waits=st.booleans(),
        taken=st.integers(0, 1),
    )
    def seen(
        self, silent: float, busy: bool, requests: int, connections: int, few: int, waits: bool, taken: int
    ) -> None:
        vitals = (
            events.Vital(
                *(n, self.beat(n, silent), silent, busy, requests, connections, 0, taken, waits, 0),
                *self.said(n),
            )
            for n in self.processes
            if n % few == 0
        )
        told = tuple(vitals)
        self.told_responses.update((vital.worker, (vital.responses, vital.errors)) for vital in told)
        self.tell(events.Seen(told))

    def said(self, number: int) -> tuple[int, int]:
        return self.responses.get(number, (0, 0))

    @precondition(lambda self: self.processes)
    @rule(choice=st.integers(0, 100), count=st.sampled_from([1, 19, 400]), bad=st.sampled_from([0, 1, 20]))
    def respond(self, choice: int, count: int, bad: int) -> None:
        number = self.pick(choice)
        responses, errors = self.said(number)
        self.responses[number] = responses + count, errors + min(bad, count)

    @precondition(lambda self: self.processes)
    @rule(choice=st.integers(0, 100), goes_on=st.booleans())
    def stopped(self, choice: int, goes_on: bool) -> None:
        number = self.pick(choice)
        self.tell(events.WorkerContinued(number) if goes_on else events.WorkerPaused(number, "SIGSTOP"))

    @precondition(lambda self: self.watched)
    @rule()
    def knocked(self) -> None:
        self.tell(events.Knocked(sorted(self.watched)[0]))

    @rule(pool=st.sampled_from(NAMES), workers=st.integers(1, MOST))
    def scaled(self, pool: str, workers: int) -> None:
        self.limits[pool] = max(self.limits.get(pool, 0), workers, self.count(pool) - 1)
        self.tell(events.ScaleAsked(pool, workers))

    @rule(in_storm=st.booleans(), only=st.sampled_from(["", "", *NAMES]))
    def reload(self, in_storm: bool, only: str) -> None:
        self.tell(events.ReloadAsked(in_storm, only))

    @precondition(lambda self: self.checking)
    @rule(wanted=configs)
    def prepared(self, wanted: Config) -> None:
        self.checking = False
        assert self.state.reload is not None
        wanted = rolling.limited(self.state.config, wanted, self.state.reload.only)
        for pool in wanted.pools:
            self.limits[pool.name] = max(pool.workers, self.limits.get(pool.name, 0))
        self.tell(events.Prepared(wanted))

    @precondition(lambda self: self.checking)
    @rule()
    def refused(self) -> None:
        self.checking = False
        self.tell(events.Refused("no"))

    @rule()
    def upgrade(self) -> None:
        if self.state.phase == decide.RUNNING and not drain_rules.leaves(self.state):
            self.upgrade_asked = True
        self.tell(events.UpgradeAsked())

    @precondition(lambda self: self.trial)
    @rule(reason=st.sampled_from(["", "no"]))
    def trial_ends(self, reason: str) -> None:
        self.trial = False
        self.passed = not reason and upgrades.stage(self.state) == upgrades.TRYING
        self.tell(events.TrialEnded(reason))

    @precondition(lambda self: self.leaping)
    @rule(outcome=st.sampled_from(["held back", "failed", "done"]))
    def leap_ends(self, outcome: str) -> None:
        if outcome == "held back":
            self.leaping = False
            self.passed = True
            self.tell(events.LeapHeldBack())
        elif outcome == "failed":
            self.tell(events.LeapFailed("no"))
        else:  # the new code goes on from here
            self.upgrade_asked = self.leaping = False
            self.state = self.state._replace(upgrade=None)
            self.tell(events.ReloadAsked())

    @rule(fast=st.booleans(), really=st.integers(0, 19))
    def stop(self, fast: bool, really: int) -> None:
        if really == 0:
            self.stop_asked = True
            self.tell(events.StopAsked(fast))

    @rule(pool=st.sampled_from(("", *NAMES)), back=st.booleans())
    def drain(self, pool: str, back: bool) -> None:
        self.tell(events.UndrainAsked(pool) if back else events.DrainAsked(pool))

    # ---- What holds -----------------------------------------------------------------------------

    @invariant()
    def no_pool_has_more_than_one_process_too_many(self) -> None:
        for name in NAMES:
            assert self.count(name) <= self.limits.get(name, 0) + 1

    @invariant()
    def every_worker_knows_whether_clients_are_to_be_sent_to_it(self) -> None:
        assert self.turned_away == {drain.pool for drain in self.state.drains}
        for number, pool in self.processes.items():
            assert self.told[number] == (pool not in self.turned_away)

    @invariant()
    def no_pool_that_is_drained_or_leaves_is_called_ready(self) -> None:
        names = {pool.name for pool in self.state.config.pools}
        for pool in self.turned_away & names:
            assert outlook.complaint(self.state, pool)
        if drain_rules.leaves(self.state):
            assert self.stop_asked and names <= self.turned_away
            assert self.state.stop_at <= self.now + DELAY

    @invariant()
    def nobody_shares_a_slot_with_his_own_generation(self) -> None:
        relieved = {c.replaces for c in self.state.children if c.active}
        children = [c for c in self.state.children if c.active and c.number not in relieved]
        active = [(c.name, c.generation) for c in children]
        assert len(active) == len(set(active))

    @invariant()
    def only_a_pool_that_sleeps_is_watched_and_nobody_serves_there(self) -> None:
        assert self.watched == self.state.asleep
        for child in self.state.children:
            canary = child.generation != self.state.generation
            assert child.pool not in self.watched or canary or not child.active

    @invariant()
    def the_register_knows_exactly_the_processes_there_are(self) -> None:
        known = {child.number for child in self.state.children if child.has_process}
        assert known == set(self.processes)

    @invariant()
    def every_zygote_is_known_and_needed(self) -> None:
        assert {zygote.number for zygote in self.state.zygotes} == set(self.zygotes)
        reload = self.state.reload
        current = {self.state.generation, reload.generation if reload else 0}
        for zygote in self.state.zygotes:
            used = any(child.zygote == zygote.number for child in self.state.children)
            ends = zygote.number in self.dismissed | self.killed
            assert used or ends or zygote.generation in current
        idle = [z for z in self.state.zygotes if z.state in ("booting", "ready")]
        idle = [z for z in idle if all(child.zygote != z.number for child in self.state.children)]
        assert len(idle) == len({(z.pool.name, z.generation) for z in idle}), "two for the same workers"

    @invariant()
    def who_waits_for_a_zygote_waits_for_one_that_comes(self) -> None:
        coming = {z.number for z in self.state.zygotes if z.state in ("booting", "doomed", "killed")}
        waiting = {c.zygote for c in self.state.children if c.state == states.WAITING}
        assert waiting <= coming - self.dismissed, "it is neither ready nor fails"
        born_of = {c.zygote for c in self.state.children if c.unborn and c.has_process} & set(self.zygotes)
        soon = decide.next_wakeup(self.state, self.now) <= self.now + 10.0
        assert soon or not born_of - self.killed, "it would wait for ever"

    @invariant()
    def who_serves_is_known_to_serve(self) -> None:
        known = {c.number for c in self.state.children if c.state == states.SERVING}
        assert known == self.serving

    @invariant()
    def nothing_waits_for_a_moment_that_has_passed(self) -> None:
        assert decide.next_wakeup(self.state, self.now) > self.now

    @invariant()
    def every_slot_is_taken_care_of(self) -> None:
        """Every slot is occupied, or its pool is full of processes whose end will make room."""
        if self.state.phase != decide.RUNNING:
            return
        for pool in self.state.config.pools:
            mine = self.state.children.of_pool(pool.name)
            for slot in range(0 if pool.name in self.state.asleep else pool.workers):
                frugal = pool.name == FRUGAL  # there a slot is taken until its worker has drained
                taken = any(child.slot == slot and (child.active or frugal) for child in mine)
                assert taken or self.state.children.places(pool.name) > pool.workers

    @invariant()
    def a_reload_that_is_under_way_waits_for_somebody(self) -> None:
        """Otherwise it would never end."""
        reload = self.state.reload
        if reload is None or reload.stage == decide.CHECKING:
            return
        waiting = any(
            (child.has_process and child.state != states.SERVING)
            or child.state in (states.BACKING_OFF, states.WAITING)
            for child in self.state.children
        )
        if reload.stage == decide.WATCHING:
            waiting = decide.next_wakeup(self.state, self.now) <= self.now + WATCH
        assert waiting, reload

    @invariant()
    def nothing_but_a_canary_is_new_before_it_has_proved_itself(self) -> None:
        new = [child for child in self.state.children if child.generation > self.state.generation]
        assert len({child.pool for child in new}) == len(new)
        assert all(child.slot == 0 for child in new)

    @invariant()
    def a_reload_that_was_asked_for_begins(self) -> None:
        if self.state.queued and self.state.reload is None and self.state.announced:
            assert self.state.due > self.now

    @invariant()
    def an_upgrade_is_known_as_it_is(self) -> None:
        stage = upgrades.stage(self.state)
        assert self.upgrade_asked == (stage != upgrades.IDLE)
        assert self.trial == (stage in upgrades.WITH_TRIAL)
        assert self.passed == (stage == upgrades.TRIED)
        assert self.leaping == (stage == upgrades.LEAPING)

    @invariant()
    def a_trial_ends_in_time(self) -> None:
        if self.trial and not self.trial_killed:
            assert decide.next_wakeup(self.state, self.now) <= self.now + upgrades.TRIAL_SECONDS

    @invariant()
    def a_stop_ends_every_upgrade(self) -> None:
        if self.state.phase in (decide.STOPPING, decide.ENDED):
            assert upgrades.stage(self.state) in (upgrades.IDLE, upgrades.ABANDONED)

    def teardown(self) -> None:
        """Whatever the state was, a stop ends it."""
        self.stop_asked = True
        self.tell(events.StopAsked(fast=False))
        if self.state.phase == decide.RUNNING:
            assert drain_rules.leaves(self.state)
            self.now += DELAY
            self.tell(events.Tick())
        for number in sorted(self.processes):
            self.end(number, 0)
        for number in sorted(self.zygotes):
            assert number in self.dismissed | self.killed, "nobody has told it to end"
            del self.zygotes[number]
            self.tell(events.ZygoteExited(number, 0))
        if self.trial:
            assert self.trial_killed and not self.ended
            self.trial = False
            self.tell(events.TrialEnded("killed"))
        assert self.ended


Supervisor.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestSupervisor = Supervisor.TestCase
