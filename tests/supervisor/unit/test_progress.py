"""The steps of a reload, a sentence each, without a process."""

from __future__ import annotations

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import decide, events, progress
from fapws.supervisor.core import worker_states as states


class Site:
    """A pool of two workers, and what is told of its reloads."""

    def __init__(self, watch: float) -> None:
        self.now = 1000.0
        self.told: list[str] = []
        self.config = Config("", (Pool("blog", workers=2, reload_watch=watch),))
        self.state = decide.State(self.config)
        self.tell(events.Boot())
        self.ready()
        assert not self.told

    def tell(self, event: events.Event, after: float = 0.0) -> None:
        self.now += after
        before = self.state
        self.state, _ = decide.step(before, event, self.now)
        self.told += progress.steps(before, self.state)

    def ready(self) -> None:
        while starting := [c.number for c in self.state.children if c.state == states.STARTING]:
            self.tell(events.WorkerReady(starting[0]))
            for child in self.state.children:
                if child.state == states.DRAINING:
                    self.tell(events.WorkerExited(child.number, 0))

    def reload(self) -> None:
        self.tell(events.ReloadAsked())
        self.tell(events.Prepared(self.config))
        self.ready()


def test_every_step_is_told_once() -> None:
    site = Site(watch=0.0)
    site.reload()
    assert site.told == [
        "the configuration is good",
        "worker blog/0 starts",
        "worker blog/0 serves",
        "old worker blog/0 finishes what it has in hand",
        "old worker blog/0 has left",
        "worker blog/1 starts",
        "worker blog/1 serves",
        "old worker blog/1 finishes what it has in hand",
    ]


def test_watch_and_its_outcome_are_told() -> None:
    site = Site(watch=60.0)
    site.reload()
    assert site.told[-1] == "watching the new worker of pool blog for 60 s"
    numbers = [child.number for child in site.state.children]
    vitals = (events.Vital(n, 1, 0.0, False, 0, 1, 0, responses=40) for n in numbers)
    site.tell(events.Seen(tuple(vitals)), after=1.0)
    site.tell(events.Tick(), after=60.0)
    assert "pool blog: 0 of 40 answers were 5xx, before 0 of 80; the others follow" in site.told


def test_way_back_is_told_with_its_reason() -> None:
    site = Site(watch=60.0)
    site.reload()
    canary = max(child.number for child in site.state.children)
    site.tell(events.Seen((events.Vital(canary, 1, 400.0, True, 3, 1, 0),)), after=1.0)
    assert site.told[-1].startswith("going back: canary: no sign of life for 400.0 s in a request")
