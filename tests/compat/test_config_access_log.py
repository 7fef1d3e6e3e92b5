"""A program is quiet, as with fapws3, until fapws.config.access_log asks for a line for each response."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support.evwsgi import BEGIN, ByHand
from support.house import House
from support.raw import fetch
from support.server import Server

ASK = "from fapws import config\nconfig.access_log = True\n"
PROGRAM = "begin()\nevwsgi.run()\n"
OWN_BASE = """
import types
class mine: pass
for name in ("Environ", "Start_response", "supported_HTTP_command"):
    setattr(mine, name, getattr(base, name))
mine.config = types.SimpleNamespace(access_log=True)
evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(mine)
evwsgi.wsgi_cb(("/hello", answer))
evwsgi.run()
"""
PATHS = "PATHS = [('/hello', lambda environ, start_response: 'x')]\n"
LINE = re.compile(r'127\.0\.0\.1 - - \[.+\] "GET /hello/(\w) HTTP/1\.1" 200 \d+ ')


def logged(server: Server) -> list[str]:
    """The requests that the log of a server names when it has ended."""
    for word in "ab":
        assert fetch(server.address, f"/hello/{word}").status == 200
    server.stop()
    return LINE.findall(server.log)


@pytest.mark.parametrize("start", [ByHand, lambda text: Server(BEGIN + text)], ids=["hand", "master"])
@pytest.mark.parametrize(
    ("text", "told"),
    [(PROGRAM, []), (ASK + PROGRAM, ["a", "b"]), (OWN_BASE, ["a", "b"])],
    ids=["quiet", "asked", "own_base"],
)
def test_only_what_is_asked_for_is_logged(start: Callable[[str], Server], text: str, told: list[str]) -> None:
    with start(text) as server:
        assert logged(server) == told
        assert "GET" not in LINE.sub("", server.log)


@pytest.mark.parametrize(("text", "told"), [(PATHS, []), (ASK + PATHS, ["a", "b"])], ids=["quiet", "asked"])
def test_a_script_with_paths_may_ask_too(text: str, told: list[str]) -> None:
    with Server(text) as server:
        assert logged(server) == told


def test_a_program_that_has_closed_standard_error_serves_without_a_log() -> None:
    with ByHand(ASK + "begin()\nprint('kept', flush=True)\n" + AWAIT_AND_CLOSE) as program:
        assert fetch(program.address, "/hello/a").status == 200


AWAIT_AND_CLOSE = """
from fapws.worker import loop_owner
class Shut:  # once the program has said where it serves
    def __call__(self):
        os.close(2)
        return False
evwsgi.add_timer(0.01, Shut())
evwsgi.run()
"""


def test_under_the_master_a_reload_asks_and_the_ini_file_is_stronger(house: House) -> None:
    house.write_app(BEGIN + PROGRAM)
    house.start()
    port = house.port()
    assert fetch(("127.0.0.1", port), "/hello/a").status == 200
    house.write_app(BEGIN + ASK + PROGRAM)
    house.ctl("reload")
    assert fetch(("127.0.0.1", port), "/hello/b").status == 200
    house.wait_log(LINE.pattern)
    assert LINE.findall(house.log()) == ["b"]
    house.configure(pool=f"access_log = {house.access}")
    house.ctl("reload")
    assert fetch(("127.0.0.1", port), "/hello/c").status == 200
    house.ctl("stop")
    assert LINE.findall(house.access.read_text()) == ["c"]
    assert LINE.findall(house.log()) == ["b"]
