"""Upgrades in place, and what holds of them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fapws.supervisor.core import decide, drain_rules, events
from fapws.supervisor.core import upgrade_rules as upgrades

from .world import World


class Upgrades(World):
    """They are asked for, tried, and leap."""

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
            self.state = upgrades.taken_over(self.state)
            self.tell(events.ReloadAsked())

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
