"""The name under which ``ps -o comm`` and ``top`` show a process (Linux, 15 bytes).

The longer title that ``ps -f`` shows lies in the argument area, which Python cannot reach safely.
"""

from __future__ import annotations

_COMM = "/proc/self/comm"


def set_title(text: str, path: str = _COMM) -> None:
    """Names this process; does nothing where the system has no such file."""
    try:
        with open(path, "r+b", buffering=0) as comm:
            comm.write(text.encode("utf-8", "replace")[:15])
    except OSError:
        return
