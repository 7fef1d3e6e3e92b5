"""Folders of fapws3's and fapws4's programs that the core can serve: routes that are a plain Staticfile.

The core sends the files that there are, to GET and HEAD, and leaves everything else to the program: what is
missing or closed, other methods, folders without their slash, files with a content coding by their name.
"""

from __future__ import annotations

import mimetypes
import os
import sys

from fapws.compat.paths import Paths
from fapws.lean import Any, Callable
from fapws.settings.media_types import TYPE_MAX, table_of
from fapws.worker.static_folders import Rules

_LONGEST = 24
"""Characters of the end of a name; csrc/static/types.c has room for more."""


def folders_of(application: Callable[..., Any]) -> list[tuple[str, str, Rules]]:
    """What the paths begin with, the folder, and what holds for it."""
    views = sys.modules.get("fapws.contrib.views")  # only a program that has one has loaded it
    if views is None or not isinstance(application, Paths) or not application.plain:
        return []
    found: list[tuple[str, str, Rules]] = []
    before: list[str] = []
    types: bytes | None = None
    served: Any
    for prefix, served in application.routes:
        if type(served) is views.Staticfile and _is_plain(prefix, before) and _is_folder(served.rootpath):
            types = _types() if types is None else types
            age = served.maxage
            control = b"" if age is None else b"max-age=%d" % age
            rules = Rules(control, types=types, fallthrough=True, only_files=True)
            found.append((prefix.rstrip("/"), served.rootpath, rules))
        before.append(prefix)
    return found


def _is_plain(prefix: str, before: list[str]) -> bool:
    """Whether no route before it serves some of its paths, and it is written as the core has it."""
    if any(prefix.startswith(other) or other.startswith(prefix.rstrip("/")) for other in before):
        return False
    path = prefix.rstrip("/")
    return (
        all(" " < character <= "~" and character not in "%?#\\" for character in path)
        and "//" not in path
        and "/." not in path
    )


def _is_folder(path: str) -> bool:
    """Whether it is one, and not by way of a link, which could lead to another one tomorrow."""
    return os.path.isdir(path) and os.path.realpath(path) == path


def _types() -> bytes:
    """What ``mimetypes`` knows, as Staticfile says it; an empty type is what the program serves itself."""
    types = {}
    for ending, kind in mimetypes.types_map.items():
        types[ending[1:].lower()] = kind + "; charset=utf-8" if kind == "application/javascript" else kind
    for ending in (*mimetypes.encodings_map, *mimetypes.suffix_map):
        types[ending[1:].lower()] = ""
    return table_of({ending: kind for ending, kind in types.items() if _fits(ending, kind)})


def _fits(ending: str, kind: str) -> bool:
    return (ending + kind).isascii() and 0 < len(ending) <= _LONGEST and len(kind) <= TYPE_MAX
