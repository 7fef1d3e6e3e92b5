"""Processes that the application's import has started by multiprocessing: they end with their worker.

At its exit Python waits for those that are no daemons. One that is started at import and serves for ever
would hold up each stop and reload until the worker is killed, and then live on. Those that were started later
are waited for, as Python does: they have a job that ends.
"""

from __future__ import annotations

import os
import sys
import time

from fapws.lean import Any, Callable

GRACE = 2.0
"""Seconds that they have to end when they are told to."""


def running() -> tuple[Any, ...]:
    """The processes of multiprocessing that live now; nothing is imported to find out."""
    module = sys.modules.get("multiprocessing")
    find = getattr(module, "active_children", None)
    return tuple(find()) if find is not None else ()


def end(helpers: tuple[Any, ...], log: Callable[[str], None]) -> None:
    """Tells these to end, and kills those that do not. Raises whatever the application has made of them."""
    helpers = tuple(helper for helper in helpers if helper._parent_pid == os.getpid() and helper.is_alive())
    for helper in helpers:
        log(f"{_name(helper)} was started at the application's import and is told to end with its worker")
        helper.terminate()
    deadline = time.monotonic() + GRACE
    for helper in helpers:
        helper.join(max(0.0, deadline - time.monotonic()))
        if helper.is_alive():
            log(f"{_name(helper)} has not ended within {GRACE:.0f} s and is killed")
            helper.kill()
            helper.join()


def tell_waits(log: Callable[[str], None]) -> None:
    """What Python is going to wait for, so that a stop that takes long explains itself."""
    for child in running():
        if not child.daemon:
            log(f"the worker waits for {_name(child)}, which the application has started")


def _name(child: Any) -> str:
    return f"process {child.pid} ({child.name})"
