"""The configuration is read again by a child, so that nothing that it waits for holds the master's loop.

A script that is looked at may take 15 seconds, and a file may lie on a server that does not answer. The
master hears the child's pipe like any other. What comes is the configuration, its names of hosts, users and
groups looked up, or why it cannot be had.
"""

from __future__ import annotations

import os

from fapws import descriptors
from fapws.lean import Callable, NoReturn, signal
from fapws.settings.model import Config
from fapws.settings.problems import ConfigError
from fapws.settings.source import Source

from .errors import CannotStart
from .listen.lookup import NOTHING, Opened, look_up
from .process import signals
from .upgrade import handover

SECONDS = 60.0
"""How long the child may take."""
_READ_SIZE = 65536
_OUTCOME_MAX = 2**22
"""Bytes; a configuration file has at most a quarter of that."""
_GOOD, _BAD = b"+", b"-"


class CannotRead(Exception):
    """There is no configuration; ``str`` says why."""


class Reading:
    """The child."""

    def __init__(self, source: Callable[[], Config] | Source, now: float, opened: Opened = NOTHING) -> None:
        """Starts it. ``opened``: the places that need not be looked up. Raises OSError."""
        self.fd, writer = os.pipe()
        """Readable: what the child says, and its end."""
        os.set_blocking(self.fd, False)
        self.deadline = now + SECONDS
        self._said = b""
        mask = signals.block()
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _read(source, opened, writer)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            signals.unblock(mask)
            os.close(writer)

    def hear(self) -> bool:
        """Takes a helping of what it says; False: that was all."""
        try:
            piece = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return True
        self._said += piece
        return bool(piece) and len(self._said) <= _OUTCOME_MAX

    def result(self) -> Config:
        """At its end. Raises CannotRead."""
        os.close(self.fd)
        if self._said[:1] == _GOOD and len(self._said) <= _OUTCOME_MAX:
            return handover.decode_config(self._said[1:])
        text = self._said[1:] if self._said[:1] == _BAD else b""
        raise CannotRead(text.decode("utf-8", "replace") or "the process that reads the configuration failed")

    def end(self) -> None:
        """Kills it, and what it has forked. It is reaped like any other child."""
        os.close(self.fd)
        for kill in (os.killpg, os.kill):
            try:
                kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has not made its group yet, or has ended this very moment


def _read(source: Callable[[], Config] | Source, opened: Opened, writer: int) -> NoReturn:
    """The child: says the configuration, and ends without cleaning up what is its parent's."""
    try:
        os.setpgid(0, 0)
        signals.reset_in_worker()
        descriptors.close_all_but((0, 1, 2, writer))
        _say(writer, _outcome(source, opened))
    finally:
        os._exit(0)


def _outcome(source: Callable[[], Config] | Source, opened: Opened) -> bytes:
    try:
        return _GOOD + handover.encode_config(look_up(source(), opened))
    except (ConfigError, CannotStart) as error:
        return _BAD + str(error).encode("utf-8", "backslashreplace")
    except Exception:
        # A defect of the reader must not take the service down; the reload fails and says why.
        import traceback  # half a megabyte that is needed only here

        return _BAD + traceback.format_exc().encode("utf-8", "backslashreplace")


def _say(writer: int, data: bytes) -> None:
    while data:
        data = data[os.write(writer, data) :]
