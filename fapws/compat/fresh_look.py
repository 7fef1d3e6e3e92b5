"""Where a look at a script begins that must not find other pools in its memory: a Python of its own.

    fresh_look.py ROOT WRITER

The code is under ROOT; standard input has what script.py knows, and what is found goes to WRITER.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    root, writer = sys.argv[1:3]
    # This file's own directory must not be searched: its modules have common names. With -I it is not there.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [root, *(place for place in sys.path if os.path.abspath(place) != here)]
    with open(0, "rb", closefd=False) as needs:
        known = marshal.load(needs)
    from fapws.compat.script import look
    from fapws.settings.plain import rebuilt

    pool = rebuilt(known["pool"])
    sys.path[:] = known["path"]
    sys.argv[:] = known["argv"]
    look(int(writer), known["script"], pool, known["may_run"])


if __name__ == "__main__":
    main()
