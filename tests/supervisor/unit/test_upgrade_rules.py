"""The rules of an upgrade in place, without a process: when it waits, what ends it, whom it tells."""

from __future__ import annotations

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events, upgrade_rules
from fapws.supervisor.core.actions import Action


def test_every_state_knows_every_happening_and_no_cell_leads_out_of_the_table() -> None:
    assert set(upgrade_rules.TABLE) == set(upgrade_rules.STATES)
    for row in upgrade_rules.TABLE.values():
        assert set(row) == set(upgrade_rules.HAPPENINGS)
        assert {cell.state for cell in row.values()} <= set(upgrade_rules.STATES)


def test_only_the_end_of_the_trial_forgets_it() -> None:
    for state in upgrade_rules.WITH_TRIAL:
        for happening, cell in upgrade_rules.TABLE[state].items():
            ended = happening in (upgrade_rules.PASSED, upgrade_rules.FAILED)
            assert (cell.state in upgrade_rules.WITH_TRIAL) == (not ended)


def test_every_way_back_to_idle_is_reported() -> None:
    for state in set(upgrade_rules.STATES) - {upgrade_rules.IDLE}:
        for cell in upgrade_rules.TABLE[state].values():
            assert (cell.state == upgrade_rules.IDLE) == (cell.order == upgrade_rules.REPORT)


class Core:
    """A server with a pool of two workers that serve."""

    def __init__(self) -> None:
        pool = Pool("blog", workers=2, boot_timeout=60.0, drain_timeout=25.0, request_timeout=30.0)
        self.config = Config("", (pool,))
        self.state = decide.State(self.config)
        self.now = 1000.0
        self.tell(events.Boot())
        self.tell(events.WorkerReady(1))
        self.tell(events.WorkerReady(2))

    def tell(self, event: events.Event, after: float = 0.0) -> list[Action]:
        self.now += after
        self.state, ordered = decide.step(self.state, event, self.now)
        return ordered

    def orders(self, event: events.Event, after: float = 0.0) -> list[Action]:
        """What is ordered about the upgrade."""
        kinds = (actions.TryNewCode, actions.KillTrial, actions.Leap, actions.UpgradeFailed)
        return [action for action in self.tell(event, after) if isinstance(action, kinds)]

    @property
    def stage(self) -> str:
        return upgrade_rules.stage(self.state)

    def trying(self) -> Core:
        self.tell(events.UpgradeAsked())
        assert self.orders(events.Tick()) == [actions.TryNewCode()]
        return self

    def tried(self) -> Core:
        self.trying()
        assert self.orders(events.TrialEnded("")) == []
        return self


def test_trial_then_leap_each_at_a_tick() -> None:
    core = Core()
    assert core.orders(events.UpgradeAsked()) == []
    assert core.orders(events.Tick()) == [actions.TryNewCode()]
    assert core.orders(events.Tick()) == []
    assert core.orders(events.TrialEnded("")) == []
    assert core.orders(events.Tick()) == [actions.Leap()]
    assert core.orders(events.Tick(), after=1000.0) == []


def test_asked_twice_it_is_one() -> None:
    core = Core().trying()
    core.tell(events.UpgradeAsked())
    assert core.orders(events.Tick()) == []


def test_before_everything_serves_nobody_can_ask() -> None:
    core = Core()
    core.state = decide.State(core.config)
    core.tell(events.Boot())
    core.tell(events.UpgradeAsked())
    assert core.stage == upgrade_rules.IDLE


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("reason", ["reload", "queued", "scaling", "hung", "starting"])
def test_waits_for_what_a_new_master_would_have_to_finish(reason: str, tried: bool) -> None:
    core = Core()
    if tried:
        core.tried()
    if reason == "reload":
        core.tell(events.ReloadAsked())
    elif reason == "queued":
        core.tell(events.ReloadAsked())
        core.tell(events.ReloadAsked(in_storm=True))
        core.tell(events.Refused("no"))
        assert core.state.queued
    elif reason == "scaling":
        core.tell(events.ScaleAsked("blog", 1))
    elif reason == "hung":
        core.tell(events.WorkerPaused(1, "SIGSTOP"))
    else:
        core.tell(events.WorkerExited(1, 1))
    core.tell(events.UpgradeAsked())
    assert core.orders(events.Tick()) == []
    if reason == "reload":
        core.tell(events.Refused("no"))
    elif reason == "queued":
        core.tell(events.Tick(), after=60.0)
        core.tell(events.Refused("no"))
    elif reason == "scaling":
        core.tell(events.WorkerExited(2, 0))
    elif reason == "hung":
        core.tell(events.WorkerContinued(1))
    else:
        core.tell(events.WorkerReady(3))
    assert core.orders(events.Tick()) == [actions.Leap() if tried else actions.TryNewCode()]


def test_trial_that_fails_changes_nothing_and_the_next_one_may_be_asked_for() -> None:
    core = Core().trying()
    assert core.orders(events.TrialEnded("no")) == [actions.UpgradeFailed("no")]
    assert core.stage == upgrade_rules.IDLE
    core.trying()


def test_trial_that_takes_too_long_is_killed_once_and_its_end_is_the_report() -> None:
    core = Core().trying()
    assert decide.next_wakeup(core.state, core.now) <= core.now + upgrade_rules.TRIAL_SECONDS
    assert core.orders(events.Tick(), after=upgrade_rules.TRIAL_SECONDS - 0.1) == []
    assert core.orders(events.Tick(), after=0.1) == [actions.KillTrial()]
    assert core.orders(events.Tick(), after=100.0) == []
    core.tell(events.UpgradeAsked())
    assert core.orders(events.Tick()) == []
    (failed,) = core.orders(events.TrialEnded("the check ended with status -9"))
    assert failed == actions.UpgradeFailed("the new code could not be tried within 60 s")


def test_stop_kills_the_trial_and_the_master_ends_after_it() -> None:
    core = Core().trying()
    assert core.orders(events.StopAsked(fast=False)) == [actions.KillTrial()]
    core.tell(events.WorkerExited(1, 0))
    assert not any(isinstance(action, actions.Exit) for action in core.tell(events.WorkerExited(2, 0)))
    ordered = core.tell(events.TrialEnded(""))
    assert ordered == [actions.UpgradeFailed("the server is stopping"), actions.Exit(0, "")]


@pytest.mark.parametrize("stage", [upgrade_rules.WAITING, upgrade_rules.TRIED, upgrade_rules.LEAPING])
def test_stop_ends_an_upgrade_that_has_no_trial(stage: str) -> None:
    core = Core()
    if stage == upgrade_rules.WAITING:
        core.tell(events.UpgradeAsked())
    else:
        core.tried()
        if stage == upgrade_rules.LEAPING:
            core.tell(events.Tick())
    assert core.stage == stage
    assert core.orders(events.StopAsked(fast=True)) == [actions.UpgradeFailed("the server is stopping")]
    assert core.orders(events.Tick()) == []


def test_leap_that_is_held_back_is_ordered_again_once_the_signals_were_obeyed() -> None:
    core = Core().tried()
    assert core.orders(events.Tick()) == [actions.Leap()]
    assert core.orders(events.LeapHeldBack()) == []
    core.tell(events.ReloadAsked(in_storm=True))
    assert core.orders(events.Tick()) == []
    core.tell(events.Refused("no"))
    assert core.orders(events.Tick()) == [actions.Leap()], "the trial that passed still counts"


def test_exec_that_fails_is_reported_and_the_next_upgrade_tries_the_code_anew() -> None:
    core = Core().tried()
    core.tell(events.Tick())
    assert core.orders(events.LeapFailed("no")) == [actions.UpgradeFailed("no")]
    core.trying()


def test_nothing_is_ordered_before_all_that_was_seen_is_told() -> None:
    """A worker that was reaped, but not told of yet, would be handed to the new code."""
    core = Core()
    core.tell(events.UpgradeAsked())
    assert core.orders(events.WorkerReady(1)) == []
    assert core.orders(events.Knocked("blog")) == []
    assert core.orders(events.Tick()) == [actions.TryNewCode()]
