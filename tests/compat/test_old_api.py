"""docs/old-api.md: each program responds as the page says, in each of the forms in which programs run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from support.house import House
from support.program import Program
from support.raw import fetch
from support.server import ROOT, Address, Server

PAGE = (ROOT / "docs" / "old-api.md").read_text(encoding="utf-8")
MIGRATION = (ROOT / "docs" / "from-fapws3-and-fapws4.md").read_text(encoding="utf-8")
SECONDS = 20.0
"""For what comes after a while, such as the third tick of a timer."""
FORM = "Content-Type: application/x-www-form-urlencoded"
ASKED = re.compile(
    r"(?P<method>[A-Z]+) (?P<target>\S+)(?: (?P<content>\S+))? +(?P<status>\d{3})(?: (?P<text>.*))?"
)
BLOCKS = re.findall(r"^## (.+?)\n+```python\n(.*?)```\n+```\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
OLD = [(title, text, asked) for title, text, asked in BLOCKS if "evwsgi.run()" in text]


def each(blocks: list[tuple[str, str, str]]) -> pytest.MarkDecorator:
    """A test for each of these blocks."""
    ids = [title.split(":")[0] for title, *_ in blocks]
    return pytest.mark.parametrize(("title", "text", "asked"), blocks, ids=ids)


def check(address: Address, asked: str) -> None:
    """Asks what a page's block asks, in its order."""
    lines = asked.splitlines()
    assert lines
    for line in lines:
        match = ASKED.fullmatch(line)
        assert match is not None, line
        content = (match["content"] or "").encode().decode("unicode_escape").encode("latin-1")
        fields = [FORM] if content else []
        wanted = (int(match["status"]), match["text"] or "")
        deadline = time.monotonic() + SECONDS
        while True:
            answer = fetch(address, match["target"], *fields, method=match["method"], body=content)
            text = answer.body.decode().strip()
            told = wanted[1].removesuffix("...")
            fits = text.startswith(told) if wanted[1].endswith("...") else text == told
            if answer.status == wanted[0] and fits:
                break
            assert time.monotonic() < deadline, f"{line}\nbut it is {answer.status} {text}"
            time.sleep(0.02)


def test_every_section_has_a_program_and_what_it_responds_with() -> None:
    assert len(BLOCKS) == PAGE.count("\n## ") == PAGE.count("```python") >= 6


@each(OLD)
def test_by_hand(title: str, text: str, asked: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    start = 'evwsgi.start("0.0.0.0", "8080")'
    assert text.count(start) == 1
    program.write_text(text.replace(start, 'evwsgi.start("127.0.0.1", "0")'), encoding="utf-8")
    with Program(program, directory=tmp_path) as server:
        check(server.address, asked)


@each(BLOCKS)
def test_under_the_master(title: str, text: str, asked: str) -> None:
    with Server(text) as server:
        check(server.address, asked)


@each(BLOCKS)
def test_from_an_ini_file_with_a_reload(title: str, text: str, asked: str, house: House) -> None:
    house.write_app(text)
    house.configure()
    house.start()
    for _ in range(2):
        check(("127.0.0.1", house.port()), asked)
        house.ctl("reload")
    house.ctl("stop")


def test_every_name_of_the_migration_page_is_shown_here() -> None:
    table = MIGRATION.split("## What stands where")[1].split("\n## ")[0].partition("|---")[2]
    names = {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", table)}
    names -= {"_evwsgi", "base", "config", "LIBEV_FLAGS", "django_handler"}
    programs = "".join(text for _, text, _ in BLOCKS)
    assert [name for name in sorted(names) if name not in programs] == []
