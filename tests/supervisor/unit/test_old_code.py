"""The master's side of an upgrade in place, without an exec."""

from __future__ import annotations

import errno
import os
import signal
from typing import cast

import pytest
from support.handed_over import saved

from fapws.supervisor.core import events
from fapws.supervisor.process.signals import Signals
from fapws.supervisor.upgrade import old_code
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
    assert upgrade._trial is not None
    pid, status = os.waitpid(upgrade._trial.pid, 0)
    upgrade.on_child(pid + 1, 0)
    assert told == [], "another child"
    upgrade.on_child(pid, os.waitstatus_to_exitcode(status))
    (event,) = told
    assert isinstance(event, events.TrialEnded)
    assert event.reason
    assert waiter.wait(0.0) == [], "its pipe is not watched any more"
    upgrade.close()
