"""A port for a test that must name it before somebody binds it."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 15000, 30000
"""Below what Linux, FreeBSD and macOS give to clients and to port 0: nobody is given it in between."""


def unused_port() -> int:
    """A TCP port that nobody listens on now."""
    for port in random.sample(range(LOWEST, HIGHEST), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise AssertionError("none of 100 ports is free")
