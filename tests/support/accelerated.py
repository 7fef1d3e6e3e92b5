"""Whether this Python has the accelerator, for tests that compare it with the pure path."""

from __future__ import annotations

import os
import sys
import sysconfig

import pytest

WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
POSSIBLE = sys.implementation.name == "cpython" and not WITHOUT_GIL

only_accelerated = pytest.mark.skipif(
    not POSSIBLE or os.environ.get("FAPWS_PURE", "0") not in ("", "0"),
    reason="there is no accelerator on PyPy, without the GIL, and with FAPWS_PURE=1",
)


def skip_where_there_is_none(pure: str) -> None:
    """For fixtures whose parameter is the server's FAPWS_PURE."""
    if pure == "0" and not POSSIBLE:
        pytest.skip("there is no accelerator on PyPy and without the GIL")
