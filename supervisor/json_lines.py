"""``error_log_format = json``: an entry of the error log as one JSON object. Imported only with that option.

Written by hand, because the json module takes half a megabyte of the master's memory.
"""

from __future__ import annotations

import time

_ESCAPES = {
    **{code: f"\\u{code:04x}" for code in (*range(32), 127)},
    **{ord(letter): f"\\{name}" for letter, name in ("\nn", "\tt", '""', "\\\\")},
}


def entry(source: str, text: str) -> bytes:
    """One object, without the line's end. ``source``: ``master``, or the worker that said it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    when = f"{now[:-2]}:{now[-2:]}"
    fields = {"time": when, "source": source, "message": text}
    told = ",".join(f'"{name}":"{value.translate(_ESCAPES)}"' for name, value in fields.items())
    # What is no character (a lone surrogate) becomes \udc80, which JSON knows.
    return f"{{{told}}}".encode("utf-8", "backslashreplace")
