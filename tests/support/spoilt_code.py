"""A copy of the code that a house runs from, and that can be spoilt for its next upgrade."""

from __future__ import annotations

import shutil

from .house import ROOT, House

WORKS = "saved: Saved = decode(text)"
FAILS = "raise RuntimeError('late')"
REASON = "RuntimeError: late"
"""In the log, when the landing has failed."""
LATE = "    for fd in descriptors_of(saved):\n"
"""In resume(): the new master stands already."""
FAILS_LATE = "    if saved:\n        raise RuntimeError('late')\n" + LATE


class Code:
    """What an upgrade finds in it passes the trial, and fails after the exec while it is spoilt."""

    def __init__(self, house: House) -> None:
        root = house.directory / "code"
        shutil.copytree(ROOT / "fapws", root / "fapws", ignore=shutil.ignore_patterns("__pycache__"))
        house.tree = root
        self._file = root / "fapws" / "supervisor" / "upgrade" / "new_code.py"
        self._good = self._file.read_text()

    def spoil(self, works: str = WORKS, fails: str = FAILS) -> None:
        """The next attempt fails."""
        assert works in self._good
        self._file.write_text(self._good.replace(works, fails))

    def mend(self) -> None:
        """The next attempt succeeds."""
        self._file.write_text(self._good)
