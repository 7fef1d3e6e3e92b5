"""Makes all files again that a program writes from a source: pages, lists, the shipped configuration.

usage: python tools/generated.py [--check]

Every program beside this one that uses pages.write_or_check() is run. --check changes nothing; the
exit status is 1 when a file is not what it would be, and the program that makes it has said which.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
TREE = TOOLS.parent


def generators() -> list[Path]:
    """The programs, in the order of their names."""
    found = (path for path in sorted(TOOLS.glob("*.py")) if path.name not in ("pages.py", "generated.py"))
    return [path for path in found if "write_or_check(" in path.read_text(encoding="utf-8")]


def main() -> int:
    words = sys.argv[1:]
    environment = {**os.environ, "PYTHONPATH": str(TREE)}
    done = [
        subprocess.run([sys.executable, str(path), *words], env=environment, check=False).returncode
        for path in generators()
    ]
    return int(any(done))


if __name__ == "__main__":
    raise SystemExit(main())
