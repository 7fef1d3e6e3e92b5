"""A program of fapws3 in the three forms in which it runs: by hand, under a master, from an INI file."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from support.program import Program
from support.server import Server

FORMS = ("python program.py", "fapws program.py", "script =")
"""The last one is asked again after a reload."""
IN_EACH_FORM = pytest.mark.parametrize("form", FORMS)


@contextlib.contextmanager
def running(
    text: str | Path, form: str, folder: Path, env: Mapping[str, str] | None = None, options: str = ""
) -> Iterator[Server]:
    """A program, its text or its file in the folder; it binds to 127.0.0.1 and port 0 by itself.

    options: further lines of the INI file, for the last form.
    """
    program = folder / "program.py" if isinstance(text, str) else text
    if isinstance(text, str):
        program.write_text(text, encoding="utf-8")
    server = (
        Program(program, directory=folder, env=env)
        if form == FORMS[0]
        else Server(
            program,
            directory=folder,
            env=env,
            options="workers = 1\n" + options if form == FORMS[2] else "",
            name=program.stem,
        )
    )
    with server:
        yield server


def ask_in(server: Server, form: str, ask: Callable[[Server], None]) -> None:
    """Asks, and in the last form again when a reload has brought a new worker."""
    ask(server)
    if form == FORMS[2]:
        mark = server.mark()
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("reload done", 60, since=mark)
        ask(server)
