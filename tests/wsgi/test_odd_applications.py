"""What an odd application gets does not depend on the exchange that serves it, nor on what else it does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.accelerated import only_accelerated, skip_where_there_is_none
from support.raw import Client, fetch, request
from support.server import Server

from fapws.settings.model import Limits, Pool
from fapws.worker.assemble import settings_of
from fapws.wsgi import serve
from fapws.wsgi.response import Fault, Response

ODD = Path(__file__).parent / "apps" / "odd.py"
CASES = [line.split('"')[1] for line in ODD.read_text().splitlines() if '": lambda e, s:' in line]
LARGE = 32 << 20
"""Bytes; more than the kernel takes at once while a client does not read."""

CHANGED = f"""
import sys

LARGE = {LARGE}
changes = []


def application(environ, start_response):
    result = [b"a" * LARGE]

    def watch(frame, event, argument):
        # The first moment behind fw_respond(), when another thread may run as well.
        name = argument.__name__ if event == "c_return" else frame.f_code.co_name
        if (event, name) in (("c_return", "fw_respond"), ("call", "after_respond")):
            sys.setprofile(None)
            changes.append(name)
            result[0] = b"short"

    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/once":
        return [repr(changes).encode()]
    sys.setprofile(watch)
    return result
"""

COUNTED = f"""
import sys

LARGE = b"a" * {LARGE}


def application(environ, start_response):
    start_response("200 OK", [("X-References", str(sys.getrefcount(LARGE)))])
    return [LARGE]
"""

ENDLESS = """
import itertools


def application(environ, start_response):
    write = start_response("200 OK", [])
    write(b"x")
    return itertools.repeat(b"x" * 10000) if environ["REQUEST_METHOD"] == "HEAD" else []
"""


@pytest.fixture(params=["0", "1"], ids=["accelerated", "pure"])
def mode(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a server."""
    skip_where_there_is_none(request.param)
    return {"FAPWS_PURE": request.param}


def told(server: Server, number: int, case: str, method: str) -> tuple[bytes, list[str]]:
    """The answer without its date, and the log without what names the places of code."""
    mark = server.mark()
    with Client(server.address) as client:
        client.send(request(f"/{case}", "Connection: close", method=method))
        answer = client.read_to_end()
    fetch(server.address, f"/mark?{number}")
    server.wait_log(f"MARK {number} ")
    log = server.log_since(mark).splitlines()
    head = [line for line in answer.split(b"\r\n") if not line.startswith(b"Date:")]
    return b"\r\n".join(head), [line for line in log if line[:1] != " "]


@only_accelerated
def test_both_exchanges_answer_odd_applications_alike() -> None:
    assert len(CASES) > 70
    with Server(ODD, env={"FAPWS_PURE": "0"}) as fast, Server(ODD, env={"FAPWS_PURE": "1"}) as pure:
        for number, case in enumerate(CASES):
            for method in ("GET", "HEAD"):
                place = 2 * number + (method == "HEAD")
                mine, theirs = (told(server, place, case, method) for server in (fast, pure))
                assert mine == theirs, f"{method} /{case}"


def test_content_is_what_the_list_held_when_it_was_answered(mode: dict[str, str]) -> None:
    with Server(CHANGED, env=mode) as server, Client(server.address) as client:
        client.send(request("/"))
        # Nothing is read before the next one was answered: a reader that keeps up lets the kernel take all
        # at once, and then nothing is left to do after the response.
        assert fetch(server.address, "/once").body != b"[]", "it was changed"
        answer = client.read("GET")
        assert len(answer.body) == LARGE
        assert answer.body.count(b"a") == LARGE


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython counts references")
def test_large_content_is_let_go_of_before_the_next_is_made(mode: dict[str, str]) -> None:
    with Server(COUNTED, env=mode) as server, Client(server.address) as client:
        counts = [client.get("/").head.get("X-References") for _ in range(3)]
        assert len(set(counts)) == 1, counts


def test_head_ends_although_the_iterator_behind_write_does_not(mode: dict[str, str]) -> None:
    with Server(ENDLESS, env=mode) as server, Client(server.address) as client:
        client.send(request("/", method="HEAD"))
        assert client.read("HEAD").status == 200
        assert client.get("/").body == b"x"


def test_file_without_start_response_is_named_in_the_log(mode: dict[str, str]) -> None:
    with Server(ODD, env=mode) as server:
        assert fetch(server.address, "/file_never_started").status == 500
        server.wait_log("Fault: start_response was not called before the first content")


def test_answer_kept_beyond_the_core_asks_nobody() -> None:
    server = serve.Server(lambda environ, start: [], settings_of(Pool("p", limits=Limits()), False))
    kept = type("Kept", (Response,), {"server": server, "__slots__": ()})()
    kept.connection = 1
    server.free()
    for question in (kept.original_request, kept.socket_fd, lambda: kept.write(b"x")):
        kept.start_response("200 OK", [], (KeyError, KeyError(), None))
        with pytest.raises(Fault, match="thread"):
            question()
