"""docs/refusals.md is the table of csrc/error.h, and what stands in it is what the core says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.tree import TREE, clean_environment

from fapws import _core

ffi, lib = _core.ffi, _core.lib
PAGE = TREE / "docs" / "refusals.md"
ROW = re.compile(r"\| `(\w+)` \| (\d{3}) \| ([^|]+) \| \[(?:RFC|PROXY) [\d. ]+\]\(https://[^)]+\) \|")


def rows() -> list[tuple[str, str, str]]:
    return [(row[1], row[2], row[3]) for row in map(ROW.fullmatch, PAGE.read_text().splitlines()) if row]


def test_it_names_each_refusal_of_the_compiled_core_and_no_other() -> None:
    compiled = [
        tuple(ffi.string(text).decode() for text in (lib.fw_error_name(code), lib.fw_error_text(code)))
        for code in range(-1, -1000, -1)
        if lib.fw_error_status(code)
    ]
    assert sorted(compiled) == sorted((token, text) for token, _, text in rows())
    assert len(compiled) > 20


def test_a_row_without_a_source_is_an_error() -> None:
    program = "import sys, refusals; refusals.render(sys.stdin.read())"
    for last in ('"a", ""', '"a"', '"a", "see above"'):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=TREE / "tools",
            env=clean_environment(),
            input=f'X(FW_ENEW, -99, 400, "new", {last})',
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1, last
        assert "ValueError" in done.stderr


@pytest.mark.parametrize("word", ["text", "source"])
def test_a_text_in_pieces_is_read_whole(word: str) -> None:
    header = 'X(FW_ENEW, -99, 400, "new", \\\n  "a text " \\\n  "and more", \\\n "RFC 9112 2.2")'
    program = f"import sys, refusals; print(refusals.rows(sys.stdin.read())[0].{word})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TREE / "tools",
        env=clean_environment(),
        input=header,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == {"text": "a text and more", "source": "RFC 9112 2.2"}[word]
