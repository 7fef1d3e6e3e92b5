"""Makes tests/support importable, and what several of these applications are asked with."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

BIG = random.Random(3).randbytes(3_000_000)
"""More than the core and the frameworks keep in memory."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to be served: big.bin, page.html, empty."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "big.bin").write_bytes(BIG)
    (folder / "page.html").write_text("<!doctype html><title>Page</title>\n", encoding="utf-8")
    (folder / "empty").touch()
    return folder


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """A client with cookies and kept connections, without the machine's proxies."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
