"""Reloads, and what holds while one is under way."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fapws.settings.model import Config
from fapws.supervisor.core import decide, events, rolling
from fapws.supervisor.core import rollback_rules as rollbacks
from fapws.supervisor.core import worker_states as states

from .world import NAMES, WATCH, World, configs


class Reloads(World):
    """They are asked for, and their configurations are good or bad."""

    @rule(in_storm=st.booleans(), only=st.sampled_from(["", "", *NAMES]))
    def reload(self, in_storm: bool, only: str) -> None:
        self.tell(events.ReloadAsked(in_storm, only))

    @precondition(lambda self: self.checking)
    @rule(wanted=configs)
    def prepared(self, wanted: Config) -> None:
        self.checking = False
        assert self.state.reload is not None
        wanted = self.back or rolling.limited(self.state.config, wanted, self.state.reload.only)
        for pool in wanted.pools:
            self.limits[pool.name] = max(pool.workers, self.limits.get(pool.name, 0))
        self.tell(events.Prepared(wanted))

    @rule(pool=st.sampled_from(("", *NAMES)))
    def rollback(self, pool: str) -> None:
        goes = not rollbacks.why_not(self.state, pool)
        kept = {z.pool.name for z in rollbacks.previous(self.state, pool)}
        self.tell(events.RollbackAsked(pool))
        assert not goes or (kept and self.state.reload and self.state.reload.only == kept)

    @precondition(lambda self: self.checking)
    @rule()
    def refused(self) -> None:
        self.checking = False
        self.tell(events.Refused("no"))

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
