"""The report's lines. Pure, but for what it asks the system about itself."""

from __future__ import annotations

import os
import platform
import socket
import sys
from typing import NamedTuple

from fapws import __version__

PASS, FAIL, LEFT = "pass", "FAIL", "left out"
_LINES_KEPT = 12
"""Of what a command has said: the last ones tell why."""


class Row(NamedTuple):
    """One check's result."""

    result: str
    name: str
    text: str
    """What was seen, why it failed, or why it was left out."""
    seconds: float


def heading() -> str:
    """What the machine is, as far as Fapws cares."""
    facts = "\n".join(f"  {name:<9} {text}" for name, text in _facts())
    return f"fapws --selftest: a report to mail\n\n{facts}\n"


def line(row: Row) -> str:
    """A row of the table; what failed may take more lines, each set in."""
    first, *more = row.text.rstrip().splitlines() or [""]
    text = f"{row.result:<9} {row.name:<20} {first} ({row.seconds:.1f} s)"
    return "\n".join([text, *(f"{'':<31}{one}" for one in more[-_LINES_KEPT:])])


def conclusion(rows: list[Row], seconds: float) -> str:
    """The last line."""
    count = {result: sum(row.result == result for row in rows) for result in (PASS, FAIL, LEFT)}
    return f"\n{count[PASS]} passed, {count[FAIL]} failed, {count[LEFT]} left out in {seconds:.0f} s"


def hide(text: str, directory: str) -> str:
    """A text without what a report need not tell."""
    words = (
        (directory, "DIR"),
        (os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["fapws"].__file__ or ""))), "PACKAGES"),
        (sys.prefix, "PYTHON"),
        (os.path.expanduser("~"), "HOME"),
        (os.getcwd(), "HERE"),
        (socket.gethostname(), "HOST"),
    )
    for private, word in sorted(words, key=lambda pair: -len(pair[0])):  # one may lie in another
        if len(private) > 2:
            text = text.replace(private, word)
    return text


def _facts() -> list[tuple[str, str]]:
    system = os.uname()
    bits, order = platform.architecture()[0], sys.byteorder
    facts = [
        # Not uname's version: it names who built the kernel, and where.
        ("system", " ".join(filter(None, [system.sysname, system.release, system.machine, _distribution()]))),
        ("python", f"{platform.python_implementation()} {platform.python_version()}, {bits}, {order}-endian"),
    ]
    return [
        ("fapws", f"{__version__}, {_accelerator()}"),
        *facts,
        *_core(),
        ("processors", str(os.cpu_count())),
    ]


def _distribution() -> str:
    """Of a Linux, by the name that it gives itself."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            pairs = [line.rstrip().partition("=") for line in file]
    except (OSError, ValueError):
        return ""
    return next((f"({value.strip(chr(34))})" for name, _, value in pairs if name == "PRETTY_NAME"), "")


def _accelerator() -> str:
    try:
        import fapws._accelerator  # noqa: F401
    except ImportError:
        return "without the accelerator"
    return "with the accelerator"


def _core() -> list[tuple[str, str]]:
    """What the compiled core says of itself."""
    from fapws._core import ffi, lib

    version = ffi.string(lib.fw_libuv_version()).decode("ascii")
    return [("libuv", version), ("polling", ffi.string(lib.fw_pollset_name()).decode("ascii"))]
