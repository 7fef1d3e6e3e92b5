"""Sentences about workers, for the log and for people."""

from __future__ import annotations

from math import inf

from fapws.supervisor.core import texts
from fapws.supervisor.core.children import Child


def child(state: str = "serving", reason: str = "", failures: int = 1) -> Child:
    return Child(1, "blog", 0, 1, state, 0.0, 0.0, inf, 25.0, failures, reason)


def test_texts_of_deaths() -> None:
    assert texts.death(child(), 12, -9, 3.21, 1) == (
        "worker blog/0 (pid 12) was killed by SIGKILL after 3.2 s, 1 request served"
    )
    assert texts.death(child("starting"), 12, 3, 0.1, 0) == (
        "worker blog/0 (pid 12) exited with status 3 before it was ready"
    )
    assert "not ready in 60.0 s" in texts.death(child("killed"), 12, -9, 60.0, 0)
    assert texts.death(child("starting"), 0, 1, 0.0, 0) == "worker blog/0 could not be started"
    assert texts.ending(-250) == "was killed by signal 250"


def test_traceback_is_logged_whole_once_and_then_by_its_last_line() -> None:
    assert texts.boot_reason(child(reason="Traceback\nE: x\n")) == "\nTraceback\nE: x"
    assert texts.boot_reason(child(reason="Traceback\nE: x\n", failures=2)) == "\nE: x"
    assert texts.boot_reason(child()) == ""
