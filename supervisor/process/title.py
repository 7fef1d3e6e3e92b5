"""The name under which ps and top show a process."""

from __future__ import annotations

from fapws._core import lib

_COMM = "/proc/self/comm"


def set_title(text: str, path: str = _COMM) -> None:
    """Names this process: whole for ``ps -f``, the first 15 bytes for ``top`` (Linux)."""
    data = text.encode("utf-8", "surrogateescape").replace(b"\0", b"")
    lib.fw_set_title(data)
    try:
        with open(path, "r+b", buffering=0) as comm:
            comm.write(data[:15])
    except OSError:
        return
