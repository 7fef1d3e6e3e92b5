"""start_response for decorators: another call, and everything else of the one underneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Start:
    """Calls ``call``; attributes (fapws3's ``add_header``, ``set_cookie``, ``status_code``...) are those of
    ``real``, read and written, so that a function does not notice the decorator."""

    __slots__ = ("_call", "_real")

    def __init__(self, real: Any, call: Callable[..., Callable[[Any], Any]]) -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_call", call)

    def __call__(self, status: str, headers: Any, *exc_info: Any) -> Callable[[Any], Any]:
        call: Callable[..., Callable[[Any], Any]] = self._call
        return call(status, headers, *exc_info)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)
