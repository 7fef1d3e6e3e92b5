"""docs/from-fapws3-and-fapws4.md: its programs run, and what it names is there."""

from __future__ import annotations

import importlib
import re

import pytest
from support.raw import fetch
from support.server import ROOT, Server

PAGE = (ROOT / "docs" / "from-fapws3-and-fapws4.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = [
    block
    for block in re.findall(r"```python\n(.*?)```", README + PAGE, re.DOTALL)
    if "PATHS" in block or "evwsgi.run()" in block
]
ROWS = [row.partition("|")[0] for row in PAGE.split("## What stands where")[1].split("\n| ")]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_its_programs_run_as_they_stand(program: str) -> None:
    with Server(program) as server:
        assert fetch(server.address, "/hello").text == "Hello world!!"


def test_readme_and_page_have_a_program_each() -> None:
    assert len(PROGRAMS) >= 3


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", PAGE))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).exists()
    assert "docs/from-fapws3-and-fapws4.md" in README


@pytest.mark.parametrize(
    ("module", "rows"),
    [
        ("fapws._evwsgi", ["`fapws._evwsgi`", "`add_timer`", "`defer`", "`parse_query`", "`libev_version`"]),
        ("fapws.base", ["`fapws.base`"]),
        ("fapws.config", ["`fapws.config`"]),
    ],
)
def test_the_names_in_its_table_exist(module: str, rows: list[str]) -> None:
    found = importlib.import_module(module)
    told = [row for row in ROWS if row.startswith(tuple(rows))]
    assert len(told) == len(rows)
    names = re.findall(r"`(\w+)`", "".join(told))
    assert [name for name in names if not hasattr(found, name)] == []


def test_the_modules_of_contrib_in_its_table_exist() -> None:
    row = next(row for row in ROWS if "contrib.headers" in row)
    for name in [*re.findall(r"`(\w+)`", row), "headers", "sessions"]:
        importlib.import_module(f"fapws.contrib.{name}")
