"""What a worker needs of signals: taken before the application is imported, taken back behind it, and given
back to the system in a child that the application forks.

An application may take them again while it serves. So nothing depends on them alone: the master also says
over the channel that a worker is to leave, and fw_poll() returns for any signal.
"""

from __future__ import annotations

import faulthandler
import os

from fapws._core import lib
from fapws.lean import FrameType, signal

STACK_SIGNAL = signal.SIGUSR2
"""The worker sends the Python stacks of its threads to its master, whatever it is doing."""
_READ_SIZE = 4096


class WorkerSignals:
    """SIGTERM is noted and wakes the loop; SIGHUP and SIGINT concern the master alone."""

    def __init__(self, channel: int, crashes: int = 2) -> None:
        """``channel``: to the master, which gets the stacks that it asks for. ``crashes``: the descriptor to
        which they are written by a fault that ends the process."""
        self._channel = channel
        self._crashes = crashes
        self.term_noted = False
        self.fd, self._writer = os.pipe()
        """``fd`` is readable when a signal came."""
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        self._handlers = {
            signal.SIGTERM: self._on_term,
            # Not SIG_IGN: what is ignored stays so in every program that the application starts.
            signal.SIGHUP: self._on_other,
            signal.SIGINT: self._on_other,
        }
        self._mask: set[signal.Signals | int] = set()
        self._shows_crashes = False

    def show_crashes(self) -> None:
        """A fault such as SIGSEGV writes the Python stacks before it ends the process. Called once,
        before the import: what an application, or ``-X faulthandler``, has chosen for itself stays."""
        if not faulthandler.is_enabled():
            faulthandler.enable(file=self._crashes, all_threads=True)
            self._shows_crashes = True

    def take(self) -> None:
        """From now on; again whenever the application has had its way. Only the main thread may call this."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
            signal.siginterrupt(number, False)  # C code of the application need not know of it
        # As Python starts: a log or a client that goes away is an error of write(), not the end.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*self._handlers, STACK_SIGNAL))
        # Away first: over a handler that the application has set since, registering does nothing.
        faulthandler.unregister(STACK_SIGNAL)
        # What it then goes back to at the next time: nothing that would end a worker which is asked just now.
        signal.signal(STACK_SIGNAL, signal.SIG_IGN)
        faulthandler.register(STACK_SIGNAL, file=self._channel, all_threads=True, chain=False)
        if lib.fw_wrap_stacks(STACK_SIGNAL, self._channel) < 0:
            faulthandler.register(STACK_SIGNAL, file=self._crashes, all_threads=True, chain=False)

    def read(self) -> None:
        """Empties the pipe."""
        try:
            os.read(self.fd, _READ_SIZE)
        except OSError:
            pass  # an earlier turn has read it

    def hold_back(self) -> None:
        """Before a fork: a signal that came between it and give_back() would be lost."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._handlers)

    def let_come(self) -> None:
        """In both processes after it."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def give_back(self) -> None:
        """In a child that was forked: what is still ours becomes what a program finds at its start."""
        try:
            former = signal.set_wakeup_fd(-1)
            if former not in (-1, self._writer):
                signal.set_wakeup_fd(former, warn_on_full_buffer=False)
            for number, handler in self._handlers.items():
                if signal.getsignal(number) == handler:
                    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                    signal.signal(number, usual)
        except ValueError:
            pass  # forked by a thread that is not the main one even now
        if lib.fw_unwrap_stacks(STACK_SIGNAL) == 1:  # else it is the application's by now
            faulthandler.unregister(STACK_SIGNAL)
            faulthandler.register(STACK_SIGNAL, file=2, all_threads=True, chain=False)
        if self._shows_crashes and self._crashes != 2 and faulthandler.is_enabled():
            faulthandler.enable(file=2)  # our own descriptor is closed, and may become another file
        os.close(self.fd)
        os.close(self._writer)
        self.let_come()

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        """Only notes it: Python runs handlers between any two bytecodes of the application."""
        self.term_noted = True
        try:
            os.write(self._writer, b"\0")  # the wake-up descriptor may be an event loop's by now
        except OSError:
            pass  # it is full of them

    def _on_other(self, number: int, frame: FrameType | None) -> None:
        """Nothing."""
