"""What a worker's user cannot read: told before it is missed.

A folder that only root may enter (a clone below /root, a Python of root's own) shows itself much later,
and then as a module that does not exist. Only workers that take on a user import it.
"""

from __future__ import annotations

import os
import sys

from fapws.lean import Iterable


def own_places() -> list[str]:
    """Where Fapws and Python find what they import: interpreter, standard library, package."""
    library = os.path.dirname(os.__file__)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, library, os.path.join(library, "lib-dynload"), package]


def complaints(user: str, paths: Iterable[str]) -> list[str]:
    """A sentence for each reason why this process, which is the user, cannot read some of the paths.

    What does not exist is no complaint.
    """
    by_reason: dict[str, list[str]] = {}
    for path in dict.fromkeys(os.path.abspath(path) for path in paths if path):
        if _is_denied(path):
            by_reason.setdefault(_reason(path), []).append(path)
    return [f"{user} cannot read {', '.join(paths)}: {reason}" for reason, paths in by_reason.items()]


def _is_denied(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        os.stat(os.path.join(path, ".") if os.path.isdir(path) else path)  # a folder is entered too
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _reason(path: str) -> str:
    """The uppermost folder above it that stays closed, links followed."""
    place = "/"
    for part in os.path.realpath(path).split("/")[1:]:
        try:
            os.stat(os.path.join(place, "."))
        except OSError:
            return f"it may not enter {place}"
        place = os.path.join(place, part)
    return "Permission denied"
