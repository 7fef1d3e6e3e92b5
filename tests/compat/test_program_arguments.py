"""sys.argv of a program: its own words in every form, and never the server's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.house import House
from support.raw import fetch
from support.server import Server

from fapws.settings.values import quote_words, split_words

SHOW = """
import json, sys
WHEN_IMPORTED = list(sys.argv)
def show(environ, start_response):
    return json.dumps([WHEN_IMPORTED, sys.argv])
"""
PROGRAM = BEGIN + SHOW + "begin()\nevwsgi.wsgi_cb(('/argv', show))\nevwsgi.run()\n"
SCRIPT = SHOW + "PATHS = [('/argv', show)]\n"
APPLICATION = """
import json, sys
WHEN_IMPORTED = list(sys.argv)
def application(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps([WHEN_IMPORTED, sys.argv]).encode()]
"""
WORDS = ["--port", "1", "two words", ""]


def argv(server: Server) -> list[str]:
    """What the program finds; at its import the same as in a request."""
    imported, now = json.loads(fetch(server.address, "/argv").text)
    assert imported == now
    return [Path(now[0]).name, *now[1:]]


class ByHandWithWords(ByHand):
    """``python program.py --port 1 ...``."""

    def command(self) -> list[str]:
        """The words that start it."""
        return [*super().command(), *WORDS]


def test_by_hand_python_gives_them() -> None:
    with ByHandWithWords(PROGRAM[len(BEGIN) :]) as program:
        assert argv(program) == ["program.py", *WORDS]


@pytest.mark.parametrize("text", [PROGRAM, SCRIPT, APPLICATION], ids=["fapws3", "fapws4", "wsgi"])
@pytest.mark.parametrize("words", [[], WORDS], ids=["none", "some"])
def test_the_command_gives_what_stands_behind_two_hyphens(text: str, words: list[str]) -> None:
    with WithWords(text, words) as server:
        assert argv(server) == ["app.py", *words]


class WithWords(Server):
    """``fapws -b ... app.py -- words``."""

    def __init__(self, text: str, words: list[str]) -> None:
        super().__init__(text)
        self._own = words

    def command(self) -> list[str]:
        """The words that start it."""
        return [*super().command(), "--", *self._own] if self._own else super().command()


def test_a_module_is_named_as_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION, encoding="utf-8")
    with Server("shop:application", directory=tmp_path) as server:
        assert argv(server) == ["shop"]


@pytest.mark.parametrize("text", [PROGRAM, SCRIPT], ids=["fapws3", "fapws4"])
def test_the_ini_file_gives_args_and_a_reload_gives_new_ones(house: House, text: str) -> None:
    house.write_app(text)
    house.configure(pool="args = --port 1 'two words' \"\"")
    house.start()
    assert seen(house) == ["hello.py", *WORDS]
    house.configure(pool="args = --port 2")
    house.ctl("reload")
    assert seen(house) == ["hello.py", "--port", "2"]
    house.configure()
    house.ctl("reload")
    assert seen(house) == ["hello.py"]
    assert "args = " in house.ctl("dump")
    house.ctl("stop")


def seen(house: House) -> list[str]:
    """What the program of a house finds in sys.argv."""
    now = json.loads(fetch(("127.0.0.1", house.port()), "/argv").text)[1]
    return [Path(now[0]).name, *now[1:]]


def test_a_script_that_is_run_for_its_settings_has_them_too(house: House) -> None:
    house.write_app("import sys\nSERVER = sys.argv[1]\n" + SCRIPT)
    house.ini.write_text(
        f"[fapws]\npidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
        f"[app:hello]\nscript = {house.app}\nargs = 127.0.0.1:0 -v\n",
        encoding="utf-8",
    )
    house.start()
    assert house.status()["pools"][0]["listen"][0].startswith("http://127.0.0.1:")
    assert seen(house) == ["hello.py", "127.0.0.1:0", "-v"]
    house.ctl("stop")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  a  b\n\tc ", ("a", "b", "c")),
        ("''", ("",)),
        ("'a b'\"c d\"e", ("a bc de",)),
        ("a\\ b \\' 'c\\d' \"e\\\"f\\\\g\\h\"", ("a b", "'", "c\\d", 'e"f\\g\\h')),
        ("$HOME *.py `x` # no comment", ("$HOME", "*.py", "`x`", "#", "no", "comment")),
    ],
)
def test_words_are_taken_apart_as_by_a_shell(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words
    assert split_words(quote_words(words)) == words


@pytest.mark.parametrize("text", ["'a", 'a"b', "a\\"])
def test_words_that_do_not_end_are_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match=r"not closed|backslash"):
        split_words(text)


def test_shlex_takes_them_apart_alike() -> None:
    import shlex
    from itertools import product

    for characters in product("a \\'\"", repeat=5):
        text = "".join(characters)
        try:
            wanted = shlex.split(text)
        except ValueError:
            with pytest.raises(ValueError, match=r"not closed|backslash"):
                split_words(text)
        else:
            assert list(split_words(text)) == wanted, repr(text)
