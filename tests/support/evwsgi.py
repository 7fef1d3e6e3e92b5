"""fapws3's programs as tests write them: what they begin with, and started by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.server import Server

BEGIN = """
import os, signal, sys, threading, time
import fapws._evwsgi as evwsgi
from fapws import base

def say(*words):
    # In one write: other processes print to the same pipe, and unbuffered print() writes word by word.
    print(" ".join(map(str, words)) + "\\n", end="", flush=True)

def answer(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["%s pid=%d" % (environ["PATH_INFO"], os.getpid())]

def begin(host="127.0.0.1", port="0"):
    evwsgi.start(host, port)
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/hello", answer))
"""


class ByHand(Server):
    """``python program.py``: the text follows BEGIN; it binds where it wants and says so."""

    def __init__(self, text: str, *, unix_address: str = "", env: dict[str, str] | None = None) -> None:
        """unix_address: where it will be, if that is no port; abstract with a zero byte in front."""
        super().__init__(BEGIN + text, env=env, unix=bool(unix_address))
        self._unix_address = unix_address

    def start(self) -> None:
        """As Server does."""
        super().start()
        if self._unix_address:
            self.address = self._unix_address

    def command(self) -> list[str]:
        """The words that start it."""
        program = self.directory / "program.py"
        program.write_text(str(self._app), encoding="utf-8")
        return [sys.executable, str(program)]

    def end(self, number: int = signal.SIGINT) -> int:
        """Sends a signal and waits; the exit status."""
        os.kill(self.pid, number)
        return self.wait()


def run_to_end(text: str, directory: Path, *, begin: str = BEGIN) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself."""
    program = directory / "program.py"
    program.write_text(begin + text, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
