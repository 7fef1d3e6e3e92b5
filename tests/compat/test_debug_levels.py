"""DEBUG, debug = and set_debug(): what each level tells, and that no content is told below 3."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.house import House
from support.raw import Client, fetch
from support.server import Address, Server

APPLICATION = """
def hello(environ, start_response):
    way = environ["QUERY_STRING"]
    if way == "fail":
        raise RuntimeError("on purpose")
    if way == "late":
        return late(start_response)
    start_response("201 Created", [("X-Own", "response-field")])
    return [b"response-" + b"content"]
def late(start_response):
    start_response("202 Accepted", [("X-Own", "response-field")])
    yield b"response-" + b"content"
"""
WSGI = APPLICATION + "application = hello\n"
SCRIPT = APPLICATION + "PATHS = [('/', hello)]\nDEBUG = LEVEL\n"
PROGRAM = APPLICATION + "begin()\nevwsgi.wsgi_cb(('/', hello))\nevwsgi.set_debug(LEVEL)\nevwsgi.run()\n"
PARTS = {
    "refusal": re.compile(r"debug: host_repeated from \S+:\d+: GET /bad HTTP/1.1"),
    "request": re.compile(r"debug: request POST /x from \S+:\d+$", re.MULTILINE),
    "response": re.compile(r"debug: response to POST /x from \S+:\d+: status 201 Created after \d+ ms"),
    "field": re.compile(r"HTTP_X_OWN: request-field"),
    "content": re.compile(r"\| request-content-secret"),
    "own field": re.compile(r"X-Own: response-field"),
    "own content": re.compile(r"\| response-content"),
}
TOLD = {0: 0, 1: 1, 2: 3, 3: 7}
"""How many of the parts a level tells."""


def ask(address: Address) -> None:
    """Two refused requests, the second with content behind its head, and one that is served."""
    for text in (
        b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\nrequest-content-secret",
    ):
        with Client(address) as client:
            client.send(text)
            assert client.read().status in (400, 413)
    answer = fetch(address, "/x", "X-Own: request-field", method="POST", body=b"request-content-secret")
    assert answer.status == 201 and answer.text == "response-content"


def check(log: str, level: int) -> None:
    """The log tells the parts of its level and no more."""
    found = [name for name, pattern in PARTS.items() if pattern.search(log)]
    assert found == list(PARTS)[: TOLD[level]], log
    assert ("request-content-secret" in log) == (level == 3), log


@pytest.mark.parametrize("level", TOLD)
def test_program_by_hand(level: int) -> None:
    with ByHand(PROGRAM.replace("LEVEL", str(level))) as program:
        ask(program.address)
        program.stop()
        check(program.log, level)


@pytest.mark.parametrize("level", TOLD)
@pytest.mark.parametrize("text", [BEGIN + PROGRAM, SCRIPT], ids=["fapws3", "fapws4"])
def test_program_under_the_master(text: str, level: int) -> None:
    with Server(text.replace("LEVEL", str(level))) as server:
        ask(server.address)
        server.stop()
        check(server.log, level)


def test_ini_file_and_its_reloads(house: House) -> None:
    house.write_app(WSGI)
    house.configure()
    house.start()
    for level in (0, 3, 2, 1, 0):
        house.configure(pool=f"debug = {level}")
        house.ctl("reload")
        before = len(house.log())
        ask(("127.0.0.1", house.port()))
        house.ctl("reload")  # the worker that was asked has ended, and said all
        check(house.log()[before:], level)
    house.ctl("stop")


def test_level_changes_while_the_program_serves() -> None:
    text = """
def level(environ, start_response):
    evwsgi.set_debug(int(environ["QUERY_STRING"]))
    return str(evwsgi.get_debug())
begin()
evwsgi.wsgi_cb(("/level", level))
evwsgi.run()
"""
    with ByHand(text) as program:
        for number, told in ((2, True), (1, False), (3, True), (0, False)):
            assert fetch(program.address, f"/level?{number}").text == str(number)
            mark = program.mark()
            assert fetch(program.address, "/hello/x").status == 200
            with Client(program.address) as client:
                client.send(b"GET / HTTP/1.1\r\n\r\n")
                client.read()
            program.wait_log("debug: host_missing", since=mark) if number else None
            assert ("debug: request GET /hello/x" in program.log_since(mark)) == told


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("fail", r"status 500|no status yet, RuntimeError"),
        ("late", r"status 202 Accepted, first piece after \d+ ms"),
    ],
)
def test_failures_and_generators_are_told(way: str, told: str) -> None:
    with Server(WSGI, options="debug = 2") as server:
        fetch(server.address, f"/x?{way}")
        server.wait_log(rf"debug: response to GET /x\?{way} from 127\.0\.0\.1:\d+: ({told})")


def test_a_client_that_leaves_is_told() -> None:
    text = """
def application(environ, start_response):
    start_response("200 OK", [])
    return (bytes(65536) for _ in range(10_000))
"""
    with Server(text, options="debug = 2") as server:
        with Client(server.address) as client:
            client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            server.wait_log("debug: response to GET /long .*content to come")
        server.wait_log("debug: the client has left during the response at GET /long")


def test_content_is_still_the_applications_and_long_ones_are_cut(tmp_path: Path) -> None:
    text = """
import os
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["QUERY_STRING"]:
        return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))
    return [environ["wsgi.input"].read()]
"""
    file = tmp_path / "large"
    file.write_bytes(b"f" * 300_000)
    with Server(text, options="debug = 3") as server:
        for size in (2000, 200_000):
            content = b"\x1b\n" + b"y" * size
            assert fetch(server.address, method="POST", body=content).body == content
        assert fetch(server.address, f"/?{file}").body == file.read_bytes()
        server.stop()
        lines = [line for line in server.log.splitlines() if line.strip().startswith("| ")]
        assert len(lines) == 4 and set(lines) == {"  | \\x1b\\x0a" + "y" * 1022 + " ..."}
        assert not re.search("[\x00-\x08\x0b-\x1f]", server.log)
