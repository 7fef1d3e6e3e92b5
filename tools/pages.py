"""How a page that a program writes is kept current."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(page: Path, rendered: str, source: str, tool: str) -> int:
    """Writes the page; with --check only says whether it is what it would be. The exit status."""
    if "--check" not in sys.argv[1:]:
        page.write_text(rendered, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != rendered:
        print(f"{page}: not what {source} says; run {tool}")
        return 1
    return 0
