"""The option ``static``: folders whose files the core serves itself, each under a path of its own."""

from __future__ import annotations

import os

from fapws.settings import values


def parse_statics(text: str, base_directory: str) -> tuple[tuple[str, str], ...]:
    """Parts such as ``/static:/srv/blog/static``. Raises ValueError saying what is allowed."""
    found = tuple(_parse_one(part, base_directory) for part in values.split_list(text))
    prefixes = [prefix for prefix, _ in found]
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise ValueError(f"must name one folder only for {prefix or '/'}")
    return found


def _parse_one(text: str, base_directory: str) -> tuple[str, str]:
    prefix, colon, folder = text.partition(":")
    if not colon or not prefix.startswith("/") or not folder:
        raise ValueError(f"must be a path and a folder, such as /static:/srv/blog/static, not {text!r}")
    prefix = prefix.rstrip("/")
    if not all(" " < character <= "~" for character in prefix) or set("?#%\\") & set(prefix):
        raise ValueError(f"must have a path of plain characters, not {prefix!r}")
    if "//" in prefix or any(segment.startswith(".") for segment in prefix.split("/")):
        raise ValueError(f"must have a path without empty segments and leading dots, not {prefix!r}")
    folder = os.path.normpath(os.path.join(base_directory, os.path.expanduser(folder.strip())))
    if not os.path.isdir(folder):
        raise ValueError(f"must be a directory: {folder}")
    return prefix, folder
