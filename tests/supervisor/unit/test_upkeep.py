"""The rules about living workers, without a process: hanging, recycling, sleeping, scaling."""

from __future__ import annotations

from math import inf
from typing import Any, TypeVar

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events, upkeep
from fapws.supervisor.core import worker_states as states

Order = TypeVar("Order")


class Core:
    """Drives the decision core with one pool."""

    def __init__(self, workers: int = 2, **options: Any) -> None:
        given = {"request_timeout": 0.0, "boot_timeout": 60.0, "drain_timeout": 25.0, **options}
        self.config = Config("", (Pool("blog", workers=workers, **given),))
        self.state = decide.State(self.config)
        self.now = 1000.0
        self.actions: list[actions.Action] = []
        self.tell(events.Boot())
        self.ready_all()

    def tell(self, event: events.Event, after: float = 0.0) -> list[actions.Action]:
        self.now += after
        self.state, self.actions = decide.step(self.state, event, self.now)
        return self.actions

    def all(self, kind: type[Order]) -> list[Order]:
        return [action for action in self.actions if isinstance(action, kind)]

    def seen(self, number: int, after: float = 0.0, **values: Any) -> list[actions.Action]:
        given = {"beat": 1, "silent": 0.0, "busy": False, "requests": 0, "connections": 0, "rss": 0, **values}
        return self.tell(events.Seen((events.Vital(number, **given),)), after)

    def ready_all(self) -> None:
        while starting := [c for c in self.state.children if c.state == states.STARTING]:
            self.tell(events.WorkerReady(starting[0].number))

    def settle(self) -> None:
        """Everybody gets ready, or goes if told to."""
        while any(c.state in (states.STARTING, states.DRAINING) for c in self.state.children):
            self.ready_all()
            for child in self.state.children:
                if child.state == states.DRAINING:
                    self.tell(events.WorkerExited(child.number, 0))

    def state_of(self, number: int) -> str:
        child = self.state.children.get(number)
        return child.state if child else states.GONE


# ---- Looking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, inf),
        ({"request_timeout": 300.0}, 5.0),
        ({"request_timeout": 2.0}, 0.2),
        ({"request_timeout": 0.01}, 0.1),
        ({"max_requests": 7}, 1.0),
        ({"slow_request": 3.0}, 0.3),
        ({"idle_timeout": 7.0}, inf),
        ({"idle_timeout": 7.0, "min_workers": 0}, 0.7),
    ],
)
def test_the_scoreboard_is_read_only_as_often_as_the_options_need(options: Any, seconds: float) -> None:
    core = Core(**options)
    assert upkeep.look_interval(core.config) == seconds
    due = decide.next_wakeup(core.state, core.now)
    assert due == core.now + seconds
    if seconds < inf:
        assert core.tell(events.Tick(), after=seconds) == [actions.Look()]
        assert decide.next_wakeup(core.state, core.now) == core.now + seconds


# ---- Hanging -------------------------------------------------------------------------------------


def test_request_that_takes_too_long_costs_its_worker_after_its_stack_was_asked_for() -> None:
    core = Core(request_timeout=10.0)
    assert not core.seen(1, silent=9.9, busy=True)
    (hung,) = [a for a in core.seen(1, silent=10.0, busy=True) if isinstance(a, actions.Hung)]
    assert (hung.child.number, hung.stopped) == (1, False)
    assert "10.0 s in a request (request_timeout)" in hung.child.hung
    assert core.state_of(1) == states.HUNG
    assert not core.all(actions.Kill)
    core.tell(events.Tick(), after=states.HUNG_GRACE)
    assert core.all(actions.Kill) == [actions.Kill(1)]
    core.tell(events.WorkerExited(1, -9))
    (died,) = core.all(actions.Died)
    assert "request_timeout" in died.child.hung
    assert died.delay == 0.0
    assert [start.slot for start in core.all(actions.Start)] == [0]
    assert core.state_of(2) == states.SERVING, "the other never noticed"


def test_worker_that_goes_on_in_its_grace_is_spared() -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, silent=10.0, busy=True)
    core.seen(1, after=1.0, silent=11.0, busy=True)
    assert core.state_of(1) == states.HUNG
    core.seen(1, after=0.5, beat=2, silent=0.3, busy=True)
    assert len(core.all(actions.Spared)) == 1
    assert core.state_of(1) == states.SERVING
    assert [action.child.number for action in core.all(actions.Recycling)] == [1]
    core.tell(events.WorkerReady(3))
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)], "replaced, but nothing is lost"


def test_idle_worker_that_goes_on_is_replaced() -> None:
    """The signal that asked for its stack has woken it; it may hear nobody else."""
    core = Core(request_timeout=10.0)
    core.seen(1, silent=5.0)
    core.seen(1, after=5.0, silent=10.0)
    assert core.state_of(1) == states.HUNG
    core.seen(1, after=0.5, beat=2, silent=0.3)
    assert core.state_of(1) == states.SERVING
    assert core.all(actions.Recycling)


def test_while_somebody_hangs_the_master_looks_often() -> None:
    core = Core(request_timeout=300.0)
    core.seen(1, silent=300.0, busy=True)
    assert decide.next_wakeup(core.state, core.now) == core.now + upkeep.LOOK_HUNG


def test_idle_worker_is_asked_for_a_sign_of_life_before_it_counts_as_hung() -> None:
    core = Core(request_timeout=10.0)
    assert core.seen(1, silent=4.9) == []
    assert core.all(actions.SendPing) == []
    assert actions.SendPing(1) in core.seen(1, silent=5000.0)
    assert not core.all(actions.Hung), "a machine that was suspended has idle workers, not hung ones"
    core.seen(1, after=4.9, silent=5004.9)
    assert not core.all(actions.Hung)
    core.seen(1, after=0.1, silent=5005.0)
    assert "though it was asked" in core.all(actions.Hung)[0].child.hung


def test_idle_worker_that_answers_is_asked_again_much_later() -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, silent=5.0)
    core.seen(1, after=2.0, beat=2, silent=1.9)
    assert not core.all(actions.SendPing)
    core.seen(1, after=3.2, beat=2, silent=5.1)
    assert core.all(actions.SendPing) == [actions.SendPing(1)]


def test_worker_that_takes_no_client_is_hung_though_it_gives_signs_of_life() -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, beat=5, waits=True)
    core.seen(1, after=9.9, beat=6, waits=True)
    assert not core.all(actions.Hung)
    core.seen(1, after=0.1, beat=7, waits=True)
    (hung,) = core.all(actions.Hung)
    assert hung.child.hung == "no client taken for 10.0 s, though one waits (request_timeout)"
    core.seen(1, after=1.0, beat=8, waits=True)
    assert not core.all(actions.Spared), "another beat is no sign that it did not give before"
    core.tell(events.Tick(), after=states.HUNG_GRACE)
    assert actions.Kill(1) in core.actions


@pytest.mark.parametrize("sign", [{"taken": 1, "waits": True}, {"waits": False}])
def test_deaf_worker_that_takes_a_client_after_all_is_spared_and_replaced(sign: dict[str, Any]) -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, waits=True)
    core.seen(1, after=10.0, waits=True)
    assert core.state_of(1) == states.HUNG
    core.seen(1, after=0.5, **sign)
    assert core.all(actions.Spared)
    assert core.all(actions.Recycling), "what made it deaf is not known"


@pytest.mark.parametrize(
    "between", [{"taken": 1, "waits": True}, {"waits": False}, {"busy": True, "waits": True}]
)
def test_worker_that_does_something_at_its_door_is_not_deaf(between: dict[str, Any]) -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, waits=True)
    core.seen(1, after=9.0, **between)
    core.seen(1, after=2.0, taken=between.get("taken", 0), waits=True)
    core.seen(1, after=7.0, taken=between.get("taken", 0), waits=True)
    assert not core.all(actions.Hung)


def test_stopped_worker_is_killed_after_the_grace_also_without_request_timeout() -> None:
    core = Core()
    (hung,) = core.tell(events.WorkerPaused(1, "SIGSTOP"))
    assert isinstance(hung, actions.Hung)
    assert hung.stopped
    core.tell(events.Tick(), after=states.HUNG_GRACE)
    assert core.all(actions.Kill) == [actions.Kill(1)]


def test_stopped_worker_that_is_continued_is_spared() -> None:
    core = Core()
    core.tell(events.WorkerPaused(1, "SIGTSTP"))
    core.seen(1, after=0.5, beat=2, silent=0.2)
    assert core.state_of(1) == states.HUNG, "its stamp may be newer than the stop"
    assert [type(a) for a in core.tell(events.WorkerContinued(1))] == [actions.Spared]
    assert core.state_of(1) == states.SERVING


def test_worker_that_is_told_to_go_while_it_hangs_drains() -> None:
    core = Core(request_timeout=10.0)
    core.seen(1, silent=10.0, busy=True)
    core.tell(events.StopAsked(fast=False))
    assert actions.Terminate(1) in core.actions
    assert core.state_of(1) == states.DRAINING


# ---- Recycling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "values", "why"),
    [
        ({"max_requests": 100}, {"requests": 100}, "100 requests (max_requests)"),
        ({"max_rss": 2**20}, {"rss": 3 * 2**20}, "3.0 MB (max_rss)"),
        ({"max_lifetime": 10.0}, {}, "20 s (max_lifetime)"),
    ],
)
def test_spent_worker_leaves_only_when_its_replacement_serves(options: Any, values: Any, why: str) -> None:
    core = Core(**options)
    core.seen(1, after=20.0, **values)
    (recycling,) = core.all(actions.Recycling)
    assert recycling.child.worn_out == why
    (start,) = core.all(actions.Start)
    assert (start.slot, start.generation) == (0, 1)
    assert not core.all(actions.SendDrain)
    core.tell(events.WorkerReady(start.worker))
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)]
    core.tell(events.WorkerExited(1, 0))
    assert not core.all(actions.Died)
    assert [core.state_of(n) for n in (1, 2, 3)] == [states.GONE, states.SERVING, states.SERVING]


def test_one_slot_at_a_time_is_recycled() -> None:
    core = Core(workers=3, max_requests=10)
    core.tell(events.Seen(tuple(events.Vital(n, 1, 0.0, False, 10, 0, 0) for n in (1, 2, 3))))
    assert len(core.all(actions.Start)) == 1
    core.tell(events.WorkerReady(4))
    assert not core.all(actions.Start), "not before the first has gone"
    core.tell(events.WorkerExited(1, 0))
    assert len(core.all(actions.Start)) == 1


def test_jitter_is_spread_over_the_workers() -> None:
    found = {upkeep._jitter(number, 9) for number in range(1, 200)}
    assert found == set(range(10))
    assert {upkeep._jitter(number, 0) for number in range(50)} == {0}


def test_memory_of_a_young_worker_does_not_count() -> None:
    core = Core(max_rss=2**20)
    core.seen(1, after=upkeep.RSS_AFTER - 0.1, rss=2**30)
    assert not core.all(actions.Start)


def test_replacement_that_cannot_boot_backs_off_and_the_spent_one_serves_on() -> None:
    core = Core(workers=1, max_requests=10)
    core.seen(1, requests=10)
    for number in (2, 3):
        core.tell(events.WorkerExited(number, 1))
    assert core.state_of(1) == states.SERVING
    core.tell(events.Tick(), after=1.0)
    (start,) = core.all(actions.Start)
    core.tell(events.WorkerReady(start.worker))
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)]


def test_spent_worker_that_dies_while_its_replacement_starts_is_not_replaced_twice() -> None:
    core = Core(workers=1, max_requests=10)
    core.seen(1, requests=10)
    core.tell(events.WorkerExited(1, -9))
    assert core.all(actions.Died)
    assert not core.all(actions.Start)
    core.tell(events.WorkerReady(2))
    assert [child.number for child in core.state.children] == [2]


def test_reload_replaces_the_spent_and_its_replacement() -> None:
    core = Core(workers=1, max_requests=10)
    core.seen(1, requests=10)
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    assert not core.all(actions.Start), "there is no room yet"
    core.tell(events.WorkerReady(2))
    core.tell(events.WorkerExited(1, 0))
    (start,) = core.all(actions.Start)
    assert start.generation == 2
    core.tell(events.WorkerReady(start.worker))
    core.tell(events.WorkerExited(2, 0))
    assert core.all(actions.ReloadDone)[0].ok


# ---- Sleeping ------------------------------------------------------------------------------------


def test_pool_without_clients_goes_to_sleep_and_wakes_up_when_one_knocks() -> None:
    core = Core(workers=1, min_workers=0, idle_timeout=30.0)
    assert core.seen(1, after=29.0) == [actions.Look()]
    core.seen(1, after=1.0)
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)]
    assert [action.pool.name for action in core.all(actions.WatchPool)] == ["blog"]
    core.tell(events.WorkerExited(1, 0))
    assert core.actions == [], "nobody is started again"
    core.tell(events.Knocked("blog"))
    assert core.all(actions.UnwatchPool) == [actions.UnwatchPool("blog")]
    assert len(core.all(actions.Start)) == 1


def test_worker_that_drains_does_not_keep_a_pool_from_waking_up() -> None:
    core = Core(workers=1, min_workers=0, idle_timeout=30.0)
    core.seen(1, after=30.0)
    core.tell(events.Knocked("blog"))
    assert len(core.all(actions.Start)) == 1
    core.seen(2)
    assert core.state_of(2) == states.STARTING


@pytest.mark.parametrize("values", [{"connections": 1}, {"requests": 5}])
def test_clients_keep_a_pool_awake(values: Any) -> None:
    core = Core(workers=1, min_workers=0, idle_timeout=30.0)
    core.seen(1, after=29.0, **values)
    core.seen(1, after=29.0, requests=values.get("requests", 0))
    assert core.state_of(1) == states.SERVING


def test_reload_tries_the_application_of_a_pool_that_sleeps() -> None:
    core = Core(workers=1, min_workers=0, idle_timeout=30.0)
    core.seen(1, after=30.0)
    core.tell(events.WorkerExited(1, 0))
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    (start,) = core.all(actions.Start)
    core.tell(events.WorkerExited(start.worker, 1))
    assert not core.all(actions.ReloadDone)[0].ok
    assert "blog" in core.state.asleep
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    core.tell(events.WorkerReady(core.all(actions.Start)[0].worker))
    assert core.all(actions.UnwatchPool)
    assert core.all(actions.ReloadDone)[0].ok


# ---- Scaling -------------------------------------------------------------------------------------


def test_scaling_up_is_told_when_all_serve() -> None:
    core = Core(workers=1)
    core.tell(events.ScaleAsked("blog", 3))
    assert len(core.all(actions.Start)) == 2, "a larger pool may have them all at once"
    core.tell(events.WorkerReady(2))
    assert not core.all(actions.Scaled)
    core.tell(events.WorkerReady(3))
    assert not core.all(actions.Scaled)
    assert "wsgi.multiprocess" in core.all(actions.Recycling)[0].child.worn_out, "it believes to be alone"
    core.tell(events.WorkerReady(4))
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)]
    core.tell(events.WorkerExited(1, 0))
    assert core.all(actions.Scaled) == [actions.Scaled("blog", True, "pool blog has 3 workers")]
    core.tell(events.ScaleAsked("blog", 1))
    core.tell(events.WorkerExited(2, 0))
    core.tell(events.WorkerExited(3, 0))
    core.tell(events.ScaleAsked("blog", 2))
    core.tell(events.WorkerReady(5))
    assert core.all(actions.Scaled), "this one knows already"


def test_scaling_down_drains_the_last_slots() -> None:
    core = Core(workers=3)
    core.tell(events.ScaleAsked("blog", 1))
    assert core.all(actions.SendDrain) == [actions.SendDrain(2), actions.SendDrain(3)]
    core.tell(events.WorkerExited(2, 0))
    core.tell(events.WorkerExited(3, 0))
    assert core.all(actions.Scaled) == [actions.Scaled("blog", True, "pool blog has 1 worker")]


def test_scaling_that_fails_is_told_with_the_reason() -> None:
    core = Core(workers=1)
    core.tell(events.ScaleAsked("blog", 2))
    for number in (2, 3):
        core.tell(events.WorkerFailed(number, "MemoryError\n"))
        core.tell(events.WorkerExited(number, 1))
    (told,) = core.all(actions.Scaled)
    assert (told.ok, told.text) == (False, "worker blog/1 cannot start\nMemoryError")


def test_reload_returns_to_the_number_of_the_configuration() -> None:
    core = Core(workers=1)
    core.tell(events.ScaleAsked("blog", 2))
    core.settle()
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    core.settle()
    assert [child.state for child in core.state.children] == [states.SERVING]


# ---- Frugal reload -------------------------------------------------------------------------------


def test_frugal_reload_never_has_more_processes_than_workers_after_the_trial() -> None:
    core = Core(workers=2, reload="frugal")
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    core.tell(events.WorkerReady(3))
    assert core.all(actions.SendDrain) == [actions.SendDrain(3)], "the canary has proved itself"
    core.tell(events.WorkerExited(3, 0))
    assert core.all(actions.SendDrain) == [actions.SendDrain(1)]
    for old, new in ((1, 4), (2, 5)):
        assert core.tell(events.Tick(), after=1.0) == [], "it has not drained yet"
        assert core.state.children.processes() == 2
        core.tell(events.WorkerExited(old, 0))
        assert [start.worker for start in core.all(actions.Start)] == [new]
        assert not core.all(actions.SendDrain), "one after the other"
        core.tell(events.WorkerReady(new))
    (done,) = core.all(actions.ReloadDone)
    assert done.ok
    assert "2 workers replaced" in done.text


@pytest.mark.parametrize(("before", "after"), [(4, 2), (1, 3)])
def test_frugal_reload_changes_the_number_of_workers(before: int, after: int) -> None:
    core = Core(workers=before, reload="frugal")
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(Core(workers=after, reload="frugal").config))
    for _ in range(50):
        if core.all(actions.ReloadDone):
            break
        core.ready_all()
        draining = [child for child in core.state.children if child.state == states.DRAINING]
        if draining and not core.all(actions.ReloadDone):
            core.tell(events.WorkerExited(draining[0].number, 0))
    assert [done.ok for done in core.all(actions.ReloadDone)] == [True]
    assert [child.state for child in core.state.children] == [states.SERVING] * after


def test_frugal_reload_stops_when_the_successors_fail() -> None:
    core = Core(workers=2, reload="frugal")
    core.tell(events.ReloadAsked())
    core.tell(events.Prepared(core.config))
    core.tell(events.WorkerReady(3))
    core.tell(events.WorkerExited(3, 0))
    core.tell(events.WorkerExited(1, 0))
    for _ in range(decide.ROLL_ATTEMPTS):
        core.tell(events.Tick(), after=30.0)
        newest = max(child.number for child in core.state.children)
        core.tell(events.WorkerExited(newest, 1))
    (done,) = core.all(actions.ReloadDone)
    assert not done.ok
    assert core.state_of(2) == states.SERVING


# ---- Slow requests -------------------------------------------------------------------------------


def test_slow_request_is_told_once_and_when_it_is_over() -> None:
    core = Core(slow_request=1.0)
    core.seen(1, beat=500, silent=0.9, busy=True)
    assert core.all(actions.Slow) == []
    core.seen(1, after=0.1, beat=500, silent=1.1, busy=True)
    assert [slow.seconds for slow in core.all(actions.Slow)] == [1.1]
    core.seen(1, after=0.1, beat=500, silent=1.2, busy=True)
    assert core.all(actions.Slow) == core.all(actions.SlowOver) == []
    core.seen(1, after=0.1, beat=1800, silent=0.0, busy=True)
    assert [over.seconds for over in core.all(actions.SlowOver)] == [1.3]
    core.seen(1, after=0.1, beat=1900, silent=0.0)
    assert core.all(actions.SlowOver) == []


def test_next_request_may_be_slow_as_well() -> None:
    core = Core(slow_request=1.0)
    core.seen(1, beat=500, silent=1.1, busy=True)
    core.seen(1, after=2.0, beat=1700, silent=1.4, busy=True)
    assert len(core.all(actions.SlowOver)) == len(core.all(actions.Slow)) == 1


def test_idle_worker_is_not_slow_nor_any_where_it_is_off() -> None:
    core = Core(slow_request=1.0)
    core.seen(1, beat=500, silent=99.0)
    assert core.all(actions.Slow) == []
    core = Core()
    core.seen(1, beat=500, silent=99.0, busy=True)
    assert core.all(actions.Slow) == []
