"""A port for a test that must name it before somebody binds it."""

from __future__ import annotations

import os
import random
import socket

LOWEST, HIGHEST = 15000, 30000
"""Below what Linux, FreeBSD and macOS give to clients and to port 0: nobody is given it in between."""
_given: set[int] = set()
"""By this process; a test may name several before the first is bound."""


def unused_port(lowest: int = LOWEST, highest: int = HIGHEST) -> int:
    """A TCP port from this range that nobody listens on now, another one each time.

    Processes of one parallel run (pytest-xdist) choose from disjoint parts of the range: the port
    stays free until the test binds it.
    """
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = [port for port in range(lowest + part, highest, parts) if port not in _given]
    for port in random.sample(mine, min(100, len(mine))):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise AssertionError("none of 100 ports is free")
