"""What the commands leave on sys.path, which the application's import goes through."""

from __future__ import annotations

import os
import sys


def forget_own_directory() -> None:
    """Takes the directory of the running program off sys.path, where Python has put it first.

    For an installed command that is a bin directory: a script in there, say bottle.py, is nobody's module.
    """
    if not sys.path or not sys.path[0] or getattr(sys.flags, "safe_path", False):
        return  # python -c has the current directory there; python -P nothing
    if os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(sys.argv[0])):
        del sys.path[0]
