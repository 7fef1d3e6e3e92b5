"""Drains and the end, and what holds of them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from fapws.supervisor.core import decide, drain_rules, events, outlook

from .world import DELAY, NAMES, World


class Drains(World):
    """Pools are drained and taken back; the service stops."""

    @rule(fast=st.booleans(), really=st.integers(0, 19))
    def stop(self, fast: bool, really: int) -> None:
        if really == 0:
            self.stop_asked = True
            self.tell(events.StopAsked(fast))

    @rule(pool=st.sampled_from(("", *NAMES)), back=st.booleans())
    def drain(self, pool: str, back: bool) -> None:
        self.tell(events.UndrainAsked(pool) if back else events.DrainAsked(pool))

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
