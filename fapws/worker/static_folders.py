"""Hands folders of static files to the core: those of ``static``."""

from __future__ import annotations

import os

from fapws._core import ffi, lib
from fapws.lean import Any, NamedTuple
from fapws.settings.media_types import read_types
from fapws.settings.model import Pool
from fapws.settings.name_patterns import compile_patterns
from fapws.wsgi.response import core_text

_LINKS = {"no": 0, "yes": 1, "owner": 2}
"""As csrc/sys/beneath.h has them."""


class Rules(NamedTuple):
    """What holds for a folder; see fw_folder_rules in csrc/fapws.h."""

    cache_control: bytes = b"no-cache"
    immutable: bytes = b""
    types: bytes = b""
    links: int = 0
    fallthrough: bool = False
    only_files: bool = False


def rules_of(pool: Pool, types: str) -> Rules:
    """What the pool says. types: where static_types is for this process. Raises OSError, ValueError."""
    immutable = compile_patterns(pool.static_immutable)
    table = read_types(types) if types else b""
    age = int(pool.static_max_age)
    control = b"max-age=%d" % age if age else b"no-cache"
    return Rules(control, immutable, table, _LINKS[pool.static_symlinks], pool.static_fallthrough)


def serve_folder(core: Any, prefix: bytes, folder: str, rules: Rules) -> None:
    """Files of a folder are the core's from now on; see fw_serve_folder(). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    kept = [ffi.from_buffer("char[]", text) for text in (rules.cache_control + b"\0", *rules[1:3])]
    given = ffi.new(
        "fw_folder_rules *",
        {
            "cache_control": kept[0],
            "immutable": kept[1],
            "immutable_size": len(rules.immutable),
            "types": kept[2],
            "types_size": len(rules.types),
            "links": rules.links,
            "fallthrough": rules.fallthrough,
            "only_files": rules.only_files,
        },
    )
    code = lib.fw_serve_folder(core, prefix, len(prefix), descriptor, given)
    if code < 0:
        os.close(descriptor)
        raise OSError(f"cannot serve {folder}: {core_text(lib.fw_error_text(code))}")
