"""A storm of signals that ask for a reload, without a process."""

from __future__ import annotations

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions, decide, events


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
