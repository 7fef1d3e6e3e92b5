"""The master's signals: noted, and taken by the loop."""

from __future__ import annotations

import os

from fapws.supervisor.process.signals import Signals
from fapws.supervisor.waiting import PollWaiter


def test_storm_of_signals_is_one_note_and_hides_no_other() -> None:
    import signal

    signals = Signals()
    signals.install()
    try:
        for _ in range(70_000):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.take() == {signal.SIGHUP, signal.SIGTERM}
        assert signals.take() == set()
        os.kill(os.getpid(), signal.SIGUSR1)
        waiter = PollWaiter()
        waiter.watch(signals.fd)
        assert waiter.wait(5.0), "the loop is woken again"
    finally:
        signals.restore()
