"""A canary that is watched beside the old workers, without a process: when it is followed, and when not."""

from __future__ import annotations

from math import inf

import pytest

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, canary_rules, decide, events
from fapws.supervisor.core import worker_states as states
from fapws.supervisor.core.turn import Share

WATCH = 60.0


class Site:
    """Pools that serve, in the middle of a reload whose canaries serve."""

    def __init__(self, *pools: Pool) -> None:
        self.now = 1000.0
        self.actions: list[actions.Action] = []
        self.config = Config("", pools or (Pool("blog", workers=2, reload_watch=WATCH),))
        self.state = decide.State(self.config)
        self.tell(events.Boot())
        self.ready()
        self.old = [child.number for child in self.state.children]
        self.tell(events.ReloadAsked())
        self.tell(events.Prepared(self.config))
        self.ready()
        self.canary = max(child.number for child in self.state.children)

    def tell(self, event: events.Event, after: float = 0.0) -> None:
        self.now += after
        self.state, ordered = decide.step(self.state, event, self.now)
        self.actions += ordered

    def ready(self) -> None:
        while starting := [c.number for c in self.state.children if c.state == states.STARTING]:
            self.tell(events.WorkerReady(starting[0]))

    def finish(self) -> None:
        """Everybody who is to leave does, and everybody who starts is ready."""
        while leaving := [c.number for c in self.state.children if c.state == states.DRAINING]:
            self.tell(events.WorkerExited(leaving[0], 0))
            self.ready()

    def look(self, **shares: tuple[int, int]) -> None:
        """What the scoreboard says: ``canary``, and of the old workers ``old0``, ``old1``."""
        numbers = {"canary": self.canary, **{f"old{n}": number for n, number in enumerate(self.old)}}
        vitals = (
            events.Vital(numbers[who], 1, 0.0, False, 0, 1, 0, responses=count, errors=bad)
            for who, (count, bad) in shares.items()
        )
        self.tell(events.Seen(tuple(vitals)), after=0.5)

    def stage(self) -> str:
        return self.state.reload.stage if self.state.reload else ""

    def outcome(self) -> actions.ReloadDone:
        (done,) = [action for action in self.actions if isinstance(action, actions.ReloadDone)]
        return done

    def serving(self) -> list[int]:
        return [child.number for child in self.state.children if child.state == states.SERVING]


def test_roll_waits_while_old_and_new_serve() -> None:
    site = Site(Pool("blog", workers=1, reload_watch=WATCH))
    assert site.stage() == decide.WATCHING
    assert site.serving() == [*site.old, site.canary]
    site.tell(events.Tick(), after=WATCH - 0.1)
    assert site.stage() == decide.WATCHING
    assert decide.next_wakeup(site.state._replace(look_at=inf), site.now) == pytest.approx(site.now + 0.1)
    site.tell(events.Tick(), after=0.2)
    site.finish()
    assert site.outcome().ok
    assert site.serving() == [site.canary]


def test_without_the_option_nothing_waits_and_nobody_looks() -> None:
    site = Site(Pool("blog", workers=2, request_timeout=0.0))
    assert site.stage() == decide.ROLLING
    site.finish()
    assert site.outcome().ok
    assert not [action for action in site.actions if isinstance(action, actions.Look)]


def test_canary_that_responds_worse_is_taken_back_with_the_figures() -> None:
    site = Site()
    site.look(canary=(0, 0), old0=(100, 0), old1=(100, 0))
    site.look(canary=(19, 12), old0=(150, 0), old1=(162, 0))
    assert site.stage() == decide.WATCHING, "too few to tell"
    site.look(canary=(40, 12), old0=(256, 0), old1=(256, 0))
    assert site.stage() == decide.UNDOING
    site.finish()
    assert not site.outcome().ok
    assert site.outcome().text == "canary: 12 of 40 answers were 5xx, before 0 of 312"
    assert site.serving() == site.old
    assert site.state.generation == 1


def test_connections_to_the_old_workers_are_ended_until_the_canary_has_had_enough() -> None:
    site = Site(Pool("blog", workers=2, reload_watch=WATCH), Pool("shop", workers=2))
    old = [c.number for c in site.state.children if c.generation == 1 and c.pool == "blog"]
    site.canary = next(c.number for c in site.state.children if c.generation == 2 and c.pool == "blog")

    def told(**shares: tuple[int, int]) -> list[int]:
        site.actions.clear()
        site.look(**shares)
        return [action.worker for action in site.actions if isinstance(action, actions.Renew)]

    assert told(canary=(0, 0)) == old, "not the canary, nor the other pool's"
    assert told(canary=(0, 0)) == [], "half a second later"
    assert told(canary=(19, 0)) == old
    assert told(canary=(20, 0)) == []
    assert told(canary=(20, 0)) == []
    site.tell(events.WorkerExited(old[1], 1, 0))
    assert told(canary=(5, 0)) == old[:1], "whom is there"


def test_without_a_watch_no_connection_is_ended() -> None:
    site = Site(Pool("blog", workers=2))
    site.look(canary=(0, 0))
    site.finish()
    assert not [action for action in site.actions if isinstance(action, actions.Renew)]


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"canary": (1, 0), "old0": (100, 0)}, "canary: 1 answer only, nothing was compared"),
        ({"canary": (20, 0), "old0": (-1, 0)}, "canary: 20 answers, nothing was compared"),
        ({"canary": (20, 0), "old0": (100, 0)}, ""),
    ],
)
def test_a_reload_tells_that_nothing_was_compared(shares: dict[str, tuple[int, int]], told: str) -> None:
    site = Site()
    site.look(**shares)
    site.tell(events.Tick(), after=WATCH)
    site.finish()
    assert site.outcome().ok
    assert site.outcome().text.partition(" s; ")[2] == told


def test_old_workers_are_taken_by_what_they_meet_at_the_same_time() -> None:
    site = Site()
    site.look(canary=(0, 0), old0=(10_000, 0), old1=(10_000, 0))
    site.look(canary=(100, 50), old0=(10_050, 25), old1=(10_050, 25))  # a database is down
    assert site.stage() == decide.WATCHING
    site.look(canary=(200, 120), old0=(10_100, 50), old1=(10_100, 50))
    site.finish()
    assert site.outcome().text == "canary: 120 of 200 answers were 5xx, before 100 of 200"


def test_old_workers_with_little_to_do_are_taken_by_all_they_did() -> None:
    site = Site()
    site.look(canary=(0, 0), old0=(1000, 200), old1=(0, 0))
    site.look(canary=(100, 24), old0=(1001, 200), old1=(0, 0))
    assert site.stage() == decide.WATCHING


def test_old_workers_that_count_nothing_are_not_compared() -> None:
    site = Site()
    site.look(canary=(100, 100), old0=(-1, 0), old1=(-1, 0))
    assert site.stage() == decide.WATCHING
    site.tell(events.Tick(), after=WATCH)
    site.finish()
    assert site.outcome().ok


@pytest.mark.parametrize(
    ("canary", "before", "worse"),
    [
        (Share(19, 19), Share(100, 0), False),
        (Share(20, 1), Share(100, 0), True),
        (Share(21, 1), Share(100, 0), False),
        (Share(20, 0), Share(0, 0), False),
        (Share(20, 1), Share(0, 0), True),
        (Share(100, 14), Share(100, 10), False),
        (Share(100, 15), Share(100, 10), True),
        (Share(100, 0), Share(100, 90), False),
        (Share(10**9, 10**9), Share(10**9, 10**9), False),
        (Share(20, 20), None, False),
    ],
)
def test_worse_is_five_points_more_from_twenty_responses_on(
    canary: Share, before: Share | None, worse: bool
) -> None:
    assert canary_rules.worse(canary, before) == worse


def test_canary_that_dies_is_not_replaced() -> None:
    site = Site()
    site.tell(events.WorkerExited(site.canary, -11, 17), after=3.2)
    site.finish()
    assert site.outcome().text == "canary: was killed by SIGSEGV after 3.2 s, 17 requests served"
    assert site.serving() == site.old
    (died,) = [action for action in site.actions if isinstance(action, actions.Died)]
    assert died.delay == inf


@pytest.mark.parametrize("comes_back", [False, True])
def test_canary_that_hangs_is_taken_back(comes_back: bool) -> None:
    site = Site()
    site.tell(events.Seen((events.Vital(site.canary, 1, 400.0, True, 3, 1, 0),)), after=1.0)
    assert site.stage() == decide.UNDOING
    assert [action for action in site.actions if isinstance(action, actions.Hung)], "its stack is asked for"
    if comes_back:
        site.tell(events.Seen((events.Vital(site.canary, 2, 0.0, False, 4, 1, 0),)), after=0.5)
    else:
        site.tell(events.Tick(), after=states.HUNG_GRACE)
        assert [a.worker for a in site.actions if isinstance(a, actions.Kill)] == [site.canary]
        site.tell(events.WorkerExited(site.canary, -9))
    site.finish()
    assert "canary: no sign of life for 400.0 s in a request" in site.outcome().text
    assert site.serving() == site.old


def test_canary_of_a_pool_that_is_new_is_watched_by_its_own_limits() -> None:
    site = Site(Pool("blog"), Pool("shop", request_timeout=0.0))
    assert not site.state.reload or site.stage() == decide.ROLLING
    site.finish()
    fresh = Pool("wiki", reload_watch=WATCH, request_timeout=5.0)
    site.tell(events.ReloadAsked())
    site.tell(events.Prepared(site.config._replace(pools=(*site.config.pools, fresh))))
    site.ready()
    canary = max(child.number for child in site.state.children)
    site.tell(events.Seen((events.Vital(canary, 1, 6.0, True, 3, 1, 0),)), after=1.0)
    assert site.stage() == decide.UNDOING


def test_canary_of_one_of_several_pools_is_named() -> None:
    site = Site(Pool("blog", reload_watch=WATCH), Pool("shop"))
    canaries = [c for c in site.state.children if c.generation == 2 and c.pool == "blog"]
    site.tell(events.WorkerExited(canaries[0].number, 1, 0))
    site.finish()
    assert site.outcome().text.startswith("canary of pool blog: exited with status 1")
    assert site.outcome().pools == {"blog"}
    assert site.serving() == site.old


def test_pool_that_is_proved_waits_for_one_that_is_watched() -> None:
    site = Site(Pool("blog", reload_watch=WATCH), Pool("shop", reload_watch=WATCH / 2))
    site.tell(events.Tick(), after=WATCH / 2)
    assert site.stage() == decide.WATCHING
    canaries = [c for c in site.state.children if c.generation == 2 and c.pool == "shop"]
    site.tell(events.WorkerExited(canaries[0].number, 1, 0))
    site.finish()
    assert not site.outcome().ok, "it is still alone of its generation"


def test_old_worker_that_dies_meanwhile_is_replaced_by_one_of_its_generation() -> None:
    site = Site()
    site.tell(events.WorkerExited(site.old[1], 1, 0))
    site.tell(events.Tick(), after=0.1)
    site.ready()
    generations = [child.generation for child in site.state.children.in_slot("blog", 1)]
    assert generations == [1]
    assert site.stage() == decide.WATCHING


def test_stop_ends_the_watch() -> None:
    site = Site()
    site.tell(events.StopAsked(fast=False))
    assert site.outcome().text == "the server is stopping"
    site.finish()
    assert site.state.phase == decide.ENDED


def test_scaling_meanwhile_holds_for_both_generations() -> None:
    site = Site()
    site.tell(events.ScaleAsked("blog", 3))
    site.ready()
    assert len(site.serving()) == 4
    site.tell(events.Tick(), after=WATCH)
    site.ready()
    site.finish()
    assert site.outcome().ok
    assert len(site.serving()) == 3
