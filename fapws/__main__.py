"""``python -m fapws`` is ``fapws``."""

from __future__ import annotations

import sys

from fapws.cli.fapws import main

if __name__ == "__main__":  # multiprocessing imports it once more in the processes that it spawns
    sys.exit(main())
