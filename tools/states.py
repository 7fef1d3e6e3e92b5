"""Writes the diagrams and tables of states in docs/architecture.md from the tables that rule.

usage: python tools/states.py [--check]

--check changes nothing; it exits with 1 when the page is not what it would be.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from pages import write_or_check

from fapws.supervisor.core import canary_rules, drain_rules, upgrade_rules, worker_states, zygote_rules

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
SOURCES = "supervisor/core/worker_states.py and {drain,canary,upgrade,zygote}_rules.py beside it"
Cell = worker_states.Cell
NOTHING = worker_states.NOTHING


def edges(states: ModuleType) -> list[str]:
    """What leads from one state into another, happenings with the same effect on one line."""
    lines = []
    for state in states.STATES:
        effects: dict[Cell, list[str]] = {}
        for happening in states.HAPPENINGS:
            cell = states.TABLE[state][happening]
            if cell != Cell(state):
                effects.setdefault(cell, []).append(happening)
        for cell, happenings in effects.items():
            order = "" if cell.order == NOTHING else f" / {cell.order}"
            label = f"{', '.join(happenings)}{order}"
            lines.append(f"    {name(state)} --> {name(cell.state)} : {label}")
    return lines


def name(state: str) -> str:
    return state.replace("-", "_")


def table(states: ModuleType) -> list[str]:
    """Every cell."""
    lines = ["| | " + " | ".join(states.HAPPENINGS) + " |", "|---" * (len(states.HAPPENINGS) + 1) + "|"]
    for state in states.STATES:
        cells = []
        for happening in states.HAPPENINGS:
            cell = states.TABLE[state][happening]
            order = "" if cell.order == NOTHING else f", {cell.order}"
            cells.append("-" if cell == Cell(state) else f"{cell.state}{order}")
        lines.append(f"| **{state}** | " + " | ".join(cells) + " |")
    return lines


def replaced(page: str, mark: str, states: ModuleType, first: str, last: str) -> str:
    """The page with the diagram and the table between two marks as they are now."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    diagram = ["```mermaid", "stateDiagram-v2", *([first] if first else []), *edges(states), last, "```"]
    text = begin + "\n".join([*diagram, "", *table(states)]) + "\n" + end
    page, count = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL).subn(lambda _: text, page)
    if count != 1:
        raise SystemExit(f"{PAGE}: the marks of {mark} are not there once")
    return page


def render(page: str) -> str:
    """The page as it is to be."""
    born, gone = name(worker_states.STARTING), name(worker_states.GONE)
    waiting = name(worker_states.WAITING)
    starts = f"    [*] --> {born} : start\n    [*] --> {waiting} : start, preload"
    page = replaced(page, "states", worker_states, starts, f"    {gone} --> [*]")
    booting, gone = name(zygote_rules.BOOTING), name(zygote_rules.GONE)
    page = replaced(page, "zygote", zygote_rules, f"    [*] --> {booting} : start", f"    {gone} --> [*]")
    ready, leaving = name(drain_rules.READY), name(drain_rules.LEAVING)
    page = replaced(page, "drain", drain_rules, f"    [*] --> {ready}", f"    {leaving} --> [*]")
    booting, proved = name(canary_rules.BOOTING), name(canary_rules.PROVED)
    page = replaced(page, "canary", canary_rules, f"    [*] --> {booting} : start", f"    {proved} --> [*]")
    return replaced(
        page, "upgrade", upgrade_rules, "", f"    {name(upgrade_rules.LEAPING)} --> [*] : the new code"
    )


def main() -> int:
    rendered = render(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, SOURCES, "tools/states.py")


if __name__ == "__main__":
    raise SystemExit(main())
