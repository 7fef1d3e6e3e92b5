"""Which folder may use which: checks it, and draws it in docs/architecture.md.

usage: python tools/arrows.py [--check]

--check changes nothing; the exit status is 1 when the page is not what it would be. In any case it is 1 when
a file imports from a room that its own room may not use, and each such line is named.

A *room* is a folder, or files that belong together. Its arrows are the rooms that it may import from. A
*late* arrow holds only for an import inside a function (or for the type checker): what few need is imported
when they need it, and there the direction may be turned round.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pages import write_or_check

TREE = Path(__file__).resolve().parent.parent
PAGE = TREE / "docs" / "architecture.md"
BEGIN, END = "<!-- arrows: begin -->\n", "<!-- arrows: end -->\n"


class Room(NamedTuple):
    """Where files are, and what they may use."""

    places: str
    """Folders (``fapws/wsgi/``) and files, with spaces between; the most exact place counts."""
    arrows: str = ""
    late: str = ""


ROOMS = {
    "ground": Room(
        "fapws/__init__.py fapws/lean.py fapws/messages.py fapws/descriptors.py fapws/visible.py"
        " fapws/reuse_port.py fapws/dates.py fapws/percent.py fapws/stacks.py"
        " fapws/tracebacks.py fapws/outlet.py",
        late="compat embedding",
    ),
    "settings": Room("fapws/settings/", "ground", late="compat"),
    "wsgi": Room("fapws/wsgi/", "ground settings"),
    "worker": Room("fapws/worker/", "ground settings wsgi", late="compat"),
    "basics": Room(
        "supervisor/__init__.py supervisor/errors.py supervisor/json_lines.py supervisor/waiting.py", "ground"
    ),
    "core": Room("supervisor/core/", "ground settings"),
    "listen": Room("supervisor/listen/", "ground settings basics"),
    "logs": Room("supervisor/logs/", "ground settings basics"),
    "process": Room("supervisor/process/", "ground settings worker basics core logs", late="upgrade"),
    "control": Room("supervisor/control/", "ground settings basics core listen process"),
    "monitor": Room("supervisor/monitor/", "ground settings basics core listen process control"),
    "upgrade": Room(
        "supervisor/upgrade/", "ground settings basics core listen process control", late="master"
    ),
    "master": Room(
        "supervisor/", "ground settings basics core listen logs process control upgrade", late="monitor"
    ),
    "compat": Room(
        "fapws/compat/ fapws/base.py fapws/basestr.py fapws/config.py fapws/_evwsgi.py",
        "ground settings wsgi worker basics listen",
        late="upgrade",
    ),
    "cli": Room("fapws/cli/ fapws/__main__.py", "ground settings basics core process control", late="master"),
    "embedding": Room("fapws/embedding/ fapws/testing.py", "ground settings", late="master"),
    "contrib": Room("fapws/contrib/"),
}
"""From the bottom to the top: each room's arrows lead to rooms above it in this table."""


class Import(NamedTuple):
    """One name that a file imports."""

    line: int
    target: str
    """The file or folder, from the top of the tree."""
    late: bool


def room_of(path: str) -> str | None:
    """The room of a file; None: it is in none, the compiled core for instance."""
    found = [
        (len(place), name)
        for name, room in ROOMS.items()
        for place in room.places.split()
        if path == place or (place.endswith("/") and path.startswith(place))
    ]
    return max(found)[1] if found else None


def imports(path: Path) -> Iterator[Import]:
    """What a file imports of the program."""
    file = path.relative_to(TREE).as_posix()
    package = ("fapws/" + file if file.startswith("supervisor/") else file).split("/")[:-1]
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        modules: list[list[str]] = []
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = above + (node.module.split(".") if node.module else [])
            modules = [[*start, alias.name] for alias in node.names]
        for module in modules:
            target = file_of(module)
            if target:
                yield Import(node.lineno, target, node.col_offset > 0)


def file_of(module: list[str]) -> str:
    """The file that holds a module, or a name of one; empty: it is not the program's."""
    if module[0] != "fapws":
        return ""
    parts = module[1:] if module[1:2] == ["supervisor"] else module
    for length in (len(parts), len(parts) - 1):
        place = "/".join(parts[:length])
        for candidate in (f"{place}.py", f"{place}/__init__.py"):
            if (TREE / candidate).is_file():
                return candidate
    return ""


def sources() -> list[Path]:
    """Every Python file of the program; fapws/supervisor is a link and would come twice."""
    found = [*(TREE / "fapws").rglob("*.py"), *(TREE / "supervisor").rglob("*.py")]
    return sorted(path for path in found if "fapws/supervisor" not in path.as_posix())


def upward() -> list[str]:
    """A sentence for each arrow that leads upwards in the table: so it cannot go round in a circle."""
    said = []
    below: list[str] = []
    for name, room in ROOMS.items():
        said += [f"arrows.py: {name} -> {to} leads upwards" for to in room.arrows.split() if to not in below]
        below.append(name)
    return said


def forbidden() -> list[str]:
    """A sentence for each import against the table, and each file that is in no room."""
    said = []
    for path in sources():
        file = path.relative_to(TREE).as_posix()
        room = room_of(file)
        if room is None:
            said.append(f"{file}: is in no room of tools/arrows.py")
            continue
        late = ROOMS[room].late.split()
        for found in imports(path):
            to = room_of(found.target)
            if to not in (None, room, *ROOMS[room].arrows.split(), *(late if found.late else ())):
                how = " at its top" if to in late else ""
                said.append(f"{file}:{found.line}: {room} must not import {to}{how} ({found.target})")
    return said


def picture() -> list[str]:
    """The table as a diagram. What lies on the ground is not drawn: everybody stands on it."""
    lines = ["```mermaid", "flowchart BT"]
    for name, room in ROOMS.items():
        lines += [f"    {name} --> {to}" for to in direct(name)]
        lines += [f"    {name} -.-> {to}" for to in room.late.split()]
    return [*lines, "```"]


def direct(name: str) -> list[str]:
    """The arrows of a room without those that lead by way of another one."""
    arrows = [to for to in ROOMS[name].arrows.split() if to != "ground"]
    return [to for to in arrows if not any(to in reached(by) for by in arrows if by != to)]


def reached(name: str) -> set[str]:
    """Every room to which arrows lead, by whatever way."""
    arrows = set(ROOMS[name].arrows.split())
    return arrows.union(*(reached(to) for to in arrows)) if arrows else arrows


def table() -> list[str]:
    """The table in words."""
    lines = ["| room | where | may import | late |", "|---|---|---|---|"]
    for name, room in ROOMS.items():
        where = ", ".join(f"`{place}`" for place in room.places.split())
        lines.append(f"| **{name}** | {where} | {room.arrows or '-'} | {room.late or '-'} |")
    return lines


def render(page: str) -> str:
    """The page with diagram and table as they are now."""
    text = BEGIN + "\n".join([*picture(), "", *table()]) + "\n" + END
    page, count = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL).subn(lambda _: text, page)
    if count != 1:
        raise SystemExit(f"{PAGE}: the marks of the arrows are not there once")
    return page


def main() -> int:
    said = upward() or forbidden()
    print(*said, sep="\n", end="\n" if said else "")
    if upward():
        return 1
    rendered = render(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, "tools/arrows.py", "tools/arrows.py") or int(bool(said))


if __name__ == "__main__":
    raise SystemExit(main())
