"""The application that run() was given, for the workers that its master forks.

A worker loads it by a name, as it loads any other; the name leads here, into memory that the fork has copied.
"""

from __future__ import annotations

import atexit
import os
import sys

from fapws.lean import Any, Callable
from fapws.settings import source
from fapws.settings.build import build
from fapws.settings.model import Config
from fapws.settings.options import MASTER_OPTIONS
from fapws.settings.scan import Entry, Scan, Section

NAME = "fapws.embedding.given:made()"
_POOL = "app"

_held: list[tuple[Callable[..., Any], list[str]]] = []


def hold(application: Callable[..., Any]) -> None:
    """Keeps it, and the program's arguments, for workers that are forked from now on."""
    _held[:] = [(application, list(sys.argv))]


def made() -> Callable[..., Any]:
    """In a worker: the application. Raises RuntimeError in any process that has no copy of it."""
    if not _held:
        raise RuntimeError("the application that fapws.run() was given is in that program's memory only")
    application, sys.argv[:] = _held[0]
    # What the program wants done at its end is done by the program, not by each worker.
    atexit._clear()
    return application


class GivenSource(source.Source):
    """Options as run() was given them, as text."""

    options: dict[str, str]

    def held_in_memory(self) -> str:
        """An upgrade in place begins a new program, which has no copy of the application."""
        return "the application is in the memory of the program that called fapws.run(): start that anew"

    def __call__(self) -> Config:
        """The configuration. Raises ConfigError."""
        found = Scan(
            [_section("fapws", self.options, True), _section(f"app:{_POOL}", self.options, False)], []
        )
        return build(found, "fapws.run()", "", self.directory, {"app": NAME, "script": ""})


def _section(name: str, options: dict[str, str], of_master: bool) -> Section:
    chosen = [(key, text) for key, text in options.items() if (key in MASTER_OPTIONS) == of_master]
    return Section(name, 0, [Entry(key, text, 0) for key, text in chosen])


def source_of(options: dict[str, str]) -> GivenSource:
    """Where a master's configuration comes from when run() has started it."""
    made_source = GivenSource(directory=os.getcwd())
    made_source.options = options
    return made_source
