"""Builds ``fapws._core``: cffi (API mode) around the C core.

Run by setup.py through cffi's ``cffi_modules``; never imported at run time. The declarations are the
part of csrc/fapws.h between its two cffi marks, so what Python believes and what C compiles cannot
drift. libuv's flags are not here: setup.py asks for them only when something is really compiled.
"""

from __future__ import annotations

import glob
import os
import re
import sysconfig

from cffi import FFI

BEGIN = "/* cffi: begin */"
END = "/* cffi: end */"
NO_LIMITED_API = {"py_limited_api": False, "define_macros": [("_CFFI_NO_LIMITED_API", None)]}
"""A Python without the GIL has none, which cffi before 2.0 does not know."""
NEGATIVE = re.compile(r"^(#define \w+ )\((-\d+)\)", re.MULTILINE)


def declarations(header: str) -> str:
    """The text between the two marks of ``header``. Raises ValueError when a mark is missing.

    One thing is changed: C wants a negative constant in parentheses, cffi's parser wants it bare.
    """
    _, begin, rest = header.partition(BEGIN)
    text, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"csrc/fapws.h lacks the mark {BEGIN!r} or {END!r}")
    return NEGATIVE.sub(r"\1\2", text)


def core_files(suffix: str) -> list[str]:
    """The core's files of one kind in all its folders; the accelerator in csrc/python is none of it."""
    found = glob.glob(f"csrc/**/*.{suffix}", recursive=True)
    return sorted(path for path in found if not path.startswith(os.path.join("csrc", "python")))


def make() -> FFI:
    """The builder cffi asks for. The working directory is the one that holds setup.py."""
    with open(os.path.join("csrc", "fapws.h"), encoding="utf-8") as header:
        text = declarations(header.read())
    builder = FFI()
    builder.cdef(text)
    builder.set_source(
        "fapws._core",
        '#include "fapws.h"\n',
        sources=core_files("c"),
        include_dirs=["csrc"],
        depends=core_files("h"),
        **(NO_LIMITED_API if sysconfig.get_config_var("Py_GIL_DISABLED") else {}),
    )
    return builder


ffibuilder = make()
