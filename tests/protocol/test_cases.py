"""Plays every tests/protocol/*.case whole, byte by byte and split at a random place (README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cases import MODES, Case, load, pieces, play, unescape
from support.server import Server

CASES = [case for path in sorted(Path(__file__).parent.glob("*.case")) for case in load(path)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(case: Case, mode: str, echo: Server) -> None:
    play(case, mode, echo.address)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 200


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_escapes() -> None:
    assert unescape(r"a\r\n\t\0\\\xff\(ab*3)") == "a\r\n\t\0\\\xffababab"
    with pytest.raises(ValueError, match="unknown escape"):
        unescape(r"\q")


def test_pieces_are_the_whole() -> None:
    data = bytes(range(256)) * 20
    for mode in MODES:
        assert b"".join(pieces(data, mode, "seed")) == data
    assert len(list(pieces(b"abc", "bytes", ""))) == 3
    assert len(list(pieces(b"abc", "split", ""))) == 2
