"""The manual pages: their option lists agree with the table, and mandoc finds nothing."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from support.tree import TREE, clean_environment

PAGES = sorted(path.name for path in (TREE / "docs").glob("*.[1-9]"))


def test_there_is_a_page_for_each_program_and_the_configuration() -> None:
    assert {"fapws.8", "fapwsctl.8", "fapws.ini.5"} <= set(PAGES)


@pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="mandoc is not installed: runs where it is, and in CI"
)
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_nothing_to_say(page: str) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", f"docs/{page}"],
        cwd=TREE,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
