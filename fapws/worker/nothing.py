"""What a pool without an application serves where none of its folders has a file."""

from __future__ import annotations

from fapws.lean import Any, Callable

_TEXT = b"404 Not Found\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """404 for everything, as the core says it of files."""
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_TEXT)))]
    start_response("404 Not Found", headers)
    return [_TEXT]
