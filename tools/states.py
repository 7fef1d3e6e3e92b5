"""Writes the diagram and the table of worker states in docs/architecture.md from the table that rules.

usage: python tools/states.py [--check]

--check changes nothing; it exits with 1 when the page is not what it would be.
"""

from __future__ import annotations

import re
from pathlib import Path

from pages import write_or_check

from fapws.supervisor.core import worker_states as states

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
BEGIN, END = "<!-- states: begin -->\n", "<!-- states: end -->\n"


def edges() -> list[str]:
    """What leads from one state into another, happenings with the same effect on one line."""
    lines = []
    for state in states.STATES:
        effects: dict[states.Cell, list[str]] = {}
        for happening in states.HAPPENINGS:
            cell = states.TABLE[state][happening]
            if cell != states.Cell(state):
                effects.setdefault(cell, []).append(happening)
        for cell, happenings in effects.items():
            order = "" if cell.order == states.NOTHING else f" / {cell.order}"
            label = f"{', '.join(happenings)}{order}"
            lines.append(f"    {name(state)} --> {name(cell.state)} : {label}")
    return lines


def name(state: str) -> str:
    return state.replace("-", "_")


def table() -> list[str]:
    """Every cell."""
    lines = ["| | " + " | ".join(states.HAPPENINGS) + " |", "|---" * (len(states.HAPPENINGS) + 1) + "|"]
    for state in states.STATES:
        cells = []
        for happening in states.HAPPENINGS:
            cell = states.TABLE[state][happening]
            order = "" if cell.order == states.NOTHING else f", {cell.order}"
            cells.append("-" if cell == states.Cell(state) else f"{cell.state}{order}")
        lines.append(f"| **{state}** | " + " | ".join(cells) + " |")
    return lines


def render(page: str) -> str:
    """The page with diagram and table as they are now."""
    diagram = ["```mermaid", "stateDiagram-v2", f"    [*] --> {name(states.STARTING)} : start"]
    diagram += [*edges(), f"    {name(states.GONE)} --> [*]", "```"]
    text = BEGIN + "\n".join([*diagram, "", *table()]) + "\n" + END
    place = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    page, count = place.subn(lambda _: text, page)
    if count != 1:
        raise SystemExit(f"{PAGE}: the marks are not there once")
    return page


def main() -> int:
    rendered = render(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, "supervisor/core/worker_states.py", "tools/states.py")


if __name__ == "__main__":
    raise SystemExit(main())
