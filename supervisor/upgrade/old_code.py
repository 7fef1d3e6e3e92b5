"""What the running master does in an upgrade in place: it has a child try the new code, then executes it.

Decides nothing: core/upgrade_rules.py does. The other side is new_code.py, reached through landing.py.
"""

from __future__ import annotations

import os

import fapws
from fapws.lean import Callable, signal

from ..core import events
from ..process import signals
from ..process.scoreboard import nameless_file_with
from ..process.workers import Post
from ..waiting import Waiter
from .handover import Saved, descriptors_of, encode

_READ_SIZE = 65536
_SAID_MAX = 65536
"""Bytes that are kept of what the child says: the last."""
_PADDING = "-" * 64
"""A last argument that is never read: room for the process's title."""


class Upgrade:
    """Owns the child that tries the new code, if there is one."""

    def __init__(
        self, waiter: Waiter, caught: signals.Signals, save: Callable[[], Saved], post: Post
    ) -> None:
        """``save``: everything that the new code needs, as it is at that moment."""
        self._waiter = waiter
        self._signals = caught
        self._save = save
        self._post = post
        self._trial: Trial | None = None

    def try_new_code(self) -> None:
        """Starts the child. TrialEnded follows."""
        try:
            saved = self._save()
            if reason := saved.source.held_in_memory():
                self._post(events.TrialEnded(reason))
                return
            self._trial = Trial(encode(saved))
        except (OSError, ImportError) as error:
            self._post(events.TrialEnded(f"the new code cannot be tried: {_reason(error)}"))
            return
        self._waiter.watch(self._trial.fd)

    def kill_trial(self) -> None:
        """Kills the child; it is reaped like any other."""
        if self._trial is not None:
            os.kill(self._trial.pid, signal.SIGKILL)

    def on_ready(self, fd: int) -> bool:
        """Takes what the child says; False: it is not the child's descriptor."""
        if self._trial is None or fd != self._trial.fd:
            return False
        if not self._trial.read():
            self._waiter.forget(fd)
        return True

    def on_child(self, pid: int, code: int) -> None:
        """A child has been reaped that is no worker."""
        if self._trial is None or pid != self._trial.pid:
            return
        if not self._trial.ended:
            self._waiter.forget(self._trial.fd)
        reason = self._trial.result(code)
        self._trial = None
        self._post(events.TrialEnded(reason))

    def leap(self) -> None:
        """Becomes the new code. If it returns, LeapHeldBack or LeapFailed follows."""
        former = signals.block()
        try:
            if self._signals.any_noted:
                self._post(events.LeapHeldBack())  # a TERM that was caught would die with this program
                return
            saved = self._save()
            execute(encode(saved), descriptors_of(saved))
        except (OSError, ImportError) as error:
            self._post(events.LeapFailed(f"the new code cannot be run: {_reason(error)}"))
        finally:
            signals.unblock(former)

    def close(self) -> None:
        """The master ends by a defect: so does the child."""
        if self._trial is not None:
            os.kill(self._trial.pid, signal.SIGKILL)
            os.waitpid(self._trial.pid, 0)
            self._trial = None


class Trial:
    """The child that tries the new code."""

    def __init__(self, text: str) -> None:
        """Starts it. Raises OSError."""
        state = nameless_file_with("upgrade", text.encode("ascii"))
        self.fd, writer = os.pipe()
        """Readable: what the child says, and its end."""
        os.set_blocking(self.fd, False)
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
        try:
            piece = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return True
        self._said = (self._said + piece)[-_SAID_MAX:]
        self.ended = not piece
        return not self.ended

    def result(self, status: int) -> str:
        """Why the new code cannot take over; empty: it can. Nothing can be asked afterwards."""
        if not self.ended:
            self.read()  # what is more than a helping is not worth waiting for
        os.close(self.fd)
        if status == 0:
            return ""
        return self._said.decode("utf-8", "replace").strip() or f"the check ended with status {status}"


def execute(text: str, descriptors: list[int]) -> None:
    """Executes the new code in this process. Raises OSError if that cannot be; then nothing has changed."""
    fd = nameless_file_with("upgrade", text.encode("ascii"))
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


def _reason(error: OSError | ImportError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _command(what: str, fd: int) -> list[str]:
    """What runs landing.py of the code that lies now where ours was found."""
    from .landing import interpreter

    package = os.path.dirname(os.path.abspath(fapws.__file__))
    landing = os.path.join(package, "supervisor", "upgrade", "landing.py")
    os.stat(landing)  # Python without it would end, and the service with it
    return [*interpreter(), landing, os.path.dirname(package), what, str(fd), _PADDING]


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
