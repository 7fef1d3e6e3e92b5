"""Sentences about workers, for the log and for people."""

from __future__ import annotations

from math import inf

import pytest

from fapws.supervisor.core import texts
from fapws.supervisor.core.children import Child
from fapws.supervisor.core.texts import HEADLINE_MAX, below_headline, headline


def child(state: str = "serving", reason: str = "", failures: int = 1) -> Child:
    return Child(1, "blog", 0, 1, state, 0.0, 0.0, inf, 25.0, failures, reason)


def test_texts_of_deaths() -> None:
    assert texts.death(child(), 12, -9, 3.21, 1) == (
        "worker blog/0 (pid 12) was killed by SIGKILL after 3.2 s, 1 request served"
    )
    assert texts.death(child("starting"), 12, 3, 0.1, 0) == (
        "worker blog/0 (pid 12) exited with status 3 before it was ready"
    )
    assert "not ready in 60.0 s (boot_timeout)" in texts.death(child("killed"), 12, -9, 60.0, 0)
    assert "(drain_timeout, or a fast stop)" in texts.death_draining(child("draining"), 12, -9)
    assert texts.death(child("starting"), 0, 1, 0.0, 0) == "worker blog/0 could not be started"
    assert texts.ending(-250) == "was killed by signal 250"


def test_traceback_is_logged_whole_once_and_then_by_its_last_line() -> None:
    assert texts.boot_reason(child(reason="Traceback\nE: x\n")) == "\nTraceback\nE: x"
    assert texts.boot_reason(child(reason="Traceback\nE: x\n", failures=2)) == "\nE: x"
    assert texts.boot_reason(child()) == ""


def test_where_a_worker_stood_that_took_too_long_is_told_before_that_it_did() -> None:
    told = texts.boot_failure(child("killed", reason="Stack\n  f\n"), -9, 60.0)
    assert told == "Stack\n  f\nworker blog/0 was not ready after 60 s (boot_timeout) and was killed"
    assert texts.boot_reason(child("killed", reason=told)) == "\nStack\n  f", "the line before has the rest"
    assert texts.boot_reason(child("killed", reason=told, failures=2)) == ""


def test_line_of_a_start_tells_how_many_workers_serve() -> None:
    pools = [("blog", ["http://127.0.0.1:80"])]
    told = "serving blog on http://127.0.0.1:80 (pid 9, {})"
    assert texts.serving(pools, 9, 2, 2, []) == told.format("2 workers")
    assert texts.serving(pools, 9, 1, 2, []) == told.format("1 of 2 workers")


# ---- The one line that is shown of a traceback or a stack ----

FRAMES = '  File "/srv/a.py", line 1, in f\n    f()\n    ~^^\n'
TRACEBACK = f"Traceback (most recent call last):\n{FRAMES}"
STACK = 'Current thread 0x00007f (most recent call first):\n  File "/srv/a.py", line 3 in f\n'
LATE = "worker shop/0 was not ready after 20 s (boot_timeout) and was killed"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fapws.ini:3: no option\nfapws.ini:5: it is set again", "fapws.ini:3: no option"),
        (f"{TRACEBACK}KeyError: 'x'\n", "KeyError: 'x'"),
        (f"{TRACEBACK}KeyError: 'x'\n\nDuring that:\n\n{TRACEBACK}OSError: no\nmore of it\n", "OSError: no"),
        (f"{TRACEBACK}ImportError: x\nuser www may not read /srv", "ImportError: x"),
        ('  File "/srv/a.py", line 1\n    def f(:\n          ^\nSyntaxError: bad', "SyntaxError: bad"),
        (f"warmup: GET /: it failed\n{TRACEBACK}KeyError: 'x'", "warmup: GET /: it failed: KeyError: 'x'"),
        (f"the worker failed: KeyError: 'x'\n{TRACEBACK}KeyError: 'x'", "the worker failed: KeyError: 'x'"),
        (f"{STACK}{LATE}", LATE),
        (f"Stack (most recent call first, approximate line numbers):\n{FRAMES}{LATE}", LATE),
        (f"{STACK}\n{STACK}(more than that is left out)\n{LATE}", LATE),
        (f"incomplete, the replacement fails\n{STACK}{LATE}", f"incomplete, the replacement fails: {LATE}"),
        ("", ""),
    ],
)  # fmt: skip
def test_line_that_says_most_is_shown(text: str, line: str) -> None:
    assert headline(text) == line


def test_what_is_not_shown_yet_stays_to_be_told() -> None:
    assert below_headline("one line") == ""
    assert below_headline("words\nmore") == "more"
    assert below_headline(f"{TRACEBACK}KeyError: 'x'").startswith("Traceback")
    assert len(headline("x" * HEADLINE_MAX * 2)) == HEADLINE_MAX
