"""Makes tests/support importable; one echo server for all cases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.cases import ECHO
from support.server import Server


@pytest.fixture(scope="session")
def echo() -> Iterator[Server]:
    """The echo application with the default limits."""
    with Server(ECHO) as server:
        yield server
