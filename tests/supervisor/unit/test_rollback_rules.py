"""Rollbacks: what a reload leaves to go back to, for how long, and that nothing is imported."""

from __future__ import annotations

from fapws.settings.model import Address, Config, Pool
from fapws.supervisor.control import status
from fapws.supervisor.core import actions, decide, events, texts, upgrade_rules
from fapws.supervisor.core import rollback_rules as rules
from fapws.supervisor.core import worker_states as workers
from fapws.supervisor.core import zygote_rules as zygotes

WINDOW = 600.0
POOL = Pool("blog", workers=2, preload=True, boot_timeout=5.0, request_timeout=0.0, rollback_window=WINDOW)
PLAIN = Pool("shop")


class World:
    """The core, with all that it orders done at once."""

    def __init__(self, *pools: Pool) -> None:
        self.now = 0.0
        self.state = decide.State(Config("", pools or (POOL,)))
        self.ordered: list[actions.Action] = []
        self.tell(events.Boot())
        self.settle()

    def tell(self, event: events.Event, seconds: float = 0.0) -> None:
        self.now += seconds
        self.state, ordered = decide.step(self.state, event, self.now)
        self.ordered += ordered

    def settle(self) -> None:
        """Until nothing starts or leaves any more."""
        before = None
        while before != self.state:
            before = self.state
            for zygote in self.state.zygotes:
                if zygote.state == zygotes.BOOTING:
                    self.tell(events.ZygoteReady(zygote.number))
                elif zygote.state == zygotes.LEAVING:
                    self.tell(events.ZygoteExited(zygote.number, 0))
            for child in self.state.children:
                if child.state == workers.STARTING:
                    self.tell(events.WorkerBorn(child.number))
                    self.tell(events.WorkerReady(child.number))
                elif child.state == workers.DRAINING:
                    self.tell(events.WorkerExited(child.number, 0))

    def reload(self, config: Config | None = None) -> None:
        self.tell(events.ReloadAsked())
        self.tell(events.Prepared(config or self.state.config))
        self.settle()

    def rollback(self, pool: str = "") -> Config:
        """Asked for; what is to be prepared."""
        self.ordered = []
        self.tell(events.RollbackAsked(pool))
        [config] = [action.config for action in self.ordered if isinstance(action, actions.Prepare)]
        assert config is not None
        return config

    def done(self) -> actions.ReloadDone:
        """How the last reload ended."""
        return [action for action in self.ordered if isinstance(action, actions.ReloadDone)][-1]

    def kinds(self) -> set[type[actions.Action]]:
        return {type(action) for action in self.ordered}


def forked_by(world: World, pool: str = "blog") -> set[int]:
    """The zygotes of those that serve."""
    return {c.zygote for c in world.state.children.of_pool(pool) if c.state == workers.SERVING}


def test_nothing_is_kept_without_rollback_window() -> None:
    world = World(POOL._replace(rollback_window=0.0))
    world.reload()
    assert len(world.state.zygotes) == 1
    assert rules.why_not(world.state) == texts.nothing_to_go_back_to("", keeps=False)


def test_what_a_reload_replaces_is_kept_for_its_window_and_no_longer() -> None:
    world = World()
    [first] = forked_by(world)
    assert rules.why_not(world.state, "blog") == texts.nothing_to_go_back_to("blog", keeps=True)
    world.reload()
    [second] = forked_by(world)
    assert [zygote.number for zygote in rules.previous(world.state)] == [first] != [second]
    world.tell(events.Tick(), 10.0)
    assert decide.next_wakeup(world.state, world.now) == WINDOW
    world.tell(events.Tick(), WINDOW - world.now)
    assert actions.Terminate(first) in world.ordered
    assert not rules.previous(world.state)


def test_rollback_forks_the_kept_generation_and_imports_nothing() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    [second] = forked_by(world)
    world.tell(events.Prepared(world.rollback()))
    world.settle()
    assert forked_by(world) == {first} and world.state.generation == 3
    assert actions.StartZygote not in world.kinds()
    assert world.done().ok and world.done().back
    assert world.done().text == "generation 3, 2 workers replaced in 0.0 s; pool blog is as in generation 1"
    assert [zygote.number for zygote in rules.previous(world.state)] == [second], "forward again"


def test_second_rollback_goes_forward_again() -> None:
    world = World()
    world.reload()
    [second] = forked_by(world)
    for _ in range(2):
        world.tell(events.Prepared(world.rollback("blog")))
        world.settle()
    assert forked_by(world) == {second} and world.state.generation == 4


def test_only_the_last_one_is_kept() -> None:
    world = World()
    world.reload()
    [second] = forked_by(world)
    world.reload()
    assert [zygote.number for zygote in rules.previous(world.state)] == [second]
    assert len(world.state.zygotes) == 2


def test_configuration_is_the_former_one_where_clients_come_in_today() -> None:
    world = World(POOL._replace(drain_timeout=7.0, autoreload=True))
    moved = (Address("127.0.0.1:8001", "tcp", "127.0.0.1", 8001),)
    world.reload(Config("", (POOL._replace(listen=moved, workers=3),)))
    [pool] = world.rollback().pools
    assert (pool.drain_timeout, pool.workers, pool.listen) == (7.0, 2, moved)
    assert not pool.autoreload, "the files have changed: it would go forward at once"


def test_other_pools_are_left_alone() -> None:
    world = World(POOL, PLAIN)
    world.reload()
    before = [c.number for c in world.state.children.of_pool("shop")]
    config = world.rollback()
    assert config.pools[1] == PLAIN
    world.tell(events.Prepared(config))
    world.settle()
    assert [c.number for c in world.state.children.of_pool("shop")] == before
    assert "rollback_window" in rules.why_not(world.state, "shop")


def test_canary_that_dies_leaves_everything_as_it_was() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    [second] = forked_by(world)
    world.tell(events.Prepared(world.rollback()))
    [canary] = [c for c in world.state.children if c.generation == 3]
    world.tell(events.WorkerExited(canary.number, -11))
    world.settle()
    assert not world.done().ok and forked_by(world) == {second}
    [kept] = rules.previous(world.state)
    assert (kept.number, kept.generation) == (first, 1)
    world.tell(events.Prepared(world.rollback()))
    world.settle()
    assert forked_by(world) == {first}, "it can be tried again"


def test_zygote_that_dies_before_its_canary_serves_ends_the_rollback_and_nothing_is_imported() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    [second] = forked_by(world)
    world.tell(events.Prepared(world.rollback()))
    [canary] = [c for c in world.state.children if c.generation == 3]
    world.tell(events.ZygoteExited(first, -9))
    world.tell(events.WorkerExited(canary.number, -9))
    world.settle()
    assert not world.done().ok and "generation 1 of pool blog is of no more use" in world.done().text
    assert actions.StartZygote not in world.kinds() and forked_by(world) == {second}


def test_zygote_that_dies_before_the_sockets_are_bound_ends_the_rollback() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    config = world.rollback()
    world.tell(events.ZygoteExited(first, -9))
    world.tell(events.Prepared(config))
    assert not world.done().ok and "is of no more use" in world.done().text
    [told] = [action for action in world.ordered if isinstance(action, actions.ZygoteDied)]
    assert "what it kept cannot be gone back to any more" in texts.zygote_death(told.zygote, 7, -9, 1.0)


def test_zygote_that_dies_after_it_was_gone_back_to_is_told_to_be_lost() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    world.tell(events.Prepared(world.rollback()))
    world.settle()
    world.tell(events.ZygoteExited(first, -9))
    [told] = [action for action in world.ordered if isinstance(action, actions.ZygoteDied)]
    assert "imports the files as they are now" in texts.zygote_death(told.zygote, 7, -9, 1.0)


def test_one_that_was_gone_back_to_and_is_kept_again_loses_no_worker_by_its_death() -> None:
    world = World()
    [first] = forked_by(world)
    world.reload()
    world.tell(events.Prepared(world.rollback()))
    world.settle()
    world.reload()
    world.tell(events.ZygoteExited(first, -9))
    [told] = [action for action in world.ordered if isinstance(action, actions.ZygoteDied)]
    assert texts.zygote_death(told.zygote, 7, -9, 1.0).endswith(
        "; what it kept cannot be gone back to any more"
    )


def test_rollback_waits_for_no_reload() -> None:
    world = World()
    world.reload()
    world.tell(events.ReloadAsked())
    assert "a reload is under way" in rules.why_not(world.state)
    before = world.state
    world.tell(events.RollbackAsked())
    assert world.state == before


def test_failed_reload_changes_nothing_of_what_is_kept() -> None:
    world = World()
    world.reload()
    before = rules.previous(world.state)
    world.tell(events.ReloadAsked(), 5.0)
    world.tell(events.Refused("no"))
    assert rules.previous(world.state) == before


def test_nothing_is_kept_of_what_a_master_before_an_upgrade_has_started() -> None:
    world = World()
    world.reload()
    world.state = upgrade_rules.taken_over(world.state)
    assert not rules.previous(world.state)
    world.reload()
    assert not rules.previous(world.state) and len(world.state.zygotes) == 1
    world.reload()
    assert rules.previous(world.state)


def test_pool_that_is_no_more_keeps_nothing() -> None:
    world = World(POOL, PLAIN)
    world.reload(Config("", (PLAIN,)))
    assert not world.state.zygotes and rules.why_not(world.state)


def test_status_tells_what_can_be_gone_back_to() -> None:
    world = World()
    world.reload()
    facts = status.Facts(1, 0.0, {}, {}, {}, (), None)
    told = status.describe(world.state, facts, world.now + 100.0)["zygotes"]
    assert sorted((one["generation"], one["kept_for"]) for one in told) == [(1, WINDOW - 100.0), (2, None)]
