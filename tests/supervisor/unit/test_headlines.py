"""The one line that is shown of a traceback or a stack: the one that says why."""

from __future__ import annotations

import pytest

from fapws.supervisor.core.texts import HEADLINE_MAX, below_headline, headline

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
