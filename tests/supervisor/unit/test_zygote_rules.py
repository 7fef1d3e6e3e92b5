"""The table of zygotes, and what the core orders of them."""

from __future__ import annotations

from math import inf

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events, texts
from fapws.supervisor.core import worker_states as workers
from fapws.supervisor.core import zygote_rules as rules

POOL = Pool("blog", workers=2, preload=True, boot_timeout=5.0)


class World:
    """The core, and what it has ordered."""

    def __init__(self, pool: Pool = POOL) -> None:
        self.now = 0.0
        self.state = decide.State(Config("", (pool,)))
        self.ordered: list[actions.Action] = []

    def tell(self, event: events.Event, seconds: float = 0.0) -> list[actions.Action]:
        self.now += seconds
        self.state, self.ordered = decide.step(self.state, event, self.now)
        return self.ordered

    def kinds(self) -> list[str]:
        return [type(a).__name__ for a in self.ordered if not isinstance(a, actions.Look)]

    def zygote(self) -> int:
        return self.state.zygotes[-1].number

    def serve(self) -> World:
        """Both workers."""
        self.tell(events.Boot())
        self.tell(events.ZygoteReady(self.zygote()))
        for _ in range(2):
            for child in self.state.children:
                if child.state == workers.STARTING:
                    self.tell(events.WorkerBorn(child.number))
                    self.tell(events.WorkerReady(child.number))
        return self


def test_every_state_knows_every_happening() -> None:
    assert set(rules.TABLE) == set(rules.STATES)
    for state, row in rules.TABLE.items():
        assert set(row) == set(rules.HAPPENINGS), state
        assert {cell.state for cell in row.values()} <= set(rules.STATES)


@pytest.mark.parametrize("happening", rules.HAPPENINGS)
def test_only_an_exit_ends_it(happening: str) -> None:
    for state in set(rules.STATES) - set(rules.AT_AN_END):
        assert (rules.TABLE[state][happening].state in rules.AT_AN_END) == (happening == rules.EXITED)


def test_first_start_waits_for_the_zygote_and_then_for_a_canary() -> None:
    world = World()
    world.tell(events.Boot())
    assert world.kinds() == ["StartZygote"]
    [child] = world.state.children
    assert child.state == workers.WAITING and not child.has_process
    world.tell(events.ZygoteReady(world.zygote()))
    assert world.kinds() == ["Start"]
    world.tell(events.WorkerBorn(child.number))
    assert [c.deadline for c in world.state.children] == [world.now + 5.0], "boot_timeout begins at its birth"
    world.tell(events.WorkerReady(child.number))
    assert world.kinds() == ["Start"], "the other, of the same zygote, at once"


def test_start_fails_with_what_the_import_said() -> None:
    world = World()
    world.tell(events.Boot())
    world.tell(events.ZygoteFailed(world.zygote(), "Traceback: no database\n"))
    world.tell(events.ZygoteExited(world.zygote(), 1))
    [end] = [action for action in world.ordered if isinstance(action, actions.Exit)]
    assert end.status == 1 and "no database" in end.reason


def test_import_that_is_late_is_asked_for_its_stack_then_killed() -> None:
    world = World()
    world.tell(events.Boot())
    assert decide.next_wakeup(world.state, world.now) == 5.0
    world.tell(events.Tick(), 5.0)
    assert world.kinds() == ["ZygoteHung"]
    world.tell(events.ZygoteReady(world.zygote()))
    assert world.kinds() == [], "too late"
    world.tell(events.ZygoteFailed(world.zygote(), "where it stands"))
    world.tell(events.Tick(), workers.HUNG_GRACE)
    assert world.ordered == [actions.Kill(world.zygote())]
    world.tell(events.ZygoteExited(world.zygote(), -9), 1.0)
    reason = next(action.reason for action in world.ordered if isinstance(action, actions.Exit))
    assert reason.startswith(
        "where it stands\n"
        "the preloading process of pool blog was not ready after 8 s (boot_timeout) and was killed\n"
    )


def test_zygote_that_dies_is_replaced_by_the_next_start_and_no_sooner() -> None:
    world = World().serve()
    first = world.zygote()
    world.tell(events.ZygoteExited(first, -9), 10.0)
    assert world.kinds() == ["ZygoteDied"] and not world.state.zygotes
    assert [c.state for c in world.state.children] == [workers.SERVING] * 2
    world.tell(events.WorkerExited(next(iter(world.state.children)).number, -9))
    assert world.kinds() == ["Died", "StartZygote"]
    assert world.zygote() != first


def test_worker_that_a_dying_zygote_did_not_fork_is_ordered_of_the_next() -> None:
    world = World().serve()
    first = world.zygote()
    victim = next(iter(world.state.children)).number
    world.tell(events.WorkerExited(victim, -9))
    [start] = [action for action in world.ordered if isinstance(action, actions.Start)]
    assert start.zygote == first
    world.tell(events.ZygoteExited(first, -9))
    world.tell(events.WorkerExited(start.worker, -9))
    world.tell(events.Tick(), 1.0)  # it has failed twice by now
    assert [z.state for z in world.state.zygotes] == [rules.BOOTING]
    assert decide.next_wakeup(world.state, world.now) < inf


def test_zygote_that_does_not_fork_hangs_unless_it_does_after_all() -> None:
    world = World().serve()
    victim = next(iter(world.state.children)).number
    world.tell(events.WorkerExited(victim, -9), 100.0)
    [start] = [action for action in world.ordered if isinstance(action, actions.Start)]
    assert decide.next_wakeup(world.state, world.now) <= world.now + rules.FORK_PATIENCE
    world.tell(events.Tick(), rules.FORK_PATIENCE)
    [hung] = [action for action in world.ordered if isinstance(action, actions.ZygoteHung)]
    assert hung.zygote.hung == texts.no_birth(rules.FORK_PATIENCE) and not hung.stopped
    world.tell(events.WorkerBorn(start.worker), 1.0)
    world.tell(events.WorkerReady(start.worker))
    assert [z.state for z in world.state.zygotes] == [rules.READY]
    world.tell(events.Tick(), rules.FORK_PATIENCE)
    assert world.kinds() == []


def test_stopped_zygote_may_go_on_for_a_while() -> None:
    world = World().serve()
    world.tell(events.ZygotePaused(world.zygote(), "SIGSTOP"))
    [hung] = world.ordered
    assert isinstance(hung, actions.ZygoteHung) and hung.stopped
    world.tell(events.ZygoteContinued(world.zygote()), 1.0)
    world.tell(events.Tick(), 10.0)
    assert world.kinds() == [] and world.state.zygotes[0].state == rules.READY


def test_stopped_zygote_that_goes_on_too_late_is_not_asked_any_more() -> None:
    world = World().serve()
    first = world.zygote()
    world.tell(events.ZygotePaused(first, "SIGSTOP"))
    victims = [child.number for child in world.state.children]
    world.tell(events.WorkerExited(victims[0], -9))
    second = world.zygote()
    assert second != first
    world.tell(events.ZygoteContinued(first), 1.0)
    world.tell(events.ZygoteReady(second))
    [start] = [action for action in world.ordered if isinstance(action, actions.Start)]
    assert start.zygote == second
    world.tell(events.WorkerExited(victims[1], -9))
    assert actions.Terminate(first) in world.ordered, "its last child has gone"


def test_second_stop_kills_nobody_twice() -> None:
    world = World()
    world.tell(events.Boot())
    world.tell(events.StopAsked(fast=False))
    world.tell(events.Tick(), 10.0)
    assert world.ordered == [actions.Kill(world.zygote())]
    world.tell(events.StopAsked(fast=False))
    world.tell(events.Tick(), 10.0)
    assert world.kinds() == []


def test_reload_takes_a_new_one_and_the_old_one_ends_after_its_last_worker() -> None:
    world = World().serve()
    first = world.zygote()
    world.tell(events.ReloadAsked())
    world.tell(events.Prepared(world.state.config))
    assert world.kinds() == ["StartZygote"]
    second = world.zygote()
    world.tell(events.ZygoteReady(second))
    drained: list[int] = []
    while world.state.reload is not None:
        for child in world.state.children:
            if child.state == workers.STARTING:
                world.tell(events.WorkerBorn(child.number))
                world.tell(events.WorkerReady(child.number))
                drained += [a.worker for a in world.ordered if isinstance(a, actions.SendDrain)]
            elif child.state == workers.DRAINING:
                assert first in {zygote.number for zygote in world.state.zygotes}
                world.tell(events.WorkerExited(child.number, 0))
    for child in world.state.children:
        if child.state == workers.DRAINING:
            world.tell(events.WorkerExited(child.number, 0))
    assert [z.state for z in world.state.zygotes] == [rules.LEAVING, rules.READY]
    assert {c.zygote for c in world.state.children} == {second}


def test_reload_whose_zygote_fails_goes_back_with_its_words() -> None:
    world = World().serve()
    first = world.zygote()
    world.tell(events.ReloadAsked())
    world.tell(events.Prepared(world.state.config))
    world.tell(events.ZygoteFailed(world.zygote(), "Traceback: no database\n"))
    world.tell(events.ZygoteExited(world.zygote(), 1))
    [done] = [action for action in world.ordered if isinstance(action, actions.ReloadDone)]
    assert not done.ok and done.text == "Traceback: no database"
    assert [z.number for z in world.state.zygotes] == [first]


def test_pool_that_sleeps_keeps_its_zygote() -> None:
    world = World(POOL._replace(min_workers=0, idle_timeout=1.0)).serve()
    vitals = tuple(events.Vital(c.number, 1, 0.0, False, 0, 0, 0) for c in world.state.children)
    world.tell(events.Seen(vitals), 5.0)
    for child in world.state.children:
        world.tell(events.WorkerExited(child.number, 0))
    assert world.state.asleep == {"blog"} and [z.state for z in world.state.zygotes] == [rules.READY]
    world.tell(events.Knocked("blog"))
    assert world.kinds() == ["Start", "Start", "UnwatchPool"]


def test_pool_that_does_not_preload_any_more_lets_its_zygote_go() -> None:
    world = World(POOL._replace(workers=1)).serve()
    world.tell(events.ReloadAsked())
    world.tell(events.Prepared(Config("", (POOL._replace(workers=1, preload=False),))))
    [start] = [action for action in world.ordered if isinstance(action, actions.Start)]
    assert start.zygote == 0
    world.tell(events.WorkerReady(start.worker))
    for child in world.state.children:
        if child.state == workers.DRAINING:
            world.tell(events.WorkerExited(child.number, 0))
    assert [z.state for z in world.state.zygotes] == [rules.LEAVING]


def test_fast_stop_does_not_wait_for_an_import() -> None:
    world = World()
    world.tell(events.Boot())
    world.tell(events.StopAsked(fast=True))
    assert actions.Terminate(world.zygote()) in world.ordered
    world.tell(events.Tick(), decide.FAST_GRACE)
    assert world.ordered == [actions.Kill(world.zygote())]
    world.tell(events.ZygoteExited(world.zygote(), -9))
    assert world.kinds() == ["Exit"]
