"""A server in a directory of its own, driven by fapwsctl as an operator would, and by signals.

Owns:   the processes that it has started: take_down() ends them, whatever became of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any, Callable, TypeVar

from ..control_client import NoReply, ask

PATIENCE = 30.0
"""Seconds after which a single wait has failed."""
_PAUSE = 0.02
_PACKAGES = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["fapws"].__file__ or "")))

Seen = TypeVar("Seen")


class Failed(Exception):
    """A check has seen what must not be."""


class LeftOut(Exception):
    """A check does not apply to this machine, or to this user."""


class Clock:
    """How much time there is."""

    def __init__(self, until: float, over: float) -> None:
        """``until``: the endurance run ends. ``over``: no check begins any more, and each wait has ended."""
        self.until = until
        self._over = over

    def is_over(self) -> bool:
        return time.monotonic() >= self._over

    def left(self) -> float:
        """Seconds that a wait which begins now may take."""
        return max(1.0, min(PATIENCE, self._over - time.monotonic()))

    def wait(self, condition: Callable[[], Seen], what: str) -> Seen:
        """The first true value of the condition. Raises Failed."""
        seconds = self.left()
        until = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= until:
                raise Failed(f"{seconds:.0f} s passed, but not: {what}")
            time.sleep(_PAUSE)


class Service:
    """One INI file, its application, and what runs from them."""

    def __init__(self, directory: str, clock: Clock) -> None:
        self.directory = directory
        self.ini = os.path.join(directory, "fapws.ini")
        self.control = os.path.join(directory, "control")
        self.log_file = os.path.join(directory, "error.log")
        self._pidfile = os.path.join(directory, "fapws.pid")
        self._clock = clock
        self.pid = 0

    def configure(self, pools: str) -> None:
        """Writes the INI file. The socket is the user's alone, since the directory may be open to others."""
        self.write("fapws.ini", f"[fapws]\npidfile = {self._pidfile}\ncontrol = {self.control}\n"
                   f"error_log = {self.log_file}\n{pools}")  # fmt: skip

    def write(self, name: str, text: str) -> None:
        """A file of the directory, replaced at once."""
        fresh = os.path.join(self.directory, f".{name}.new")
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(fresh, 0o644)
        os.replace(fresh, os.path.join(self.directory, name))

    # ---- Driving it -----------------------------------------------------------------------------

    def start(self) -> str:
        """``fapwsctl start``; what it says."""
        said = self.ctl("start")
        self.note_pid()
        return said

    def note_pid(self) -> None:
        """Remembers the master that somebody has started from the INI file, if it runs."""
        if os.path.exists(self._pidfile):
            with open(self._pidfile, encoding="ascii") as file:
                self.pid = int(file.read())

    def ctl(self, *words: str) -> str:
        """``fapwsctl``, the program, which waits until it is done. Raises Failed."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", "fapws.cli.fapwsctl", "-c", self.ini, *words],
                cwd=self.directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._clock.left() + 1,
            )
        except subprocess.TimeoutExpired as expired:
            raise Failed(
                f"fapwsctl {words[0]}: not done after {expired.timeout:.0f} s\n{self._end_of_log()}"
            ) from None
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode:
            raise Failed(f"fapwsctl {words[0]}: exit status {done.returncode}\n{said}\n{self._end_of_log()}")
        return said

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """A command by the control socket, without a program. Raises Failed."""
        try:
            return ask(self.control, command, self._clock.left(), **arguments)
        except (NoReply, OSError) as error:
            raise Failed(f"{command}: {error}\n{self._end_of_log()}") from None

    def signal(self, number: int) -> None:
        """To the master."""
        os.kill(self.pid, number)

    def wait(self, condition: Callable[[], Seen], what: str) -> Seen:
        """See Clock; the error log's end stands behind what failed."""
        try:
            return self._clock.wait(condition, what)
        except Failed as failed:
            raise Failed(f"{failed}\n{self._end_of_log()}") from None

    # ---- What it looks like ---------------------------------------------------------------------

    def serving(self) -> set[int]:
        """The workers that serve, by PID."""
        return {row["pid"] for row in self.ask("status")["workers"] if row["state"] == "serving"}

    def ports(self) -> list[int]:
        """The first TCP port of each pool."""
        urls = [pool["listen"] for pool in self.ask("status")["pools"]]
        return [
            next(int(url.rsplit(":", 1)[1]) for url in pool if url.startswith("http://")) for pool in urls
        ]

    def log(self) -> str:
        """The error log so far."""
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def _end_of_log(self) -> str:
        return "\n".join(self.log().splitlines()[-6:])

    def is_alive(self) -> bool:
        """Whether its master is there."""
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return bool(self.pid)

    def take_down(self) -> None:
        """Ends what is left of it, by force where words do not help."""
        if not self.pid or not os.path.exists(self._pidfile):
            return
        try:
            self.ctl("-t", "5", "stop")
        except (Failed, OSError, subprocess.SubprocessError):
            if self.is_alive():
                os.kill(self.pid, signal.SIGKILL)  # its workers see that it is gone, and leave


def environment() -> dict[str, str]:
    """The user's, with this very package, which need not be installed."""
    path = os.pathsep.join(filter(None, [_PACKAGES, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
