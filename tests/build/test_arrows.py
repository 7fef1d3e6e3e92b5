"""Which room may import which: the program keeps to the table, and a line against it is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import TREE


def check(tree: Path) -> tuple[int, list[str]]:
    """Exit status and complaints of the tool in a tree."""
    command = [sys.executable, "-B", "tools/arrows.py", "--check"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the tool looks at, to be spoilt."""
    python = shutil.ignore_patterns("*.so", "__pycache__", "supervisor")
    shutil.copytree(TREE / "fapws", tmp_path / "fapws", ignore=python)
    shutil.copytree((TREE / "fapws" / "supervisor").resolve(), tmp_path / "supervisor", ignore=python)
    for name in ("tools/arrows.py", "tools/pages.py", "docs/architecture.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(TREE / name, tmp_path / name)
    return tmp_path


def test_a_copy_is_as_good(copy: Path) -> None:
    assert check(copy) == (0, [])


def test_the_program_keeps_to_the_table() -> None:
    assert check(TREE) == (0, [])


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("fapws/wsgi/stream.py", "from fapws.worker import life", "wsgi must not import worker"),
        (
            "supervisor/core/decide.py",
            "from ..process.workers import Workers",
            "core must not import process",
        ),
        ("supervisor/core/decide.py", "from .. import master", "core must not import master"),
        ("fapws/settings/build.py", "import fapws.supervisor.master", "settings must not import master"),
        ("fapws/settings/build.py", "from fapws.compat import script", "must not import compat at its top"),
        ("fapws/lean.py", "def f():\n    from fapws.settings import ini", "ground must not import settings"),
    ],
)
def test_a_line_that_is_turned_round_is_found(copy: Path, file: str, line: str, complaint: str) -> None:
    with open(copy / file, "a") as source:
        source.write(f"\n\n{line}\n")
    status, said = check(copy)
    assert status == 1
    assert len(said) == 1
    assert said[0].startswith(f"{file}:")
    assert complaint in said[0]


def test_a_file_that_is_in_no_room_is_found(copy: Path) -> None:
    stray = copy / "fapws" / "stray.py"
    stray.write_text("")
    assert check(copy) == (1, [f"{stray.relative_to(copy)}: is in no room of tools/arrows.py"])


def test_a_table_that_goes_round_in_a_circle_is_found(copy: Path) -> None:
    tool = copy / "tools" / "arrows.py"
    tool.write_text(
        tool.read_text().replace('"fapws/wsgi/", "ground settings"', '"fapws/wsgi/", "ground worker"')
    )
    _, said = check(copy)
    assert "arrows.py: wsgi -> worker leads upwards" in said


def test_the_picture_in_the_documentation_is_this_table(copy: Path) -> None:
    page = copy / "docs" / "architecture.md"
    page.write_text(page.read_text().replace("    wsgi --> settings\n", ""))
    status, said = check(copy)
    assert status == 1
    assert said[0].endswith("not what tools/arrows.py says; run tools/arrows.py")
