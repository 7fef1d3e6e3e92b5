"""Which folder of csrc/ may include which: checks it, and draws the core in docs/architecture.md.

usage: python tools/core_map.py [--check]

The page has three parts that are made here: the arrows between the folders, from the table below; what each
file is for, from the first sentence of its head comment; a connection's states, from csrc/conn/states.h and
states.c. --check changes nothing; the exit status is 1 when the page is not what it would be. In any case it
is 1 when a file includes what its room may not, or headers include each other in a circle; each such line is
named. tools/arrows.py does the same for Python.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from pages import write_or_check

TREE = Path(__file__).resolve().parent.parent
CORE = TREE / "csrc"
PAGE = TREE / "docs" / "architecture.md"
WHOLE = "worker.h"
"""The header that puts a worker together out of the structs of all rooms."""


class Room(NamedTuple):
    """Where files are, and what they may include."""

    places: str
    """Folders (``http/``) and files of csrc/, with spaces between."""
    arrows: str = ""
    whole: bool = False
    """Its .c files, never its headers, may include worker.h: they move a connection from part to part."""


ROOMS = {
    "surface": Room("fapws.h error.h error.c"),
    "health": Room("health.h health.c", "surface"),
    "base": Room("base/", "surface"),
    "sys": Room("sys/", "surface health base"),
    "http": Room("http/", "surface"),
    "access": Room("access/", "surface base http"),
    "batch": Room("batch/", "surface base http"),
    "static": Room("static/", "surface base sys http"),
    "conn": Room("conn/", "surface base sys http access static", whole=True),
    "response": Room("response/", "surface base sys http access static batch conn", whole=True),
    "worker": Room(
        "worker.h worker.c poll.c", "surface health base sys http access static batch conn response"
    ),
    "python": Room("python/", "surface"),
}
"""From the bottom to the top: each room's arrows lead to rooms above it in this table."""

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
STEP = re.compile(r"\[FW_CONN_(\w+)\] = ((?:TO\(\w+\)[\s|]*)+|0),")
STATE = re.compile(r"^    FW_CONN_(\w+),? +/\* (.+) \*/$", re.MULTILINE)


def files() -> list[str]:
    """Every file of csrc/, by its path from there."""
    found = [path for path in CORE.rglob("*") if path.suffix in (".c", ".h")]
    return sorted(path.relative_to(CORE).as_posix() for path in found)


def room_of(file: str) -> str | None:
    """The room of a file; None: it is in none."""
    for name, room in ROOMS.items():
        for place in room.places.split():
            if file == place or (place.endswith("/") and file.startswith(place)):
                return name
    return None


def includes(file: str) -> list[tuple[int, str]]:
    """Line and path from csrc/ of each file of the core that a file includes."""
    text = (CORE / file).read_text(encoding="utf-8")
    found = []
    for match in INCLUDE.finditer(text):
        beside = (Path(file).parent / match[1]).as_posix()
        target = match[1] if (CORE / match[1]).is_file() else beside
        found.append((text.count("\n", 0, match.start()) + 1, target))
    return found


# ---- What is against the table -----------------------------------------------------------------------------


def upward() -> list[str]:
    """A sentence for each arrow that leads upwards in the table: so it cannot go round in a circle."""
    said = []
    below: list[str] = []
    for name, room in ROOMS.items():
        said += [
            f"core_map.py: {name} -> {to} leads upwards" for to in room.arrows.split() if to not in below
        ]
        below.append(name)
    return said


def forbidden() -> list[str]:
    """A sentence for each include against the table, and each file that is in no room."""
    said = []
    for file in files():
        name = room_of(file)
        if name is None:
            said.append(f"csrc/{file}: is in no room of tools/core_map.py")
            continue
        room = ROOMS[name]
        for line, target in includes(file):
            if target == WHOLE and room.whole and file.endswith(".c"):
                continue
            to = room_of(target)
            if to != name and to not in room.arrows.split():
                said.append(f"csrc/{file}:{line}: {name} must not include {to} ({target})")
    return said


def circles() -> list[str]:
    """A sentence for each header that includes itself by way of others."""
    said = []
    direct = {file: {target for _, target in includes(file)} for file in files() if file.endswith(".h")}
    for file in direct:
        seen: set[str] = set()
        ahead = set(direct[file])
        while ahead:
            one = ahead.pop()
            seen.add(one)
            ahead |= direct.get(one, set()) - seen
        if file in seen:
            said.append(f"csrc/{file}: includes itself by way of others")
    return said


def callers() -> list[str]:
    """A sentence for each head comment that names its file's callers: nothing keeps such a line true."""
    heads = {file: (CORE / file).read_text(encoding="utf-8").partition("*/")[0] for file in files()}
    return [f"csrc/{file}: says who calls it" for file, head in heads.items() if "\n * Called:" in head]


# ---- The page ----------------------------------------------------------------------------------------------


def arrows() -> list[str]:
    """The table as a diagram, without the surface, which every room sees."""
    lines = ["```mermaid", "flowchart BT"]
    for name in ROOMS:
        drawn = [to for to in ROOMS[name].arrows.split() if to != "surface"]
        lines += [f"    {name} --> {to}" for to in drawn if not any(to in reached(by) for by in drawn)]
        lines += [f"    {name} -.-> worker.h"] if ROOMS[name].whole else []
    return [*lines, "    python --> fapws.h", "```"]


def reached(name: str) -> set[str]:
    """Every room to which arrows lead, by whatever way."""
    direct = set(ROOMS[name].arrows.split())
    return direct.union(*(reached(to) for to in direct)) if direct else direct


def purpose(file: str) -> str:
    """The first sentence of a head comment, or of its header's where it points there."""
    head = (CORE / file).read_text(encoding="utf-8").partition("*/")[0]
    text = " ".join(line.strip(" *") for line in head.partition(" -- ")[2].split("\n\n")[0].split("\n"))
    pointed = re.match(r"see (\w+\.h)\.", text)
    if pointed:
        return purpose((Path(file).parent / pointed[1]).as_posix())
    return re.split(r"\.(?: |$)| Owns: ", text)[0].strip().replace("|", "\\|")


def table() -> list[str]:
    """What each file is for; a header with a .c file of its name stands in its line."""
    lines = ["| room | file | what it is for |", "|---|---|---|"]
    for name in ROOMS:
        for file in [file for file in files() if room_of(file) == name]:
            twin = file[:-1] + ("c" if file.endswith(".h") else "h")
            if file.endswith(".c") and (CORE / twin).is_file():
                continue
            links = [one for one in (file, twin) if (CORE / one).is_file()]
            shown = ", ".join(f"[{Path(one).name}](../csrc/{one})" for one in links)
            lines.append(f"| {name} | {shown} | {purpose(links[-1])} |")
    return lines


def states() -> list[str]:
    """The steps of a connection as a diagram, and what each state means."""
    steps = STEP.findall((CORE / "conn" / "states.c").read_text(encoding="utf-8"))
    meanings = STATE.findall((CORE / "conn" / "states.h").read_text(encoding="utf-8"))
    if [state for state, _ in steps] != [state for state, _ in meanings]:
        raise SystemExit("csrc/conn/states.c and states.h do not name the same states")
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> IDLE : accepted"]
    for state, text in steps:
        lines += [f"    {state} --> {to}" for to in re.findall(r"TO\((\w+)\)", text) if to != "CLOSED"]
    lines += ["    LINGERING --> CLOSED", "    CLOSED --> [*] : freed", "```", ""]
    lines += ["Every state but CLOSED may become CLOSED.", "", "| state | meaning |", "|---|---|"]
    return lines + [f"| {state} | {meaning} |" for state, meaning in meanings]


def render(page: str) -> str:
    """The page with its three parts as they are now."""
    for mark, lines in (("core-arrows", arrows()), ("core-files", table()), ("core-states", states())):
        begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
        text = begin + "\n".join(lines) + "\n" + end
        between = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        page, count = between.subn(lambda _, text=text: text, page)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{PAGE}: the marks of {mark} are not there once")
    return page


def main() -> int:
    said = upward() or forbidden() + circles() + callers()
    print(*said, sep="\n", end="\n" if said else "")
    rendered = render(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, "csrc/", "tools/core_map.py") or int(bool(said))


if __name__ == "__main__":
    raise SystemExit(main())
