"""Whether a pool is to be sent clients, without a process: what changes it, and who is told."""

from __future__ import annotations

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, drain_rules, events, outlook
from fapws.supervisor.core.actions import Action
from fapws.supervisor.core.drain_rules import EMPTY, EMPTYING, LEAVING, READY


def test_every_state_knows_every_happening_and_no_cell_leads_out_of_the_table() -> None:
    assert set(drain_rules.TABLE) == set(drain_rules.STATES)
    for row in drain_rules.TABLE.values():
        assert set(row) == set(drain_rules.HAPPENINGS)
        assert {cell.state for cell in row.values()} <= set(drain_rules.STATES)


def test_workers_are_told_exactly_when_readiness_changes() -> None:
    for state, row in drain_rules.TABLE.items():
        for cell in row.values():
            assert (cell.order == drain_rules.TURN_AWAY) == (state == READY != cell.state)
            assert (cell.order == drain_rules.WELCOME) == (cell.state == READY != state)


def test_nothing_takes_a_service_back_that_leaves() -> None:
    assert {cell.state for cell in drain_rules.TABLE[LEAVING].values()} == {LEAVING}


class Core:
    """A server with two pools that serve: blog with the workers 1 and 3, shop with 2."""

    def __init__(self, stop_delay: float = 0.0) -> None:
        blog = Pool("blog", workers=2, request_timeout=0.0, stop_delay=stop_delay)
        self.state = decide.State(Config("", (blog, Pool("shop", request_timeout=0.0))))
        self.now = 1000.0
        self.tell(events.Boot())
        for number in (1, 2, 3):
            self.tell(events.WorkerReady(number))
        assert outlook.complaint(self.state) == ""

    def tell(self, event: events.Event, after: float = 0.0) -> list[Action]:
        self.now += after
        self.state, ordered = decide.step(self.state, event, self.now)
        return ordered

    def look(self, after: float, requests: int = 0, in_flight: int = 0) -> list[Action]:
        """Worker 1 has so many; what is ordered besides the next look."""
        assert [child.number for child in self.state.children.of_pool("blog")] == [1, 3]
        vitals = (
            events.Vital(1, 1, 0.0, False, requests, 0, 0, in_flight=in_flight),
            events.Vital(3, 1, 0.0, False, 0, 0, 0),
            events.Vital(2, 1, 0.0, True, int(self.now), 5, 0, in_flight=7),
        )
        return [action for action in self.tell(events.Seen(vitals), after) if action != actions.Look()]

    def stages(self) -> tuple[str, str]:
        return drain_rules.stage(self.state, "blog"), drain_rules.stage(self.state, "shop")


def test_drain_ends_when_nothing_is_in_flight_and_nothing_comes() -> None:
    core = Core()
    assert core.tell(events.DrainAsked("blog")) == [actions.TurnAway("blog")]
    assert outlook.complaint(core.state) == outlook.complaint(core.state, "blog") == "pool blog: draining"
    assert outlook.complaint(core.state, "shop") == ""
    assert core.look(0.2, requests=3) == []
    assert core.look(0.9, requests=3) == [], "nothing has come for 0.9 s"
    assert core.look(0.2, requests=4) == [], "the balancer has not noticed yet"
    assert core.look(2.0, requests=4, in_flight=1) == []
    assert core.look(0.5, requests=4) == []
    assert core.stages() == (EMPTYING, READY)
    assert core.look(0.5, requests=4) == [actions.Drained("blog")]
    assert core.stages() == (EMPTY, READY)
    assert outlook.complaint(core.state) == "pool blog: drained"
    assert core.look(5.0, requests=9) == []
    assert core.tell(events.UndrainAsked("blog")) == [actions.Welcome("blog")]
    assert outlook.complaint(core.state) == ""


def test_scoreboard_is_looked_at_while_a_pool_empties_and_no_longer() -> None:
    core = Core()
    assert decide.next_wakeup(core.state, core.now) == float("inf")
    core.tell(events.DrainAsked(""))
    assert decide.next_wakeup(core.state, core.now) <= core.now + drain_rules.LOOK
    assert actions.Look() in core.tell(events.Tick(), after=drain_rules.LOOK)
    core.tell(events.UndrainAsked(""))
    core.tell(events.Tick(), after=1.0)
    assert decide.next_wakeup(core.state, core.now) == float("inf")


def test_drain_of_all_is_the_drain_of_each() -> None:
    core = Core()
    assert core.tell(events.DrainAsked("")) == [actions.TurnAway("blog"), actions.TurnAway("shop")]
    assert core.tell(events.UndrainAsked("shop")) == [actions.Welcome("shop")]
    assert core.stages() == (EMPTYING, READY)


def test_worker_that_starts_in_a_drained_pool_is_told_at_its_start() -> None:
    core = Core()
    core.tell(events.DrainAsked("blog"))
    (start,) = (a for a in core.tell(events.WorkerExited(1, -9)) if isinstance(a, actions.Start))
    assert not start.ready
    (start,) = (a for a in core.tell(events.WorkerExited(2, -9)) if isinstance(a, actions.Start))
    assert start.ready


def test_pool_that_a_reload_removes_is_forgotten() -> None:
    core = Core()
    core.tell(events.DrainAsked("shop"))
    core.tell(events.ReloadAsked())
    core.tell(events.Tick())
    core.tell(events.Prepared(core.state.config._replace(pools=core.state.config.pools[:1])))
    assert core.stages() == (READY, EMPTYING), "the old configuration is in force until the canary serves"
    ordered = core.tell(events.WorkerReady(core.state.last_number))
    assert actions.Welcome("shop") in ordered + core.tell(events.Tick())
    assert core.state.drains == ()


def test_stop_with_a_delay_goes_out_of_sight_first_and_serves_on() -> None:
    core = Core(stop_delay=10.0)
    core.tell(events.DrainAsked("shop"))
    ordered = core.tell(events.StopAsked(fast=False))
    assert ordered == [actions.Leaving(10.0), actions.TurnAway("blog")]
    assert core.stages() == (LEAVING, LEAVING)
    assert outlook.overall(core.state) == outlook.complaint(core.state, "shop") == "stopping"
    assert core.state.stop_at == core.now + 10.0
    (start,) = (a for a in core.tell(events.WorkerExited(1, -9), after=5.0) if isinstance(a, actions.Start))
    assert not start.ready, "it serves on, and a dead worker is replaced"
    assert core.tell(events.ReloadAsked()) == core.tell(events.UndrainAsked("")) == []
    assert core.tell(events.UpgradeAsked()) == core.tell(events.Tick()) == []
    ordered = core.tell(events.Tick(), after=5.0)
    assert ordered[0] == actions.CloseListeners()
    assert [a for a in ordered if isinstance(a, actions.Terminate)] != []
    assert core.state.phase == decide.STOPPING


@pytest.mark.parametrize("fast", [True, False])
def test_whoever_asks_again_does_not_wait_for_the_delay(fast: bool) -> None:
    core = Core(stop_delay=10.0)
    core.tell(events.StopAsked(fast=False))
    assert core.tell(events.StopAsked(fast=fast))[0] == actions.CloseListeners()
    deadlines = {child.deadline for child in core.state.children}
    assert deadlines == {core.now + decide.FAST_GRACE}


def test_fast_stop_has_no_delay() -> None:
    core = Core(stop_delay=10.0)
    assert core.tell(events.StopAsked(fast=True))[0] == actions.CloseListeners()
