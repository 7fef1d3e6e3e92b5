"""A program in fapws3's form, run as ``python program.py``: it binds by itself and has no master.

It is told where by the environment: PORT, 0 for any that is free, or SOCKET for a path.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from support.server import Server


class Program(Server):
    """Like Server, with the program as its only process."""

    def __init__(
        self, program: Path, *, unix: bool = False, directory: Path, env: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(program, unix=unix, directory=directory, env={"PORT": "0", **(env or {})})
        self._program = program
        self._env["SOCKET"] = str(self.socket_path)

    def command(self) -> list[str]:
        """The words that start it."""
        return [sys.executable, str(self._program)]
