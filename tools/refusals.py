"""Writes docs/refusals.md, the table of the responses that the core makes itself, from csrc/error.h.

usage: python tools/refusals.py [--check]

--check changes nothing; it exits with 1 and names the page when the page is not what it would be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from pages import write_or_check

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "csrc" / "error.h"
PAGE = ROOT / "docs" / "refusals.md"

HEAD = """\
# Requests that Fapws refuses

The core itself responds to these requests, before the application sees anything. The connection ends with
such a response, for nobody can tell where a next request would begin. Each has a token that stays the
same from release to release: with `debug = 1` the error log names it, with the client's address and the
bytes in question. The content of the response is the sentence.

| token | status | sentence | source |
|---|---|---|---|
"""
TAIL = """
A connection that is idle between two requests for longer than keepalive_timeout, and one whose client
takes nothing of its response for write_timeout, are closed without a response.

`tools/refusals.py` makes this page from the table in `csrc/error.h`.
"""

_ROW = re.compile(
    r"""X\( (?P<name>FW_\w+), \s* (?P<value>-\d+), \s* (?P<status>\d+), \s* "(?P<token>\w+)", \s*
        (?P<text>(?:"[^"\\]*"\s*)+), \s* "(?P<source>[^"\\]*)" \)""",
    re.VERBOSE,
)
_SOURCE = re.compile(r"(?:RFC (\d+)|PROXY) (\d+(?:\.\d+)*)")
_PROXY_PROTOCOL = "https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt"
"""The text itself has no anchors for its sections."""


class Row(NamedTuple):
    """One code of the core that a client gets to see."""

    token: str
    status: int
    text: str
    source: str
    """Document and section, ``RFC 9112 2.2``."""


def rows(header: str) -> list[Row]:
    """The rows of FW_ERRORS that have a status. Raises ValueError if there is one it cannot read."""
    plain = re.sub(r"/\*.*?\*/", "", header.replace("\\\n", "\n"), flags=re.DOTALL)
    found = list(_ROW.finditer(plain))
    if not found or len(found) != len(re.findall(r"\bX\(FW_", plain)):
        raise ValueError(f"{TABLE}: a row is not X(NAME, value, status, token, text, source)")
    return [
        Row(one["token"], int(one["status"]), "".join(re.findall('"(.*?)"', one["text"])), one["source"])
        for one in found
        if one["status"] != "0"
    ]


def link(source: str) -> str:
    """The section with its address. Raises ValueError for what is no section of an RFC or of the PROXY
    protocol."""
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise ValueError(f"{TABLE}: {source!r} is not a section such as RFC 9112 2.2 or PROXY 2.1")
    address = f"https://www.rfc-editor.org/rfc/rfc{match[1]}#section-{match[2]}"
    return f"[{source}]({address if match[1] else _PROXY_PROTOCOL})"


def render(header: str) -> str:
    """The page."""
    lines = [f"| `{row.token}` | {row.status} | {row.text} | {link(row.source)} |" for row in rows(header)]
    return HEAD + "\n".join(lines) + "\n" + TAIL


def main() -> int:
    rendered = render(TABLE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, "csrc/error.h", "tools/refusals.py")


if __name__ == "__main__":
    raise SystemExit(main())
