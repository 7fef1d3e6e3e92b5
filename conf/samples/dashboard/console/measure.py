"""The readings, guarded: one that fails is None, and the error log tells of it once.

Which module measures is decided here, so that no other module asks whether psutil is installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

try:
    from console import with_psutil as source
except ImportError as error:
    from console import without_psutil as source  # noqa: F401  # it is what everybody calls

    missing_psutil = str(error)
    """Why psutil is not there; empty: it is."""
else:
    missing_psutil = ""

Reading = TypeVar("Reading")
_told: set[str] = set()


def guarded(reading: Callable[..., Reading], *arguments: Any) -> Reading | None:
    """What a reading returns, or None: a missing sensor must not take the page down."""
    try:
        return reading(*arguments)
    except Exception:
        name = reading.__name__
        if name not in _told:
            _told.add(name)
            import traceback

            print(f"dashboard: no {name} here, it is shown as a dash:", file=sys.stderr)
            traceback.print_exc()
        return None


def load() -> tuple[float, float, float]:
    """Processes that want to run: means of 1, 5 and 15 minutes."""
    return os.getloadavg()
