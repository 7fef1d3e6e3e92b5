"""A program in fapws3's form, run as ``python program.py``: it binds by itself and has no master.

It is told where by the environment (PORT, or SOCKET for a path) and says nothing when it serves, so
a connection is the sign.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from support.server import START_SECONDS, Server

ATTEMPTS = 5
"""A port that was free a moment ago may have gone to somebody else."""


class Program(Server):
    """Like Server, with the program as its only process."""

    def __init__(
        self, program: Path, *, unix: bool = False, directory: Path, env: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(program, unix=unix, directory=directory, env=env)
        self._program = program

    def start(self) -> None:
        """Starts the program and waits until it takes a connection."""
        for attempt in range(ATTEMPTS):
            if self._unix:
                self.address = str(self.socket_path)
                self._env["SOCKET"] = self.address
            else:
                self.address = ("127.0.0.1", free_port())
                self._env["PORT"] = str(self.address[1])
            self._ended = False
            self._spawn([sys.executable, str(self._program)])
            if self._accepts():
                return
            assert "in use" in self.log.lower() and attempt + 1 < ATTEMPTS, f"it does not serve:\n{self.log}"

    def _accepts(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        pause = threading.Event()
        family = socket.AF_UNIX if self._unix else socket.AF_INET
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                assert self._reader is not None
                self._reader.join(5)
                return False
            with socket.socket(family, socket.SOCK_STREAM) as knock, contextlib.suppress(OSError):
                knock.connect(self.address)
                return True
            pause.wait(0.02)
        return False


def free_port() -> int:
    """A port of the loopback interface that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
