"""A stand-in for syslogd at /dev/log, one at a time on a machine, however many tests run at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PLACE = "/dev/log"
PATIENCE = 30.0


@contextlib.contextmanager
def syslog_place() -> Iterator[None]:
    """Nobody else uses PLACE meanwhile. Skips the test where a real syslogd does, or only root could."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root, to make {PLACE}")
    with (Path(tempfile.gettempdir()) / "fapws-tests-syslogd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.lexists(PLACE):
            pytest.skip(f"a syslogd runs here: {PLACE} is taken")
        yield


@contextlib.contextmanager
def syslogd() -> Iterator[socket.socket]:
    """The daemon's socket, which gets a datagram for each line; its file goes with it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(PLACE)
        daemon.settimeout(PATIENCE)
        try:
            yield daemon
        finally:
            os.unlink(PLACE)
