"""Reloads that signals ask for in a storm, and reloads of one pool, without a process."""

from __future__ import annotations

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events, rolling
from fapws.supervisor.core import worker_states as states


class Core:
    """A server of one worker; every reload is refused at once, which is as short as one can be."""

    def __init__(self) -> None:
        self.state = decide.State(Config("", (Pool("blog"),)))
        self.now = 1000.0
        self.begun = 0
        self.tell(events.Boot())
        self.tell(events.WorkerReady(1))

    def tell(self, event: events.Event, after: float = 0.0) -> None:
        self.now += after
        self.state, ordered = decide.step(self.state, event, self.now)
        if any(isinstance(action, actions.Prepare) for action in ordered):
            self.begun += 1
            self.tell(events.Refused("no"))


def test_a_thousand_signals_in_a_second_are_two_reloads_however_short_each_is() -> None:
    core = Core()
    for _ in range(1000):
        core.tell(events.ReloadAsked(in_storm=True), after=0.001)
    assert core.begun == 1
    assert decide.next_wakeup(core.state, core.now) == core.state.due > core.now
    core.tell(events.Tick(), after=core.state.due - core.now)
    assert core.begun == 2
    core.tell(events.Tick(), after=60.0)
    assert core.begun == 2


def test_one_signal_is_obeyed_at_once() -> None:
    core = Core()
    for count in (1, 2, 3):
        core.tell(events.ReloadAsked(in_storm=True), after=2.0)
        assert core.begun == count


def test_who_waits_for_a_reload_does_not_wait_for_the_end_of_a_storm() -> None:
    core = Core()
    core.tell(events.ReloadAsked(in_storm=True))
    core.tell(events.ReloadAsked(in_storm=True))
    assert core.begun == 1
    core.tell(events.ReloadAsked())
    assert core.begun == 2


class TwoPools:
    """Two pools of two workers, all serving."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.config = Config("", (Pool("blog", workers=2), Pool("shop", workers=2)))
        self.state = decide.State(self.config)
        self.actions: list[actions.Action] = []
        self.tell(events.Boot())
        self.all_ready()

    def tell(self, event: events.Event) -> None:
        self.state, ordered = decide.step(self.state, event, self.now)
        self.actions += ordered

    def all_ready(self) -> None:
        while starting := [c for c in self.state.children if c.state == states.STARTING]:
            self.tell(events.WorkerReady(starting[0].number))
            for child in self.state.children:
                if child.state == states.DRAINING:
                    self.tell(events.WorkerExited(child.number, 0))

    def numbers(self, pool: str) -> set[int]:
        return {child.number for child in self.state.children.of_pool(pool)}

    def done(self) -> list[actions.ReloadDone]:
        return [action for action in self.actions if isinstance(action, actions.ReloadDone)]


def test_reload_of_one_pool_touches_no_worker_of_another() -> None:
    site = TwoPools()
    blog, shop = site.numbers("blog"), site.numbers("shop")
    site.actions.clear()
    site.tell(events.ReloadAsked(pool="blog"))
    site.tell(events.Prepared(site.config))
    site.all_ready()
    assert [done.ok for done in site.done()] == [True]
    assert site.done()[0].pools == {"blog"}
    assert site.numbers("shop") == shop
    assert not site.numbers("blog") & blog
    assert len(site.numbers("blog")) == 2
    started = [action.pool.name for action in site.actions if isinstance(action, actions.Start)]
    assert started == ["blog", "blog"]
    assert {child.generation for child in site.state.children} == {site.state.generation}


def test_reload_says_where_a_worker_that_replaces_nobody_does_not_serve() -> None:
    site = TwoPools()
    site.tell(events.ReloadAsked())
    site.tell(events.Prepared(Config("", (Pool("blog", workers=3), Pool("shop", workers=2)))))
    while not site.done():
        for child in site.state.children:
            if child.state == states.STARTING:
                third = child.slot == 2
                site.tell(events.WorkerExited(child.number, 1) if third else events.WorkerReady(child.number))
            elif child.state == states.DRAINING:
                site.tell(events.WorkerExited(child.number, 0))
    (done,) = site.done()
    assert done.ok and done.text.endswith("4 workers replaced in 0.0 s; pool blog: 2 of 3 serving")


def test_reload_of_one_pool_wakes_no_other() -> None:
    site = TwoPools()
    site.state = site.state._replace(asleep=frozenset(("shop", "blog")))
    site.tell(events.ReloadAsked(pool="blog"))
    site.tell(events.Prepared(site.config))
    site.all_ready()
    assert site.state.asleep == {"shop"}


def test_failure_of_one_pool_is_told_to_no_other() -> None:
    site = TwoPools()
    for only in ("blog", ""):
        site.actions.clear()
        site.tell(events.ReloadAsked(pool=only))
        site.tell(events.Prepared(site.config))
        (canary,) = [c for c in site.state.children if c.state == states.STARTING]
        site.tell(events.WorkerFailed(canary.number, "a traceback of blog's"))
        site.tell(events.WorkerExited(canary.number, 1))
        (done,) = site.done()
        assert not done.ok
        assert done.pools == {"blog"}


@pytest.mark.parametrize(
    ("asked", "concerned"),
    [
        (["blog"], {"blog"}),
        (["blog", "shop"], {"blog", "shop"}),
        (["blog", ""], set()),
        (["", "blog"], set()),
    ],
)
def test_reloads_that_wait_are_one_that_concerns_all_of_theirs(asked: list[str], concerned: set[str]) -> None:
    site = TwoPools()
    site.tell(events.ReloadAsked())  # under way; the others wait for its end
    for only in asked:
        site.tell(events.ReloadAsked(pool=only))
    site.tell(events.Refused("no"))
    assert site.state.reload is not None
    assert site.state.reload.only == concerned
    assert not site.state.queued_for


def test_configuration_of_one_pool_is_all_that_its_reload_takes_over() -> None:
    before = Config("", (Pool("blog", workers=1), Pool("shop", workers=1)), error_log="/a")
    fresh = Config("", (Pool("blog", workers=3), Pool("shop", workers=3), Pool("wiki")), error_log="/b")
    blog, shop = fresh.pools[0], before.pools[1]
    assert rolling.limited(before, fresh, frozenset(("blog",))) == before._replace(pools=(blog, shop))
    assert rolling.limited(before, fresh, frozenset(("wiki",))) == before
    assert rolling.limited(before, fresh, frozenset()) == fresh
