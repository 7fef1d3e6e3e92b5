"""Signals of the master: a handler only notes the number and wakes the loop.

A thousand signals between two turns of the loop are one note, so a storm is cheap and cannot lose
another signal by filling the wake-up pipe.
"""

from __future__ import annotations

import os

from fapws.lean import FrameType, signal

HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)
_DRAINED_AT_ONCE = 4096
_IGNORED_BY_WORKERS = (signal.SIGHUP, signal.SIGINT)


class Signals:
    """Catches the master's signals from ``install`` to ``restore``."""

    def __init__(self) -> None:
        self._noted: set[int] = set()
        self.fd, self._writer = os.pipe()
        """``fd`` is readable when something was noted."""
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        self._former: dict[int, object] = {}

    def install(self) -> None:
        """From now on signals are noted. Only the main thread may call this."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in HANDLED:
            self._former[number] = signal.signal(number, self._note)
        # After an upgrade in place they have been held back since before the exec.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def restore(self) -> None:
        """Puts the former handlers back and closes the pipe."""
        for number, former in self._former.items():
            signal.signal(number, former if former is not None else signal.SIG_DFL)  # type: ignore[arg-type]
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._writer)

    @property
    def any_noted(self) -> bool:
        """Whether take() would give something; to be sure, ask while signals are held back."""
        return bool(self._noted)

    def take(self) -> set[int]:
        """What was noted since the last call; empties the pipe first, so that nothing is missed."""
        try:
            while len(os.read(self.fd, _DRAINED_AT_ONCE)) == _DRAINED_AT_ONCE:
                pass
        except BlockingIOError:
            pass
        noted, self._noted = self._noted, set()
        return noted

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.add(number)


def block() -> set[signal.Signals | int]:
    """Holds every signal back, so that a fork happens between two signals; the former mask."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))


def unblock(former: set[signal.Signals | int]) -> None:
    """The master, after a fork: puts the former mask back."""
    signal.pthread_sigmask(signal.SIG_SETMASK, former)


def reset_in_worker() -> None:
    """A worker, after the fork: default actions, an empty mask; HUP and INT do not concern it."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        ignored = number in _IGNORED_BY_WORKERS
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
