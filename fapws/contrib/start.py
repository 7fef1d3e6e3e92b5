"""For decorators: start_response with another call, and everything else of the one underneath; and what
fapws3's programs may return and give to it."""

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


def native(given: Any) -> Any:
    """bytes as the str that PEP 3333 has for them ("A Note On String Types"); anything else as it is."""
    return given.decode("latin-1") if isinstance(given, bytes) else given


def content_of(result: Any) -> Any:
    """What a function returned, as content: None in a list is left out, and a response that is alone in one,
    as in ``[django_handler.handler(...)]``, stands for the list."""
    if not isinstance(result, (list, tuple)):
        return result
    pieces = [piece for piece in result if piece is not None]
    if len(pieces) == 1 and not isinstance(pieces[0], (str, bytes, bytearray, memoryview)):
        return pieces[0] if hasattr(pieces[0], "read") or hasattr(pieces[0], "__iter__") else result
    return result if len(pieces) == len(result) else pieces
