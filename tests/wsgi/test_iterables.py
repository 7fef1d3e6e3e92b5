"""Whatever an application's iterable is, gives and does: the accelerator and the pure path send the same
bytes, call the same methods in the same order and log the same errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accelerated import only_accelerated
from support.raw import Client, fetch, request
from support.server import Server

sys.path.insert(0, str(Path(__file__).parent / "apps"))

import iterables  # type: ignore[import-not-found]

APPLICATION = Path(__file__).parent / "apps" / "iterables.py"
COUNT = int(os.environ.get("FAPWS_ITERABLES", "800"))
"""Applications that are compared."""
SHARES = 8

pytestmark = only_accelerated


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Server, Server]]:
    """The two servers."""
    with (
        Server(APPLICATION, env={"FAPWS_PURE": "0"}) as fast,
        Server(APPLICATION, env={"FAPWS_PURE": "1"}) as pure,
    ):
        yield fast, pure


REQUESTS = (
    lambda path: request(path),
    lambda path: request(path),
    lambda path: request(path, method="HEAD"),
    lambda path: request(path, method="POST", body=b"content"),
    lambda path: f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode(),
)


def told(server: Server, number: int) -> tuple[bytes, list[str]]:
    """All that the client reads, without dates, and the log, without what names the places of code.

    The client asks once more on the same connection, so that a connection that was closed shows too.
    """
    mark = server.mark()
    with Client(server.address) as client:
        client.send(REQUESTS[number % len(REQUESTS)](f"/{number}") + request("/after", "Connection: close"))
        answer = client.read_to_end()
    fetch(server.address, f"/mark?{number}")
    server.wait_log(f"MARK {number} ")
    log = server.log_since(mark).splitlines()
    head = [line for line in answer.split(b"\r\n") if not line.startswith(b"Date:")]
    lines = [line for line in log if line[:1] != " "]
    if any(line.startswith("fapws:") for line in lines):
        # Frames of a traceback hold them, and more than the response: no order is promised.
        lines = [line for line in lines if not line.startswith("CALL del")]
    return b"\r\n".join(head), lines


@pytest.mark.parametrize("share", range(SHARES))
def test_both_paths_treat_an_iterable_alike(both: tuple[Server, Server], share: int) -> None:
    for number in range(share, COUNT, SHARES):
        fast, pure = (told(server, number) for server in both)
        assert fast == pure, f"{number}: {iterables.case(number)}"


def test_the_applications_are_of_every_kind() -> None:
    cases = [iterables.case(number) for number in range(COUNT)]
    assert {kind for kind, *_ in cases} == set(iterables.KINDS)
    assert {id(steps) for _, steps, *_ in cases} == set(map(id, iterables.STEPS))
