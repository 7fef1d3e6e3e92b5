"""The house of each test (support/house.py): a server under an INI file, which never outlives its test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import House, Load, Until, wait_until


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A server to be; whatever the test leaves of it is ended."""
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture
def public_house() -> Iterator[House]:
    """A server whose directory other users may enter; pytest's own is closed to them."""
    with tempfile.TemporaryDirectory(prefix="fapws-") as name:
        os.chmod(name, 0o755)
        made = House(Path(name))
        try:
            yield made
        finally:
            made.clean()


@pytest.fixture
def load() -> type[Load]:
    """Makes clients for a server."""
    return Load


@pytest.fixture
def until() -> Until:
    """``wait_until``."""
    return wait_until
