"""``python -m fapws`` is ``fapws``."""

from __future__ import annotations

import sys

from fapws.cli.fapws import main

sys.exit(main())
