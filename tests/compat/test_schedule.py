"""Timers and deferred calls without a loop: the test is the clock."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws.compat.schedule import NEVER, PATIENCE, Schedule


class Kept:
    """A schedule whose log is a list."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, BaseException]] = []
        self.schedule = Schedule(lambda text, error: self.failures.append((text, error)))
        self.calls: list[Any] = []

    def timer(self, seconds: float, name: str = "t", result: Any = None) -> int:
        """A timer that writes its name down."""
        return self.schedule.add_timer(seconds, lambda: (self.calls.append(name), result)[1])


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_timer_fires_each_time_its_seconds_are_over_and_says_when(kept: Kept) -> None:
    assert kept.timer(2) == 1 and kept.timer(3.5) == 2
    assert kept.schedule.run(100.0, False) == 2000
    assert kept.schedule.run(101.5, False) == 500 and not kept.calls
    assert kept.schedule.run(102.0, False) == 1500 and len(kept.calls) == 1
    assert kept.schedule.run(103.5, False) == 500 and len(kept.calls) == 2
    assert kept.schedule.run(104.0, False) == 2000 and len(kept.calls) == 3


def test_a_timer_that_lags_fires_once_and_is_in_step_again(kept: Kept) -> None:
    kept.timer(1)
    kept.schedule.run(0.0, False)
    assert kept.schedule.run(7.25, False) == 750
    assert kept.schedule.run(7.5, False) == 500
    assert kept.calls == ["t"]


def test_false_stops_a_timer_and_nothing_else_does(kept: Kept) -> None:
    for result in (None, 0, "", False):
        kept.timer(1, repr(result), result)
    for second in range(4):
        kept.schedule.run(float(second), False)
    assert kept.calls.count("False") == 1
    assert all(kept.calls.count(name) == 3 for name in ("None", "0", "''"))


def test_a_timer_that_raises_is_stopped_and_told_and_the_others_fire(kept: Kept) -> None:
    kept.schedule.add_timer(1, lambda: 1 / 0)
    kept.schedule.add_timer(1, exit)
    kept.timer(1)
    for second in range(3):
        kept.schedule.run(float(second), False)
    assert [type(error) for _, error in kept.failures] == [ZeroDivisionError, SystemExit]
    assert kept.calls == ["t", "t"]


def test_stop_and_restart_count_from_zero(kept: Kept) -> None:
    number = kept.timer(1)
    kept.schedule.run(0.0, False)
    kept.schedule.stop_timer(number - 1)
    assert kept.schedule.run(5.0, False) == NEVER
    kept.schedule.restart_timer(number - 1)
    assert kept.schedule.run(5.0, False) == 1000
    kept.schedule.run(5.5, False)
    kept.schedule.restart_timer(number - 1)
    assert kept.schedule.run(5.5, False) == 1000
    assert kept.schedule.run(6.5, False) == 1000 and kept.calls == ["t"]


def test_restarting_twice_does_not_fire_twice(kept: Kept) -> None:
    kept.timer(1)
    kept.schedule.restart_timer(0)
    kept.schedule.restart_timer(0)
    kept.schedule.run(0.0, False)
    kept.schedule.run(1.0, False)
    assert kept.calls == ["t"]


def test_a_timer_may_stop_and_restart_itself_and_others(kept: Kept) -> None:
    def first() -> bool:
        kept.calls.append("first")
        kept.schedule.stop_timer(1)
        kept.schedule.restart_timer(0)
        return False

    kept.schedule.add_timer(1, first)
    kept.timer(1, "second")
    for second in range(3):
        kept.schedule.run(float(second), False)
    assert kept.calls == ["first", "first"]


@pytest.mark.parametrize("index", [-1, 1, 99])
def test_a_timer_that_does_not_exist_is_an_error(kept: Kept, index: int) -> None:
    kept.timer(1)
    with pytest.raises(IndexError, match="there is no timer"):
        kept.schedule.stop_timer(index)
    with pytest.raises(IndexError, match="there is no timer"):
        kept.schedule.restart_timer(index)


@pytest.mark.parametrize("seconds", [0, -1, -0.0, math.nan, math.inf, -math.inf])
def test_seconds_that_never_come_are_an_error(kept: Kept, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds of a timer"):
        kept.timer(seconds)


@pytest.mark.parametrize("seconds", ["1", None, True, 1j])
def test_seconds_that_are_no_number_are_an_error(kept: Kept, seconds: Any) -> None:
    with pytest.raises(TypeError, match="seconds of a timer"):
        kept.timer(seconds)


def test_what_cannot_be_called_is_an_error(kept: Kept) -> None:
    with pytest.raises(TypeError):
        kept.schedule.add_timer(1, "no")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        kept.schedule.defer(None, 1)  # type: ignore[arg-type]


def test_there_may_be_many_timers_added_from_timers(kept: Kept) -> None:
    def more() -> None:
        for _ in range(100):
            kept.timer(1)

    kept.schedule.add_timer(1, more)
    for second in range(3):
        kept.schedule.run(float(second), False)
    assert len(kept.calls) == 100
    assert kept.timer(1) == 202


def test_far_and_tiny_seconds_give_a_poll_that_waits(kept: Kept) -> None:
    kept.timer(1e18)
    assert kept.schedule.run(0.0, False) == 2**31 - 1
    kept.timer(1e-300)
    assert kept.schedule.run(1e6, False) == 1
    assert kept.schedule.run(1e6, False) == 1 and kept.calls == ["t"]


def test_restarting_without_end_keeps_no_memory(kept: Kept) -> None:
    kept.timer(60)
    for turn in range(1000):
        kept.schedule.restart_timer(0)
        kept.schedule.run(turn / 1000, False)
    assert len(kept.schedule._due) < 100


def test_deferred_calls_come_one_an_idle_turn_in_their_order(kept: Kept) -> None:
    for number in range(3):
        kept.schedule.defer(kept.calls.append, number)
    assert kept.schedule.run(0.0, False) == 0 and not kept.calls
    assert kept.schedule.run(0.0, True) == 0 and kept.calls == [0]
    assert kept.schedule.queue_size() == 2
    kept.schedule.run(0.0, True)
    assert kept.schedule.run(0.0, True) == NEVER and kept.calls == [0, 1, 2]


def test_deferred_calls_are_made_though_no_turn_is_idle(kept: Kept) -> None:
    for number in range(4):
        kept.schedule.defer(kept.calls.append, number)
    kept.schedule.run(10.0, False)
    kept.schedule.run(10.0 + PATIENCE - 0.001, False)
    assert not kept.calls
    kept.schedule.run(10.001 + PATIENCE, False)
    kept.schedule.run(10.001 + PATIENCE, False)
    assert kept.calls == [0, 1], "one a turn"
    kept.schedule.run(11.0, True)
    kept.schedule.run(11.0, False)
    assert kept.calls == [0, 1, 2], "after an idle turn the time begins anew"


def test_combine_drops_an_equal_pair_that_waits_and_only_then(kept: Kept) -> None:
    for argument in ([1], [1], [2]):
        kept.schedule.defer(kept.calls.append, argument, True)
    kept.schedule.defer(kept.calls.append, [1], False)
    assert kept.schedule.queue_size() == 3
    kept.schedule.run(0.0, True)
    kept.schedule.run(0.0, True)
    kept.schedule.run(0.0, True)
    kept.schedule.defer(kept.calls.append, [1], True)
    assert kept.calls == [[1], [2], [1]] and kept.schedule.queue_size() == 1


def test_a_deferred_call_that_raises_is_told_and_the_next_one_comes(kept: Kept) -> None:
    kept.schedule.defer(lambda _: 1 / 0, None)
    kept.schedule.defer(kept.calls.append, 2)
    kept.schedule.run(0.0, True)
    kept.schedule.run(0.0, True)
    assert kept.calls == [2] and len(kept.failures) == 1


def test_the_end_makes_all_calls_also_those_deferred_meanwhile(kept: Kept) -> None:
    kept.schedule.defer(lambda _: 1 / 0, None)
    kept.schedule.defer(lambda _: kept.schedule.defer(kept.calls.append, "late"), None)
    kept.schedule.defer(kept.calls.append, "soon")
    assert kept.schedule.call_what_is_deferred() == 0
    assert kept.calls == ["soon", "late"] and len(kept.failures) == 1


def test_a_call_that_defers_itself_does_not_keep_the_worker_from_ending(kept: Kept) -> None:
    def again(_: None) -> None:
        kept.schedule.defer(again, None)

    kept.schedule.defer(again, None)
    assert kept.schedule.call_what_is_deferred() == 1 and kept.schedule.queue_size() == 0


seconds = st.floats(0.001, 10)


@given(st.lists(seconds, min_size=1, max_size=5), st.lists(st.floats(0, 30), max_size=40))
def test_no_timer_fires_early_in_bursts_or_never(intervals: list[float], steps: list[float]) -> None:
    """Against the definition: at least its seconds passed in all, and once a step at most."""
    fired: dict[int, list[float]] = {number: [] for number in range(len(intervals))}
    schedule = Schedule(lambda text, error: pytest.fail(text))
    now = 0.0
    for number, interval in enumerate(intervals):
        schedule.add_timer(interval, lambda number=number: fired[number].append(now))
    wait = schedule.run(now, False)
    for step in steps:
        expected = [
            now + step >= math.floor(now / interval + 1e-6) * interval + interval + 1e-6
            for interval in intervals
        ]
        before = [len(times) for times in fired.values()]
        now += step
        assert (step * 1000 >= wait) or [len(times) for times in fired.values()] == before
        wait = schedule.run(now, False)
        assert 1 <= wait <= max(1, math.ceil(min(intervals) * 1000))
        for number, due in enumerate(expected):
            more = len(fired[number]) - before[number]
            assert more <= 1 and (more == 1 or not due)
    for number, interval in enumerate(intervals):
        assert len(fired[number]) <= now / interval + 1e-6


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())), st.lists(st.booleans(), max_size=30))
def test_the_queue_is_first_come_first_served(added: list[tuple[int, bool]], turns: list[bool]) -> None:
    calls: list[int] = []
    schedule = Schedule(lambda text, error: pytest.fail(text))
    model: list[int] = []
    for argument, combine in added:
        schedule.defer(calls.append, argument, combine)
        if not (combine and argument in model):
            model.append(argument)
    for idle in turns:
        schedule.run(0.0, idle)
    assert calls == model[: sum(turns)]
    schedule.call_what_is_deferred()
    assert calls == model
