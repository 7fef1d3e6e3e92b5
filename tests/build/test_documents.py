"""Whatever file of the tree a text names is there: documents, sources, tests, and links between pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tree import TREE

from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS
from fapws.settings.scan import scan

FOLDERS = ("csrc", "fapws", "supervisor", "tests", "tools", "conf", "docs", ".ci")
TEXTS = (
    ".c",
    ".h",
    ".py",
    ".sh",
    ".md",
    ".case",
    ".ini",
    ".toml",
    ".in",
    ".txt",
    ".service",
    ".1",
    ".5",
    ".8",
)
PATH = re.compile(
    r"(?<![\w/.$}*-])(?:csrc|fapws|supervisor|tests|tools|conf|docs)/[\w./-]*[\w-]"
    r"\.(?:py|c|h|md|sh|ini|case|js|css|service|bash|ksh|svg|png|[1-9])(?![\w/*{<-])"
)
"""A file by its place in the tree."""
PAGE = re.compile(r"(?<![\w/.$}*:-])[\w./-]*[\w-]\.md(?!\w)")
"""A document, perhaps by its name alone."""
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
EXAMPLES = {
    "fapws/_core.c": "is made by a build",
    "conf/x.ini": "stands for any file, in a docstring",
    "tests/supervisor/unit/test_MODULE.py": "stands for any file, in HACKING.md",
    "csrc/stray.c": "is made by a test",
    "tests/soak/NAME.py": "stands for any file, in a usage",
}
THIS = Path(__file__).resolve()


def texts() -> Iterator[Path]:
    """Every text of the tree that somebody wrote."""
    yield from (path for path in TREE.iterdir() if path.is_file() and is_text(path))
    for folder in FOLDERS:
        for path in (TREE / folder).rglob("*"):
            hidden = {"__pycache__", "rc"}.intersection(path.parts)
            if path.is_file() and not hidden and path.name != "_core.c" and is_text(path):
                yield path


def is_text(path: Path) -> bool:
    return path.suffix in TEXTS or path.name in ("Makefile", "run")


def names_in(text: str) -> list[str]:
    return sorted({*PATH.findall(text), *PAGE.findall(text)})


def is_there(name: str, beside: Path) -> bool:
    # A source distribution has the supervisor as fapws/supervisor only.
    folders = (
        TREE,
        beside.parent,
        TREE / "docs",
        *([TREE / "fapws"] if name.startswith("supervisor/") else []),
    )
    return any((folder / name).exists() for folder in folders)


def test_a_file_that_is_named_exists() -> None:
    found = list(texts())
    assert len(found) > 300, "the tree is looked at"
    missing = [
        f"{path.relative_to(TREE)}: {name}"
        for path in found
        if path.resolve() != THIS
        for name in names_in(path.read_text(encoding="utf-8"))
        if name not in EXAMPLES and not is_there(name, path)
    ]
    assert missing == []


PAGES = sorted([*TREE.glob("*.md"), *(TREE / "docs").glob("*.md"), *(TREE / "tests").rglob("*.md")])


def heading_anchor(heading: str) -> str:
    """The name that a heading of Markdown gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TREE)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in map(heading_anchor, headings), f"{name}#{anchor}"


def test_the_page_on_fleets_tells_of_every_file_of_theirs() -> None:
    page = (TREE / "docs" / "fleet.md").read_text(encoding="utf-8")
    files = {path.name for path in (TREE / "conf" / "cluster").iterdir()}
    assert {name for name in files if f"`{name}`" in page or f"/{name}`" in page} == files


def test_a_name_of_nothing_is_noticed(tmp_path: Path) -> None:
    text = "see docs/nowhere.md, csrc/none.c and NOWHERE.md; not https://x.org/docs/far.md"
    assert names_in(text) == ["NOWHERE.md", "csrc/none.c", "docs/nowhere.md"]
    assert not is_there("csrc/none.c", tmp_path / "page.md")


def map_of_the_tree() -> Iterator[tuple[Path, str]]:
    """Each folder of HACKING.md's map, with what is said about it."""
    text = (TREE / "HACKING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## The map$.*?^```\n(.*?)^```", text, re.M | re.S)
    top = place = TREE
    for line in block.splitlines():
        match = re.match(r"( {0,2})([\w.]+/)? *(.*)", line)
        assert match is not None
        if match[2]:
            top = TREE / match[2] if not match[1] else top
            place = top / match[2] if match[1] else top
        elif re.match(r" {2}\S", line):
            place = top
        yield place, line


def test_the_map_of_the_tree_has_every_folder_and_names_what_is_there() -> None:
    mapped = list(map_of_the_tree())
    folders = {place for place, _ in mapped}
    for top in ("csrc", "fapws", "supervisor"):
        inside = {path for path in (TREE / top).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert inside - folders - {TREE / "fapws" / "supervisor"} == set()
    missing = [
        f"{place.relative_to(TREE)}: {name}"
        for place, line in mapped
        for name in re.findall(r"(?<![\w/])\w+\.(?:c|h|py|ini)\b", line)
        if not (place / name).exists()
    ]
    assert missing == []


def test_the_page_on_mod_wsgi_names_options_that_exist() -> None:
    page = (TREE / "docs" / "from-mod_wsgi.md").read_text(encoding="utf-8")
    known = {**MASTER_OPTIONS, **POOL_OPTIONS}
    rows = re.findall(r"(?m)^\| `[^|]*\|([^|]*)\|([^|]*)\|$", page)
    assert len(rows) > 20
    for option, told in rows:
        named = re.findall(r"`(\w+)`", option) + re.findall(r"`(\w+) = ", told)
        assert named or option.strip() in ("none", "(always so)", "`[app:NAME]`"), option
        assert set(named) <= set(known), (option, told)
    ini = re.search(r"(?ms)^```ini\n(.*?)^```", page)
    assert ini
    found = scan(ini[1].encode(), "page")
    assert [one.name for one in found.sections] == ["fapws", "app:shop"]
    for section, options in zip(found.sections, (MASTER_OPTIONS, POOL_OPTIONS)):
        assert {entry.key for entry in section.entries} <= set(options)
