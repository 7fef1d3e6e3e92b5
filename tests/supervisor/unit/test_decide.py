"""The decision core, without a process: what follows which event."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeVar

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events
from fapws.supervisor.core import worker_states as states

Order = TypeVar("Order")


def config(**workers: int) -> Config:
    """A configuration with a pool for each keyword; its number of workers is the value."""
    pools = (
        Pool(name, workers=count, boot_timeout=60.0, drain_timeout=25.0, request_timeout=0.0)
        for name, count in workers.items()
    )
    return Config("", tuple(pools))


class Core:
    """Drives the decision core and plays the obedient world."""

    def __init__(self, **workers: int) -> None:
        self.state = decide.State(config(**workers))
        self.now = 1000.0
        self.actions: list[actions.Action] = []

    def tell(self, event: events.Event, after: float = 0.0) -> list[actions.Action]:
        """The actions that an event leads to, ``after`` seconds later."""
        self.now += after
        self.state, self.actions = decide.step(self.state, event, self.now)
        return self.actions

    def all(self, kind: type[Order]) -> list[Order]:
        """The actions of one kind among the last ones."""
        return [action for action in self.actions if isinstance(action, kind)]

    def started(self) -> list[tuple[str, int, int]]:
        """Pool, slot and generation of what was started last."""
        return [(start.pool.name, start.slot, start.generation) for start in self.all(actions.Start)]

    def number(self, name: str, state: str | None = None, generation: int | None = None) -> int:
        """The number of the child ``pool/slot``, the newest if there are several."""
        return max(
            child.number
            for child in self.state.children
            if child.name == name and state in (None, child.state) and generation in (None, child.generation)
        )

    def states_of(self, pool: str) -> list[str]:
        """State of everybody in a pool, sorted."""
        return sorted(child.state for child in self.state.children.of_pool(pool))

    def ready_all(self) -> None:
        """Every worker that starts becomes ready, until none is starting."""
        while starting := [c for c in self.state.children if c.state == states.STARTING]:
            self.tell(events.WorkerReady(starting[0].number))

    def drained_all(self) -> None:
        """Every worker that was told to drain exits."""
        for child in self.state.children:
            if child.state == states.DRAINING:
                self.tell(events.WorkerExited(child.number, 0))

    def serve(self) -> Core:
        """Brings it to the point where all serve."""
        self.tell(events.Boot())
        self.ready_all()
        assert self.state.announced
        return self

    def reload_until_done(self, target: Config) -> list[actions.ReloadDone]:
        """A reload that meets no obstacle; every ReloadDone seen."""
        self.tell(events.ReloadAsked())
        self.tell(events.Prepared(target))
        for _ in range(100):
            done = self.all(actions.ReloadDone)
            if done:
                return done
            starting = [c for c in self.state.children if c.state == states.STARTING]
            draining = [c for c in self.state.children if c.state == states.DRAINING]
            if starting:
                self.tell(events.WorkerReady(starting[0].number))
            elif draining:
                self.tell(events.WorkerExited(draining[0].number, 0))
        raise AssertionError("the reload does not end")


def kinds(ordered: Iterable[actions.Action]) -> list[type[actions.Action]]:
    """What the actions are."""
    return [type(action) for action in ordered]


# ---- The first start -----------------------------------------------------------------------------


def test_first_start_boots_one_worker_a_pool_one_after_the_other() -> None:
    core = Core(blog=2, shop=1)
    core.tell(events.Boot())
    assert core.started() == [("blog", 0, 1)]
    core.tell(events.WorkerReady(1))
    assert core.started() == [("shop", 0, 1)]
    core.tell(events.WorkerReady(2))
    assert core.started() == [("blog", 1, 1)]
    assert not core.all(actions.Serving)
    core.tell(events.WorkerReady(3))
    assert kinds(core.actions) == [actions.Serving]


def test_first_start_that_fails_ends_the_master_with_the_reason_of_the_worker() -> None:
    core = Core(blog=1, shop=1)
    core.tell(events.Boot())
    core.tell(events.WorkerReady(1))
    core.tell(events.WorkerFailed(2, "Traceback: shop\n"))
    core.tell(events.WorkerExited(2, 1))
    assert actions.Terminate(1) in core.actions
    core.tell(events.WorkerExited(1, 0))
    (end,) = core.all(actions.Exit)
    assert end.status == 1
    assert "Traceback: shop" in end.reason


def test_first_start_that_takes_too_long_is_killed_and_said_so() -> None:
    core = Core(blog=1)
    core.tell(events.Boot())
    assert core.tell(events.Tick(), after=60.0) == [actions.Kill(1)]
    core.tell(events.WorkerExited(1, -9))
    (end,) = core.all(actions.Exit)
    assert "boot_timeout" in end.reason


def test_worker_that_starts_for_long_is_asked_for_its_stack_before_it_is_killed() -> None:
    core = Core(blog=2)
    core.tell(events.Boot())
    assert decide.next_wakeup(core.state, core.now) == core.now + 58.0
    assert kinds(core.tell(events.Tick(), after=58.0)) == [actions.Late]
    assert core.tell(events.Tick()) == [], "once"
    core.tell(events.WorkerFailed(1, "where it stands"))
    core.tell(events.WorkerReady(1))
    assert [child.reason for child in core.state.children] == ["", ""], "it was ready after all"
    core.tell(events.Tick(), after=58.0)
    core.tell(events.WorkerFailed(2, "where it stands"))
    assert core.tell(events.Tick(), after=2.0) == [actions.Kill(2)]
    core.tell(events.WorkerExited(2, -9))
    (died,) = core.all(actions.Died)
    assert died.child.reason == (
        "where it stands\nworker blog/1 was not ready after 60 s (boot_timeout) and was killed"
    )


def test_later_worker_of_the_first_start_may_fail_without_ending_the_master() -> None:
    core = Core(blog=2)
    core.tell(events.Boot())
    core.tell(events.WorkerReady(1))
    core.tell(events.WorkerExited(2, 1))
    core.tell(events.WorkerExited(3, 1))
    assert actions.Serving() in core.actions, "it is announced, though one is backing off"
    assert core.states_of("blog") == [states.BACKING_OFF, states.SERVING]


def test_stop_during_the_first_start_is_no_failure() -> None:
    core = Core(blog=1)
    core.tell(events.Boot())
    core.tell(events.StopAsked(fast=True))
    core.tell(events.WorkerExited(1, -15))
    assert core.all(actions.Exit) == [actions.Exit(0, "")]


# ---- Crashes -------------------------------------------------------------------------------------


def test_crash_is_refilled_at_once_the_first_time() -> None:
    core = Core(blog=2).serve()
    core.tell(events.WorkerExited(1, -9, requests=7), after=5.0)
    assert core.started() == [("blog", 0, 1)]
    (died,) = core.all(actions.Died)
    assert (died.status, died.age, died.requests, died.delay) == (-9, 5.0, 7, 0.0)


def test_crashes_in_a_row_back_off() -> None:
    core = Core(blog=1).serve()
    delays = []
    for _ in range(12):
        core.tell(events.WorkerExited(core.number("blog/0"), 1))
        delays += [died.delay for died in core.all(actions.Died)]
        core.tell(events.Tick(), after=delays[-1])
    assert delays[:5] == [0.0, 1.0, 1.5, 2.25, 3.375]
    assert delays[-1] == 30.0


def test_slot_that_backs_off_is_not_filled_early() -> None:
    core = Core(blog=1).serve()
    core.tell(events.WorkerExited(1, 1))
    core.tell(events.WorkerExited(2, 1))
    assert core.tell(events.Tick(), after=0.99) == []
    assert decide.next_wakeup(core.state, core.now) == pytest.approx(core.now + 0.01)
    core.tell(events.Tick(), after=0.02)
    assert core.started() == [("blog", 0, 1)]


def test_a_minute_of_serving_forgets_earlier_failures() -> None:
    core = Core(blog=1).serve()
    core.tell(events.WorkerExited(1, 1))
    core.tell(events.WorkerReady(2))
    core.tell(events.WorkerExited(2, 1), after=60.0)
    (died,) = core.all(actions.Died)
    assert died.delay == 0.0


def test_worker_that_is_not_ready_in_time_is_killed_and_replaced() -> None:
    core = Core(blog=2).serve()
    core.tell(events.WorkerExited(2, 1))
    assert core.tell(events.Tick(), after=60.0) == [actions.Kill(3)]
    assert core.tell(events.WorkerReady(3)) == [], "too late: the KILL is on its way"
    core.tell(events.WorkerExited(3, -9))
    assert core.all(actions.Died)


# ---- Reload --------------------------------------------------------------------------------------


def test_reload_starts_a_canary_and_drains_its_predecessor_only_when_it_is_ready() -> None:
    core = Core(blog=1).serve()
    assert core.tell(events.ReloadAsked()) == [actions.Prepare()]
    core.tell(events.Prepared(config(blog=1)))
    assert core.started() == [("blog", 0, 2)]
    assert core.tell(events.Tick(), after=1.0) == []
    assert core.tell(events.WorkerReady(2)) == [actions.SendDrain(1)]
    core.tell(events.WorkerExited(1, 0))
    (done,) = core.all(actions.ReloadDone)
    assert done.ok
    assert "generation 2, 1 worker replaced in 1.0 s" in done.text


def test_reload_rolls_one_worker_at_a_time() -> None:
    core = Core(blog=3).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=3)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    assert kinds(core.actions) == [actions.SendDrain]
    assert core.tell(events.Tick(), after=1.0) == [], "not before the predecessor has gone"
    core.tell(events.WorkerExited(1, 0))
    assert core.started() == [("blog", 1, 2)]


def test_reload_rolls_one_worker_at_a_time_over_all_pools() -> None:
    core = Core(blog=2, shop=2).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2, shop=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    core.tell(events.WorkerReady(core.number("shop/0")))
    assert len(core.all(actions.SendDrain)) == 2
    core.tell(events.WorkerExited(1, 0))
    assert core.actions == [], "the predecessor of the other pool's canary still drains"
    core.tell(events.WorkerExited(2, 0))
    assert len(core.started()) == 1


def test_reload_is_done_only_when_workers_it_adds_have_started() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    core.tell(events.WorkerExited(1, 0))
    assert not core.all(actions.ReloadDone)
    core.tell(events.WorkerReady(core.number("blog/1")))
    assert core.all(actions.ReloadDone)


def test_reload_refused_changes_nothing() -> None:
    core = Core(blog=1).serve()
    before = core.state.children
    core.tell(events.ReloadAsked())
    core.tell(events.Refused("blog.ini:3: workrs: unknown key"))
    assert core.actions == [actions.ReloadDone(False, "blog.ini:3: workrs: unknown key", core.state.config)]
    assert core.state.children == before


def test_broken_canary_leaves_the_old_workers_alone() -> None:
    core = Core(blog=2).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=4)))
    core.tell(events.WorkerFailed(3, "SyntaxError: x\n"))
    core.tell(events.WorkerExited(3, 1))
    (done,) = core.all(actions.ReloadDone)
    assert (done.ok, done.text, done.config) == (False, "SyntaxError: x", config(blog=2))
    assert core.states_of("blog") == [states.SERVING, states.SERVING]


def test_canary_that_hangs_is_killed_after_boot_timeout() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    assert core.tell(events.Tick(), after=60.0) == [actions.Kill(2)]
    core.tell(events.WorkerExited(2, -9))
    (done,) = core.all(actions.ReloadDone)
    assert not done.ok
    assert "boot_timeout" in done.text


def test_good_canary_of_one_pool_leaves_again_if_the_canary_of_another_fails() -> None:
    core = Core(blog=1, shop=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1, shop=1)))
    good = core.number("blog/0")
    core.tell(events.WorkerReady(good))
    core.tell(events.WorkerExited(core.number("shop/0"), -11))
    assert core.all(actions.SendDrain) == [actions.SendDrain(good)], "it holds clients: no KILL"
    assert not core.all(actions.ReloadDone)
    core.tell(events.WorkerExited(good, 0))
    assert [done.ok for done in core.all(actions.ReloadDone)] == [False]
    assert {child.generation for child in core.state.children} == {1}


def test_generation_of_a_failed_reload_is_not_used_again() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    core.tell(events.WorkerExited(2, 1))
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    assert core.started() == [("blog", 0, 3)]


def test_a_thousand_requests_during_a_reload_are_one_more_reload() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    for _ in range(1000):
        assert core.tell(events.ReloadAsked()) == []
    core.tell(events.Refused("no"))
    assert kinds(core.actions) == [actions.ReloadDone, actions.Prepare]
    core.tell(events.Refused("no"))
    assert kinds(core.actions) == [actions.ReloadDone]


def test_reload_during_the_first_start_waits_for_its_end() -> None:
    core = Core(blog=2)
    core.tell(events.Boot())
    assert core.tell(events.ReloadAsked()) == []
    core.tell(events.WorkerReady(1))
    assert core.started() == [("blog", 1, 1)]
    assert not core.all(actions.Prepare)
    core.tell(events.WorkerReady(2))
    assert core.actions == [actions.Serving(), actions.Prepare()]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (3, 3)])
def test_reload_changes_the_number_of_workers(before: int, after: int) -> None:
    core = Core(blog=before).serve()
    (done,) = core.reload_until_done(config(blog=after))
    assert done.ok
    assert core.states_of("blog") == [states.SERVING] * after
    assert {child.generation for child in core.state.children} == {2}


def test_reload_adds_and_removes_pools() -> None:
    core = Core(blog=2, shop=1).serve()
    (done,) = core.reload_until_done(config(blog=2, wiki=3))
    assert done.ok
    assert core.states_of("shop") == []
    assert core.states_of("wiki") == [states.SERVING] * 3


def test_reload_mends_a_pool_that_is_crashing() -> None:
    core = Core(blog=1).serve()
    core.tell(events.WorkerExited(1, 1))
    core.tell(events.WorkerExited(2, 1))
    assert core.states_of("blog") == [states.BACKING_OFF]
    (done,) = core.reload_until_done(config(blog=1))
    assert done.ok
    assert core.states_of("blog") == [states.SERVING]


def test_reload_does_not_wait_for_the_back_off_of_old_workers() -> None:
    core = Core(blog=2).serve()
    for number in (1, 2, 3, 4):
        core.tell(events.WorkerExited(number, 1))
    assert core.states_of("blog") == [states.BACKING_OFF] * 2
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    assert core.started() == [("blog", 1, 2)]


def test_canary_does_not_shorten_the_back_off_of_its_predecessor() -> None:
    core = Core(blog=1).serve()
    core.tell(events.WorkerExited(1, 1))
    core.tell(events.WorkerExited(2, 1))
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    assert core.started() == [("blog", 0, 2)]
    assert core.tell(events.Tick(), after=0.9) == []
    core.tell(events.Tick(), after=0.2)
    assert core.started() == [("blog", 0, 1)], "until the canary has proved itself, the old rules"


def test_old_worker_that_still_starts_when_the_canary_is_ready_drains_too() -> None:
    core = Core(blog=2).serve()
    core.tell(events.WorkerExited(2, 1))
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    assert sorted(core.all(actions.SendDrain)) == [actions.SendDrain(1), actions.SendDrain(3)]
    assert core.started() == [], "a third process more than the pool may have"
    core.tell(events.WorkerExited(3, 0))
    assert core.started() == [("blog", 1, 2)]


def test_old_worker_that_dies_while_its_replacement_starts_is_not_replaced_twice() -> None:
    core = Core(blog=2).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    core.tell(events.WorkerExited(1, 0))
    assert core.started() == [("blog", 1, 2)]
    core.tell(events.WorkerExited(2, -9))
    assert core.started() == []
    core.ready_all()
    assert core.states_of("blog") == [states.SERVING] * 2


def test_crash_of_an_old_worker_during_a_roll_is_refilled_with_the_new_generation() -> None:
    core = Core(blog=3).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=3)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    core.tell(events.WorkerExited(1, 0))
    core.tell(events.WorkerExited(3, -9))  # blog/2, not its turn yet
    assert core.started() == [("blog", 2, 2)]
    core.ready_all()
    core.drained_all()
    assert core.states_of("blog") == [states.SERVING] * 3


def test_replacement_that_fails_again_and_again_ends_the_reload_and_the_old_one_serves_on() -> None:
    core = Core(blog=2).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=2)))
    core.tell(events.WorkerReady(core.number("blog/0")))
    core.tell(events.WorkerExited(1, 0))
    for _ in range(decide.ROLL_ATTEMPTS):
        core.tell(events.Tick(), after=30.0)
        core.tell(events.WorkerExited(core.number("blog/1", generation=2), 1))
    (done,) = core.all(actions.ReloadDone)
    assert not done.ok
    assert core.states_of("blog") == [states.SERVING, states.SERVING]
    assert {child.generation for child in core.state.children} == {1, 2}
    (done,) = core.reload_until_done(config(blog=2))
    assert done.ok
    assert {child.generation for child in core.state.children} == {3}


def test_old_worker_that_does_not_finish_is_killed_after_drain_timeout() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    core.tell(events.WorkerReady(2))
    assert core.tell(events.Tick(), after=25.0) == [actions.Kill(1)]
    assert decide.next_wakeup(core.state, core.now) == inf, "a KILL needs no second one"


# ---- Stop ----------------------------------------------------------------------------------------


def test_stop_terminates_everybody_and_ends_when_the_last_has_gone() -> None:
    core = Core(blog=2).serve()
    core.tell(events.StopAsked(fast=False))
    assert core.actions == [actions.CloseListeners(), actions.Terminate(1), actions.Terminate(2)]
    core.tell(events.WorkerExited(1, 0))
    assert core.actions == []
    core.tell(events.WorkerExited(2, 0))
    assert core.actions == [actions.Exit(0, "")]


def test_graceful_stop_kills_after_drain_timeout() -> None:
    core = Core(blog=1).serve()
    core.tell(events.StopAsked(fast=False))
    assert core.tell(events.Tick(), after=24.9) == []
    assert core.tell(events.Tick(), after=0.1) == [actions.Kill(1)]


def test_second_stop_is_a_fast_one() -> None:
    core = Core(blog=1).serve()
    core.tell(events.StopAsked(fast=False))
    core.tell(events.StopAsked(fast=False), after=1.0)
    assert core.tell(events.Tick(), after=decide.FAST_GRACE) == [actions.Kill(1)]


def test_stop_ends_a_reload_and_says_so() -> None:
    core = Core(blog=1).serve()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(config(blog=1)))
    core.tell(events.ReloadAsked())
    core.tell(events.StopAsked(fast=False))
    assert [done.ok for done in core.all(actions.ReloadDone)] == [False]
    assert core.all(actions.Terminate) == [actions.Terminate(1), actions.Terminate(2)]
    assert not core.all(actions.Prepare), "nor does a queued one begin"


def test_stop_of_a_server_that_backs_off_ends_at_once() -> None:
    core = Core(blog=1).serve()
    core.tell(events.WorkerExited(1, 1))
    core.tell(events.WorkerExited(2, 1))
    core.tell(events.StopAsked(fast=False))
    assert core.actions == [actions.CloseListeners(), actions.Exit(0, "")]


def test_events_of_workers_that_are_forgotten_mean_nothing() -> None:
    core = Core(blog=1).serve()
    late = (events.WorkerReady(99), events.WorkerFailed(99, "x"), events.WorkerExited(99, 1))
    for event in (*late, events.Prepared(config(blog=9)), events.Refused("x"), events.Boot()):
        assert core.tell(event) == []
