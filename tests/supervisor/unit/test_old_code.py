"""The master's side of an upgrade in place, without an exec."""

from __future__ import annotations

import errno
import os
import signal
from typing import cast

import pytest

from fapws.settings.model import Address, Config, Pool
from fapws.settings.source import Source
from fapws.supervisor.control.status import Death, LastReload
from fapws.supervisor.core import events
from fapws.supervisor.core.children import Child, Children
from fapws.supervisor.core.turn import State
from fapws.supervisor.listen.bind import Listener
from fapws.supervisor.listen.listeners import Key
from fapws.supervisor.process.saved_worker import SavedWorker
from fapws.supervisor.process.scoreboard import Score
from fapws.supervisor.process.signals import Signals
from fapws.supervisor.process.systemd import Service
from fapws.supervisor.upgrade import old_code
from fapws.supervisor.upgrade.handover import Saved
from fapws.supervisor.waiting import make_waiter


def test_signal_that_was_caught_before_the_exec_is_obeyed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[str] = []
    told: list[events.Event] = []
    monkeypatch.setattr(old_code, "execute", lambda text, _: executed.append(text))
    caught = Signals()
    caught.install()
    upgrade = old_code.Upgrade(make_waiter(), caught, saved, told.append)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        upgrade.leap()
        assert (executed, told) == ([], [events.LeapHeldBack()])
        assert caught.take() == {signal.SIGTERM}
        upgrade.leap()
        assert executed
        assert len(told) == 1
    finally:
        caught.restore()


def test_exec_that_cannot_be_done_is_told_and_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str, descriptors: list[int]) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    told: list[events.Event] = []
    monkeypatch.setattr(old_code, "execute", refuse)
    caught = Signals()
    try:
        old_code.Upgrade(make_waiter(), caught, saved, told.append).leap()
        assert told == [events.LeapFailed("the new code cannot be run: no memory")]
    finally:
        os.close(caught.fd)
        os.close(caught._writer)


def test_trial_that_cannot_be_started_is_told_as_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, content: bytes) -> int:
        raise OSError(errno.EMFILE, "no descriptor is left")

    told: list[events.Event] = []
    monkeypatch.setattr(old_code, "nameless_file_with", refuse)
    upgrade = old_code.Upgrade(make_waiter(), cast(Signals, None), saved, told.append)
    upgrade.try_new_code()
    assert told == [events.TrialEnded("the new code cannot be tried: no descriptor is left")]
    upgrade.kill_trial()
    assert not upgrade.on_ready(0)


def test_trial_is_heard_killed_and_told_of_once_it_was_reaped() -> None:
    told: list[events.Event] = []
    waiter = make_waiter()
    upgrade = old_code.Upgrade(waiter, cast(Signals, None), saved, told.append)
    upgrade.try_new_code()
    upgrade.kill_trial()
    assert told == []
    pid, status = os.waitpid(-1, 0)
    upgrade.on_child(pid + 1, 0)
    assert told == [], "another child"
    upgrade.on_child(pid, os.waitstatus_to_exitcode(status))
    (event,) = told
    assert isinstance(event, events.TrialEnded)
    assert event.reason
    assert waiter.wait(0.0) == [], "its pipe is not watched any more"
    upgrade.close()


def saved() -> Saved:
    address = Address("unix:/s", "unix", path="/s")
    pool = Pool("blog", listen=(address,), env=(("A", "ä"),))
    child = Child(1, "blog", 0, 1, "serving", 1.0, 2.0, float("inf"), 25.0)
    return Saved(
        state=State(Config("/x.ini", (pool,)), Children((child,)), asleep=frozenset(("blog",))),
        source=Source("/x.ini"),
        workers=(SavedWorker(1, "blog", 0, 4711, 7, 0, 10, "off"),),
        open={Key("unix", "/s", 0, ""): Listener(5, address, "unix:/s", 1024, (1, 2))},
        lifeline=3,
        lifeline_writer=4,
        boards={"blog": 6},
        pidfile=-1,
        control=8,
        control_inode=(3, 4),
        clients=(9,),
        began=0.5,
        gone={"blog": Score(requests=3)},
        deaths=(Death(1.0, "blog", 0, 4710, "x"),),
        service=Service("@x", 1.5),
        last_reload=LastReload(2.0, False, "why"),
        other_clients=(11,),
    )
