"""The programs of conf/samples, each started from a copy of its folder."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.program import Program
from support.server import ROOT, Server

SAMPLES = ROOT / "conf" / "samples"
PATIENCE = 20.0
"""Seconds after which a wait has failed."""


@contextlib.contextmanager
def running(
    name: str, tmp_path: Path, how: str = "fapws", unix: bool = False, **env: str
) -> Iterator[Server]:
    """A copy of a sample, so that what it writes stays out of the tree.

    name: FOLDER/program.py. how: ``fapws``, under a master, or ``python``, by itself.
    """
    folder = tmp_path / "sample"
    if not folder.exists():
        shutil.copytree(SAMPLES / name.partition("/")[0], folder)
    program = folder / name.partition("/")[2]
    server = (
        Program(program, unix=unix, directory=folder, env=env)
        if how == "python"
        else Server(program, unix=unix, directory=folder, env=env)
    )
    with server:
        yield server


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """The first true value of look()."""
    until = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not (value := look()):
        assert time.monotonic() < until, f"{PATIENCE} s passed, but not: {what}"
        pause.wait(0.02)
    return value
