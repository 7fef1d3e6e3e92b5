"""Formats of the access log: what they are compiled to, and what is wrong with some."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fapws.settings import access_format
from fapws.settings.access_format import COMBINED, JSON, VARIABLES, compile_format

Part = tuple[str, str, bytes]


def parts(program: bytes) -> list[Part]:
    """A program taken apart again."""
    found: list[Part] = []
    while program:
        size = int.from_bytes(program[2:4], "big")
        found.append((chr(program[0]), chr(program[1]), program[4 : 4 + size]))
        program = program[4 + size :]
    return found


def test_where_a_variable_stands_says_how_it_is_made_harmless() -> None:
    assert parts(compile_format('$remote_addr "$request" ${status}0 $http_user_agent')) == [
        ("a", "n", b""),
        ("L", "q", b' "'),
        ("r", "q", b""),
        ("L", "q", b'" '),
        ("s", "n", b""),
        ("L", "q", b"0 "),
        ("F", "n", b"user-agent"),
    ]
    assert [how for _, how, _ in parts(compile_format('{"a":"$host","b":$status}'))][1::2] == ["j", "j"]


def test_alias_and_field_are_one() -> None:
    assert compile_format('"$forwarded_for"') == compile_format('"$http_X_Forwarded_For"')


def test_prefix_stands_before_everything() -> None:
    assert parts(compile_format("$pid", b"<134>fapws: "))[0] == ("L", "q", b"<134>fapws: ")


def test_named_formats_are_what_they_are_called() -> None:
    assert compile_format("combined") == compile_format(COMBINED)
    filled = re.sub(r"\$\w+", "1", JSON)
    assert set(json.loads(filled)) >= {"time", "remote_addr", "status", "completion"}
    assert [how for what, how, _ in parts(compile_format("json")) if what != "L"] == ["j"] * 15


def test_letters_are_those_of_the_core() -> None:
    source = (Path(__file__).parents[2] / "csrc" / "access" / "line.c").read_text()
    cases = set(re.findall(r"case '(\w)':", source))
    assert cases == {letter.decode() for letter in VARIABLES.values()} | {"L", "F", "U"}
    known = re.search(r'letters\[\] = "(\w+)"', core_letters())
    assert known is not None
    assert set(known[1]) == cases


def core_letters() -> str:
    return (Path(__file__).parents[2] / "csrc" / "access" / "log.c").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no variable"),
        ("plain", "has no variable"),
        ("$nothing", r"\$nothing is no variable; known are \$client_addr"),
        ("$http_", "is no variable"),
        ("cost: $ 5", r"has a \$ without the name"),
        ("${status", r"has a \$\{ without its }"),
        ("${http_a b}", "is no variable"),
        ('{"a":$host}', r"\$host must stand within quotes in JSON"),
        ("$status\t", "must be one line"),
        ("$status" + "x" * 5000, "at most 4096"),
        ("$status " * 100, "too many parts"),
        (" ".join(f"$http_x{number}" for number in range(33)), "32 header fields"),
    ],
)
def test_mistakes_are_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_format(text)


def test_log_targets() -> None:
    from fapws.settings.options import POOL_OPTIONS, parse

    option = POOL_OPTIONS["access_log"]
    assert parse(option, "off", "/") == "off"
    assert parse(option, "syslog", "/") == "syslog:daemon"
    assert parse(option, "tmp/x", "/") == "/tmp/x"
    for bad in ("", "syslog:kern", "/nowhere/at/all/x"):
        with pytest.raises(ValueError):
            parse(option, bad, "/")
    assert access_format.NAMED.keys() == {"combined", "json"}
