"""Files that a program writes are what it would write now; one that is not is found, named and mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import TREE, clean_environment, copy_tree, run

GENERATORS = sorted(
    path.name
    for path in (TREE / "tools").glob("*.py")
    if "write_or_check(" in path.read_text() and path.name not in ("pages.py", "generated.py")
)


def check(tree: Path, program: str = "generated.py") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"tools/{program}", "--check"],
        cwd=tree,
        env=clean_environment(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("program", GENERATORS)
def test_what_it_writes_is_current(program: str) -> None:
    done = check(TREE, program)
    assert done.returncode == 0, done.stdout


def test_stale_files_are_named_and_made_again(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    assert check(tree).returncode == 0
    stale = [tree / "docs" / "refusals.md", tree / "docs" / "fapws.ini.5", tree / "conf" / "fapws.ini"]
    for page in stale:
        text = page.read_text()
        assert "413" in text or "max_uri" in text
        page.write_text(text.replace("413", "414").replace("max_uri", "max_url"))
    done = check(tree)
    assert done.returncode == 1
    assert all(page.name in done.stdout for page in stale), done.stdout
    run("make", "generated", cwd=tree, PYTHONDONTWRITEBYTECODE="1", PATH=path_with_this_python(tmp_path))
    assert check(tree).returncode == 0


def path_with_this_python(folder: Path) -> str:
    """A PATH whose first python3 is the one that runs this test."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "python3"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{clean_environment()['PATH']}"
