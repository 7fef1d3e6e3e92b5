"""``fapws --selftest``: the essential on the user's own machine, as a report to mail.

Owns:   a directory of its own below /tmp, and the servers that it starts there; both are gone when it ends.
Never:  is imported by anything but that option; touches a server, a file or a setting of the user's.

What it says is nothing private: no environment, no name of a host or a user, no path outside of Python's own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from types import FrameType

from .checks import CHECKS, Scene
from .report import FAIL, LEFT, PASS, Row, conclusion, heading, hide, line
from .service import Clock, Failed, LeftOut

GRACE = 60.0
"""Seconds beyond the time that was asked for, in which what has begun may end and a slow machine may have its
checks; one on which all hangs is told then."""


def run(seconds: float) -> int:
    """Prints the report; the exit status: 0, nothing failed."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _end)  # what was started is taken down on that way too
    print(heading(), flush=True)
    # TMPDIR may be long, as on macOS, and the path of a unix socket may not.
    place = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None
    directory = tempfile.mkdtemp(prefix="fapws-selftest-", dir=place)
    rows: list[Row] = []
    scene = Scene(directory, Clock(began + seconds, began + seconds + GRACE))
    try:
        for name, check in CHECKS:
            row = _row(name, check, scene)
            rows.append(row)
            print(line(row), flush=True)
    finally:
        scene.take_down()
        shutil.rmtree(directory, ignore_errors=True)
    print(conclusion(rows, time.monotonic() - began))
    return int(any(row.result == FAIL for row in rows))


def _row(name: str, check: object, scene: Scene) -> Row:
    """What a check comes to. One that fails keeps no other from its turn."""
    began = time.monotonic()
    assert callable(check)
    try:
        if scene.clock.is_over():
            raise LeftOut("the time was over")
        text = check(scene)
        result = PASS
    except LeftOut as left:
        result, text = LEFT, str(left)
    except Failed as failed:
        result, text = FAIL, str(failed)
    except Exception as error:  # of a system that nobody has tried yet: the report is to tell it
        result, text = FAIL, f"{type(error).__name__}: {error}"
    return Row(result, name, hide(text, scene.directory), time.monotonic() - began)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
