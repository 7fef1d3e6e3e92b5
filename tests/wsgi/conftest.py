"""Makes tests/support importable; servers that many tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.gate import Gate
from support.server import Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """apps/behaviours.py with the default limits, one worker."""
    with Server(BEHAVIOURS) as running:
        yield running


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A place where an application waits for the test."""
    with Gate() as one:
        yield one
