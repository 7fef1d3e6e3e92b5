"""The upgrade in place: the new code is tried in a child, then the master execs itself.

The old master calls ``Attempt`` and ``leap``; the new one, through landing.py, ``check`` and
``resume``. Between the two stand one text (handover.py) and the descriptors that it names.
"""

from __future__ import annotations

import os
import sys
import time

import fapws
from fapws.lean import TYPE_CHECKING
from fapws.settings.problems import ConfigError

from ..process import signals
from ..process.scoreboard import nameless_file
from .handover import Saved, Unreadable, decode

if TYPE_CHECKING:
    from ..master import Master

CHECK_SECONDS = 60.0
"""How long the child may take to try the new code."""
_READ_SIZE = 65536
_PADDING = "-" * 64
"""A last argument that nobody reads: room for the process's title."""


def _command(what: str, fd: int) -> list[str]:
    """What runs landing.py of the code that lies now where ours was found."""
    from .landing import interpreter

    package = os.path.dirname(os.path.abspath(fapws.__file__))
    landing = os.path.join(package, "supervisor", "upgrade", "landing.py")
    return [*interpreter(), landing, os.path.dirname(package), what, str(fd), _PADDING]


def write(text: str) -> int:
    """A file without a name that holds the text; the descriptor. Raises OSError."""
    fd = nameless_file("upgrade")
    data = text.encode("ascii")
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BaseException:
        os.close(fd)
        raise
    return fd


def _spawn(command: list[str], keep: int, output: int) -> int:
    """The PID of a child that runs the command with one more descriptor. Raises OSError.

    By hand: PyPy has no posix_spawn, and subprocess would stay in the master's memory.
    """
    mask = signals.block()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(output, 1)
                os.dup2(output, 2)
                os.set_inheritable(keep, True)
                signals.reset_in_worker()
                os.execv(command[0], command)
            except BaseException as error:
                os.write(2, f"{command[0]}: {error}\n".encode("utf-8", "replace"))
            finally:
                os._exit(127)
        return pid
    finally:
        signals.unblock(mask)


class Attempt:
    """The child that tries the new code."""

    def __init__(self, text: str, now: float) -> None:
        """Starts it. Raises OSError."""
        state = write(text)
        self.fd, writer = os.pipe()
        """Readable: what the child says, and its end."""
        self.deadline = now + CHECK_SECONDS
        self.ended = False
        """Whether it has said all."""
        self._said = b""
        try:
            self.pid = _spawn(_command("check", state), state, writer)
        except BaseException:
            os.close(self.fd)
            raise
        finally:
            os.close(state)
            os.close(writer)

    def read(self) -> bool:
        """Takes what it says; False: that was all."""
        piece = os.read(self.fd, _READ_SIZE)
        self._said += piece
        self.ended = not piece
        return not self.ended

    def result(self, status: int) -> str:
        """Why the new code cannot take over; empty: it can. Ends the attempt."""
        while piece := os.read(self.fd, _READ_SIZE):
            self._said += piece
        os.close(self.fd)
        if status == 0:
            return ""
        return self._said.decode("utf-8", "replace").strip() or f"the check ended with status {status}"


def leap(text: str, descriptors: list[int]) -> None:
    """Becomes the new master. Raises OSError if that cannot be; then nothing has changed."""
    fd = write(text)
    mask = signals.block()
    try:
        for number in (fd, *descriptors):
            os.set_inheritable(number, True)
        command = _command("land", fd)
        os.execv(command[0], command)
    finally:  # still here: it failed
        for number in descriptors:
            os.set_inheritable(number, False)
        os.close(fd)
        signals.unblock(mask)


# ---- The new code --------------------------------------------------------------------------------


def check(text: str) -> int:
    """Whether this code can take over; the exit status. The reason goes to standard error."""
    try:
        from .. import master  # what it imports must be there

        assert master
        saved = decode(text)
        saved.source()
    except (ConfigError, Unreadable) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        import traceback

        print(f"the new code cannot take over: {error}\n{traceback.format_exc()}", file=sys.stderr)
        return 1
    return 0


def resume(text: str) -> Master:
    """The new master, with everything that the old one held."""
    from ..master import Master, tell_nobody

    saved: Saved = decode(text)
    for fd in descriptors_of(saved):
        os.set_inheritable(fd, False)
    return Master(saved.state.config, saved.source, tell_nobody, saved)


def descriptors_of(saved: Saved) -> list[int]:
    """What the successor inherits."""
    single = (saved.lifeline, saved.lifeline_writer, saved.board, saved.pidfile, saved.control)
    channels = (fd for worker in saved.workers for fd in (worker.channel, worker.output))
    sockets = (listener.fd for listener in saved.open.values())
    clients = (*saved.clients, *saved.other_clients)
    return [fd for fd in (*single, *channels, *sockets, *clients) if fd >= 0]


def overdue(attempt: Attempt) -> bool:
    """Whether the child takes too long."""
    return time.monotonic() >= attempt.deadline
