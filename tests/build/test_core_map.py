"""Which folder of csrc/ may include which: the core keeps to the table, and a line against it is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import TREE


def check(tree: Path) -> tuple[int, list[str]]:
    """Exit status and complaints of the tool in a tree."""
    command = [sys.executable, "-B", "tools/core_map.py", "--check"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the tool looks at, to be spoilt."""
    shutil.copytree(TREE / "csrc", tmp_path / "csrc")
    for name in ("tools/core_map.py", "tools/pages.py", "docs/architecture.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(TREE / name, tmp_path / name)
    return tmp_path


def test_the_core_keeps_to_the_table_and_the_page_is_current() -> None:
    assert check(TREE) == (0, [])


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("http/parser.c", "conn/conn.h", "http must not include conn"),
        ("http/date.h", "base/buffer.h", "http must not include base"),
        ("sys/sockets.c", "worker.h", "sys must not include worker"),
        ("batch/batch.c", "conn/content.h", "batch must not include conn"),
        ("conn/conn.c", "response/response.h", "conn must not include response"),
        ("conn/table.h", "worker.h", "conn must not include worker"),
        ("python/records.c", "worker.h", "python must not include worker"),
    ],
)
def test_a_line_that_is_turned_round_is_found(copy: Path, file: str, line: str, complaint: str) -> None:
    assert check(copy) == (0, [])
    source = copy / "csrc" / file
    source.write_text(source.read_text() + f'#include "{line}"\n')
    status, said = check(copy)
    assert status == 1
    assert said[0].startswith(f"csrc/{file}:")
    assert said[0].endswith(f": {complaint} ({line})")


def test_headers_that_include_each_other_are_found(copy: Path) -> None:
    table = copy / "csrc" / "conn" / "table.h"
    table.write_text(table.read_text() + '#include "conn/conn.h"\n')
    assert check(copy) == (0, [])
    accepting = copy / "csrc" / "conn" / "accepting.h"
    accepting.write_text(accepting.read_text() + '#include "conn/table.h"\n')
    status, said = check(copy)
    assert status == 1
    assert "csrc/conn/table.h: includes itself by way of others" in said


def test_a_file_in_no_room_and_an_arrow_upwards_are_found(copy: Path) -> None:
    (copy / "csrc" / "stray.c").write_text("/* stray.c -- nowhere. */\n")
    assert check(copy) == (1, ["csrc/stray.c: is in no room of tools/core_map.py"])
    tool = copy / "tools" / "core_map.py"
    text = tool.read_text()
    room = 'Room("batch/", "surface base http'
    tool.write_text(text.replace(f'{room}")', f'{room} conn")'))
    status, said = check(copy)
    assert status == 1
    assert said[0] == "core_map.py: batch -> conn leads upwards"


def test_a_head_comment_that_names_its_callers_is_found(copy: Path) -> None:
    source = copy / "csrc" / "conn" / "outgoing.c"
    source.write_text(source.read_text().replace("\n * Owns:", "\n * Called: conn.c.\n * Owns:", 1))
    assert check(copy) == (1, ["csrc/conn/outgoing.c: says who calls it"])


def test_a_step_that_is_added_makes_the_page_stale(copy: Path) -> None:
    states = copy / "csrc" / "conn" / "states.c"
    states.write_text(states.read_text().replace("= TO(CLOSED),", "= TO(IDLE) | TO(CLOSED),", 1))
    status, said = check(copy)
    assert status == 1
    assert said[0].endswith("not what csrc/ says; run tools/core_map.py")
