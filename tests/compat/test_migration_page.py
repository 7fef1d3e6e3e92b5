"""docs/from-fapws3-and-fapws4.md and programs.md: their programs run, and what is named there exists."""

from __future__ import annotations

import importlib
import re

import pytest
from support.raw import fetch
from support.server import ROOT, Server

PAGE = (ROOT / "docs" / "from-fapws3-and-fapws4.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = [
    block
    for block in re.findall(r"```python\n(.*?)```", README + PAGE + REFERENCE, re.DOTALL)
    if "PATHS" in block or "evwsgi.run()" in block
]
ROWS = [row.partition("|")[0] for row in PAGE.split("## What stands where")[1].split("\n| ")]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_its_programs_run_as_they_stand(program: str) -> None:
    with Server(program) as server:
        assert fetch(server.address, "/hello").text == "Hello world!!"


def test_readme_and_pages_have_their_programs() -> None:
    assert len(PROGRAMS) >= 5


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


def test_the_reference_names_every_function_of_evwsgi() -> None:
    section = REFERENCE.split("## A program with fapws._evwsgi")[1].split("\n## ")[0]
    told = set(re.findall(r"`(\w+)\(", section))
    found = importlib.import_module("fapws._evwsgi")
    assert [name for name in sorted(told) if not callable(getattr(found, name, None))] == []
    public = {name for name, value in vars(found).items() if name[0] != "_" and callable(value)}
    ours = {
        name for name in public if getattr(found, name).__module__ in (found.__name__, "fapws.compat.query")
    }
    assert ours - told == {"error"}
