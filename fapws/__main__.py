"""``python -m fapws`` is ``fapws``."""

from __future__ import annotations

import sys

from fapws.cli import main

sys.exit(main())
