"""A worker's last requests, in an area of its own behind its row of the scoreboard: told when it dies.

An area is an ``fw_last`` of csrc/fapws.h, written by its worker with plain stores and read once it has ended.
A worker may write anything there: what is read has a largest size, and what cannot be a request is left out.
"""

from __future__ import annotations

import mmap
import struct

from fapws.lean import NamedTuple

from .tallies import Place

KEPT = 32
LINE_SIZE = 140
LINE_MAX = 137
"""Bytes of a line: method, a space, the target as far as it is kept."""
GOES_ON = -1
"""ms of a response that has no end."""
NO_END = 2**64 - 1
"""How the core writes that."""
REASONS = 96
"""Refusals with code -n are counted at place n."""
_COUNT = struct.Struct("=Q")
_REQUEST = struct.Struct(f"=qQ3sB{LINE_SIZE}s")
_REFUSED = struct.Struct(f"={REASONS}Q")
LAST_SIZE = _COUNT.size + KEPT * _REQUEST.size + _REFUSED.size
"""Bytes; equals sizeof(fw_last)."""


class LastRequest(NamedTuple):
    """One that has its response, or the head of one."""

    line: str
    """Method and target, made printable."""
    status: str
    ms: int


class LastRequests:
    """One worker's."""

    def __init__(self, pages: mmap.mmap, place: Place) -> None:
        self._pages = pages
        self.place = place

    def buffer(self) -> memoryview:
        """The writable bytes, for the worker."""
        start = self.place.start
        return memoryview(self._pages)[start : start + LAST_SIZE]

    def read(self) -> tuple[LastRequest, ...]:
        """The latest at the end."""
        count = self.count()
        places = range(max(0, count - KEPT), count)
        found = (self._at(number % KEPT) for number in places)
        return tuple(request for request in found if request is not None)

    def count(self) -> int:
        """How many there were, with those that are forgotten."""
        (count,) = _COUNT.unpack_from(self._pages, self.place.start)
        return int(count)

    def refused(self) -> tuple[int, ...]:
        """How many requests the core has refused, by the negated code."""
        return _REFUSED.unpack_from(self._pages, self.place.start + LAST_SIZE - _REFUSED.size)

    def clear(self) -> None:
        """For the next worker."""
        _COUNT.pack_into(self._pages, self.place.start, 0)
        start = self.place.start + LAST_SIZE - _REFUSED.size
        self._pages[start : start + _REFUSED.size] = bytes(_REFUSED.size)

    def _at(self, number: int) -> LastRequest | None:
        at = self.place.start + _COUNT.size + number * _REQUEST.size
        _, took, status, length, line = _REQUEST.unpack_from(self._pages, at)
        if not status.isdigit() or not 0 < length <= LINE_MAX:
            return None
        ms = GOES_ON if took == NO_END else took
        return LastRequest(printable(line[:length]), status.decode("ascii"), ms)


def printable(line: bytes) -> str:
    """A target may hold any byte above 32."""
    text = line.decode("latin-1")
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)
