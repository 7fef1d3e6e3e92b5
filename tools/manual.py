"""Writes the option lists of docs/fapws.ini.5 from the one table that declares the options.

usage: python tools/manual.py [--check]

--check changes nothing; it exits with 1 and names the page when the page is not what it would be.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from pages import write_or_check

from fapws.settings.options import MASTER, OPTIONS, POOL, Option, format_value, parse

PAGE = Path(__file__).resolve().parent.parent / "docs" / "fapws.ini.5"
COUNTED = ("integer", "size", "time", "address_space")
"""Kinds with bounds that a reader may want to know."""
WIDTH = 72
"""Characters of a line, before escapes make it longer."""
ENDLESS = 2**40
"""An upper bound from here on only keeps numbers sane and is not worth telling."""


def escape(text: str) -> str:
    """Text that mdoc takes for text: no escapes, and no request at the start of a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def wrap(text: str) -> list[str]:
    """Lines of the length that mandoc likes; the name of the system at the beginning is a macro."""
    macro = [".Ox"] if text.startswith("OpenBSD ") else []
    text = text[len("OpenBSD ") :] if macro else text
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return macro + [escape(line) for line in lines]


def bound(option: Option, number: int) -> str:
    return format_value(option, parse(option, str(number), "/")) if number else "0"


def entry(option: Option) -> list[str]:
    """One item of the list."""
    sentence = option.help[0].upper() + option.help[1:].replace("; 0: off", "; 0 turns it off")
    below = "REUSEPORT" if option.name == "reuseport" else "LOGS"
    sentence = sentence.replace("see fapws.ini(5)", f"see {below} below")
    facts = []
    if option.default:
        facts.append(f"The default is {option.default}")
    if option.kind in COUNTED and 0 < option.high < ENDLESS:
        facts.append(f"allowed is {bound(option, option.low)} to {bound(option, option.high)}")
    if option.section == POOL and option.shared:
        facts.append("shared")
    lines = [f".It Ic {option.name}", *wrap(sentence.rstrip(".") + ".")]
    if facts:
        note = "; ".join(facts)
        lines += wrap(note[0].upper() + note[1:] + ".")
    return lines


def listing(section: str) -> str:
    """The list of a section's options, in the table's order."""
    lines = [".Bl -tag -width Ds"]
    for option in OPTIONS:
        if option.section == section:
            lines.extend(entry(option))
    return "\n".join([*lines, ".El"])


def render(page: str) -> str:
    """The page with both lists as the table has them now."""
    for section in (MASTER, POOL):
        begin, end = f'.\\" {section}: begin\n', f'.\\" {section}: end\n'
        place = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        text = f"{begin}{listing(section)}\n{end}"
        page, count = place.subn(lambda _, text=text: text, page)
        if count != 1:
            raise SystemExit(f"{PAGE}: the marks of the section {section} are not there once")
    return page


def main() -> int:
    rendered = render(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, rendered, "fapws/settings/options.py", "tools/manual.py")


if __name__ == "__main__":
    raise SystemExit(main())
