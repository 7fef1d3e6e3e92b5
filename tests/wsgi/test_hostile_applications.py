"""Nothing that an application's objects do ends more than its request; the log always has a line of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accelerated import skip_where_there_is_none
from support.raw import BadAnswer, Client, fetch, request
from support.server import Server

sys.path.insert(0, str(Path(__file__).parent / "apps"))

import hostile  # type: ignore[import-not-found]

APPLICATION = Path(__file__).parent / "apps" / "hostile.py"
SILENT = ("finalised", "detached")
"""These are answered: what fails has nothing to do with the request."""
AT_CLOSE = ("lookups", "exiting_lookups", "bad_close")


@pytest.fixture(scope="module", params=["0", "1"], ids=["accelerated", "pure"])
def hostage(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with one worker."""
    skip_where_there_is_none(request.param)
    with Server(APPLICATION, env={"FAPWS_PURE": request.param}) as running:
        yield running


def ask(server: Server, case: str, body: bytes = b"") -> int:
    """The status of a request, 0: the connection was cut."""
    with Client(server.address) as client:
        client.send(request(f"/{case}", f"Content-Length: {len(body)}", method="POST") + body)
        try:
            return client.read().status
        except (BadAnswer, OSError):
            return 0


@pytest.mark.parametrize("case", sorted(hostile.APPLICATIONS))
def test_a_hostile_application_ends_only_its_request(hostage: Server, case: str) -> None:
    pid = fetch(hostage.address, "/pid").body
    mark = hostage.mark()
    status = ask(hostage, case, b"y" * 4_000_000 if case == "detached" else b"")
    assert fetch(hostage.address, "/restore").body == pid, hostage.log
    if case in SILENT or case in AT_CLOSE:
        assert status == 200
    elif case.startswith("stream_"):
        assert status == 0
    else:
        assert status == 500
    if case not in SILENT:
        hostage.wait_log("fapws: (the application failed|close\\(\\) of)", since=mark)


@pytest.mark.parametrize("value", sorted(hostile.VALUES))
@pytest.mark.parametrize("name", hostile.NAMES)
def test_the_servers_own_attributes_end_only_the_request(hostage: Server, name: str, value: str) -> None:
    pid = fetch(hostage.address, "/pid").body
    with Client(hostage.address) as client:
        client.send(request(f"/attribute/{name}/{value}", "Connection: close"))
        # Who says that the head is out already may be cut; who takes the number of its connection away may
        # have to wait for ever.
        if name == "begun":
            assert client.read_to_end()[:9] in (b"", b"HTTP/1.1 ")
        elif name != "connection":
            assert client.read_head().status in (200, 500)
        assert fetch(hostage.address, "/pid").body == pid, hostage.log


def test_the_line_names_method_and_target(hostage: Server) -> None:
    mark = hostage.mark()
    assert ask(hostage, "unformatted?a=b") == 500
    hostage.wait_log(r"the application failed at POST /unformatted\?a=b", since=mark)
    mark = hostage.mark()
    assert ask(hostage, "stream_unformatted?a=b") == 0
    hostage.wait_log(r"the application failed at POST /stream_unformatted\?a=b", since=mark)
