"""Writes fapws/settings/core_limits.py: the limits of the C core that Python has to know, from csrc/fapws.h.

usage: python tools/core_limits.py [--check]

The core itself tells them too (``fapws._core.lib``), but the master must not load it, nor must a check of a
configuration on a machine without it. --check changes nothing; it exits with 1 when the module is not what it
would be.
"""

from __future__ import annotations

import re
from pathlib import Path

from pages import write_or_check

TREE = Path(__file__).resolve().parent.parent
HEADER = TREE / "csrc" / "fapws.h"
MODULE = TREE / "fapws" / "settings" / "core_limits.py"

LIMIT = re.compile(r"^#define FW_(\w+_MAX|REQUEST_LINE) (\d+) +/\* (.+) \*/$", re.MULTILINE)

HEAD = '''"""Limits of the C core. tools/core_limits.py makes this module from csrc/fapws.h."""
'''


def render(header: str) -> str:
    """The module. Raises SystemExit when the header has no limits any more."""
    found = LIMIT.findall(header)
    if not found:
        raise SystemExit(f"{HEADER}: no limits were found")
    return HEAD + "".join(f'\n{name} = {value}\n"""{text}"""' for name, value, text in found) + "\n"


def main() -> int:
    rendered = render(HEADER.read_text(encoding="utf-8"))
    return write_or_check(MODULE, rendered, "csrc/fapws.h", "tools/core_limits.py")


if __name__ == "__main__":
    raise SystemExit(main())
