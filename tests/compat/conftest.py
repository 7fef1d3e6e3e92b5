"""What the programs of this folder are run and asked with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.house import House


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """A client with cookies and kept connections, without the machine's proxies."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A server to be; whatever the test leaves of it is ended."""
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.clean()
