"""A client for the programs of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """A client with cookies and kept connections, without the machine's proxies."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
