"""The tables of docs/from-gunicorn.md, from-uwsgi.md and from-unit.md, from those that translate uses.

usage: python tools/translations.py [--check]

--check changes nothing; the exit status is 1 when a page is not what it would be.
"""

from __future__ import annotations

import re
from pathlib import Path

from pages import write_or_check

from fapws.cli.translate import gunicorn, unit_rows, uwsgi_rows
from fapws.cli.translate.rows import ALWAYS, Row

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
PAGES = {
    "from-gunicorn.md": ("gunicorn", gunicorn.ROWS),
    "from-uwsgi.md": ("uWSGI", uwsgi_rows.ROWS),
    "from-unit.md": ("Unit", unit_rows.ROWS),
}


def line(row: Row) -> str:
    """A row of the table."""
    names = ", ".join(f"`{name.replace('*.', '')}`" for name in row.names.split())
    option = (
        f"`{row.option}`" if row.option not in ("", ALWAYS) else {"": "none"}.get(row.option, "(always so)")
    )
    return f"| {names} | {option} | {row.told.replace('|', '&#124;')} |".replace("  ", " ")


def table(server: str, rows: tuple[Row, ...]) -> str:
    """All of it."""
    return "\n".join([f"| {server} | Fapws | |", "|---|---|---|", *map(line, rows)]) + "\n"


def main() -> int:
    status = 0
    for name, (server, rows) in PAGES.items():
        page = DOCS / name
        text = page.read_text(encoding="utf-8")
        made = BEGIN + table(server, rows) + END
        between = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
        text, count = between.subn(lambda _found, made=made: made, text)
        if count != 1:
            raise SystemExit(f"{page}: the marks of the table are not there once")
        status |= write_or_check(page, text, "fapws/cli/translate", "tools/translations.py")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
