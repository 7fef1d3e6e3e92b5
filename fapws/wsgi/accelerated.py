"""fapws._accelerator, which csrc/python/ is built to: what the pure Python of other modules does, in C.

It is used where it was built, unless FAPWS_PURE is set in the environment to anything but 0.
"""

from __future__ import annotations

import os

from fapws.lean import Any


def _load() -> Any:
    if os.environ.get("FAPWS_PURE", "0") not in ("", "0"):
        return None
    try:
        import fapws._accelerator as module
    except ImportError:
        return None
    return module


accelerator = _load()
"""The module, or None."""
