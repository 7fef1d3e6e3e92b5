"""Options that a pool hands on to the core: early_hints, min_body_rate, spool_directory, debug."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fapws._core import ffi
from support.raw import Client, fetch, request
from support.server import Server

from fapws.settings.model import Limits, Pool
from fapws.worker.assemble import settings_of

HINTS = """
def application(environ, start_response):
    hints = environ.get("wsgi.early_hints")
    if hints:
        hints([("Link", "</style.css>; rel=preload; as=style")])
    start_response("200 OK", [("X-Offered", str(bool(hints)))])
    return [b""]
"""
SPOOL = """
import os


def application(environ, start_response):
    content = environ["wsgi.input"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.readlink("/proc/self/fd/%d" % content.fileno()).encode()]
"""


def test_early_hints_are_offered_where_they_are_wanted() -> None:
    with (
        Server(HINTS, options="early_hints = yes\nscript_name = /a") as server,
        Client(server.address) as client,
    ):
        client.send(request("/a/"))
        assert client.read_head().status == 103
        answer = client.read()
        assert (answer.status, answer.head.get("X-Offered")) == (200, "True")
    with Server(HINTS, options="workers = 1") as server:
        answer = fetch(server.address)
        assert (answer.status, answer.head.get("X-Offered")) == (200, "False")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the name behind a descriptor")
def test_large_content_goes_to_the_spool_directory(tmp_path: Path) -> None:
    with Server(SPOOL, options=f"spool_directory = {tmp_path}\nbody_memory = 0") as server:
        answer = fetch(server.address, method="POST", body=bytes(100_000))
    assert answer.text.startswith(f"{tmp_path}/") and answer.text.endswith(" (deleted)")
    assert list(tmp_path.iterdir()) == []


def test_debug_tells_why_a_request_is_refused() -> None:
    bad = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    for level in (1, 0):
        with Server(HINTS, options=f"debug = {level}") as server:
            with Client(server.address) as client:
                client.send(bad)
                assert client.read().status == 400
            if level:
                server.wait_log(r"debug: host_repeated from 127\.0\.0\.1:\d+: ")
            else:
                server.stop()
                assert "host_repeated" not in server.log


def test_limits_reach_the_core() -> None:
    pool = Pool("a", limits=Limits(min_body_rate=123), spool_directory="/s", debug=2)
    settings = settings_of(pool, False)
    assert [settings[name] for name in ("min_body_rate", "spool_directory", "debug")] == [123, b"/s", 2]


def test_every_setting_of_the_core_is_given_and_no_other() -> None:
    """What is not given would be 0 in C, which turns a limit off."""
    given = settings_of(Pool("a", limits=Limits(header_timeout=3)), False)
    assert set(given) == {name for name, _ in ffi.typeof("fw_settings").fields}
    assert (given["header_timeout"], given["keepalive_timeout"]) == (3000, 60_000)
