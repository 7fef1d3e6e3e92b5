"""What happens to workers and clients, and what holds of them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fapws.supervisor.core import canary_rules as canaries
from fapws.supervisor.core import decide, events
from fapws.supervisor.core import upgrade_rules as upgrades
from fapws.supervisor.core import worker_states as states

from .world import FRUGAL, MOST, NAMES, World


class Workers(World):
    """They start, serve, hang, die; they are scaled, and sleep."""

    @precondition(lambda self: self.processes)
    @rule(choice=st.integers(0, 100))
    def ready(self, choice: int) -> None:
        number = self.pick(choice)
        child = self.state.children.get(number)
        assert child is not None
        if child.state == states.STARTING:
            self.serving.add(number)
        self.tell(events.WorkerReady(number))

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

    @invariant()
    def no_pool_has_more_than_one_process_too_many(self) -> None:
        for name in NAMES:
            assert self.count(name) <= self.limits.get(name, 0) + 1

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
