"""What a worker counts for metrics, in an area of its own behind its row of the scoreboard.

An area is an ``fw_tally`` of csrc/fapws.h: 64-bit words, written by its worker with plain stores. It is
mapped, in master and worker, only where metrics are wanted: what nobody has touched takes no memory. As with
the rows, a worker may write anything there, and what makes no sense is not believed.
"""

from __future__ import annotations

import mmap
import struct

from fapws.lean import NamedTuple

CLASSES, DURATION, DURATIONS, BUSY, LOG_LOST, CONNECTIONS, REFUSED, END = 0, 8, 9, 24, 25, 26, 29, 125
"""Where each member begins, in words; ``REFUSED`` has the refusals with code -n at place n."""
TALLY_WORDS = 128
TALLY_SIZE = TALLY_WORDS * 8
"""Bytes; equals sizeof(fw_tally)."""
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the bounds of ``DURATIONS``, which csrc/conn/tally.c has too."""
CONNECTION_STATES = ("reading", "sending", "closing")
"""Of the connections that are counted here; what is left of a row's is active or idle."""
_WORDS = struct.Struct(f"={TALLY_WORDS}Q")
_EMPTY = bytes(TALLY_SIZE)
_MOMENT = range(CONNECTIONS, CONNECTIONS + len(CONNECTION_STATES))
"""Words that describe a moment; all others only grow."""
_COUNT_MAX = 2**62
_HELD_MAX = 2**24

Words = tuple[int, ...]
NOTHING: Words = (0,) * TALLY_WORDS


class Tally:
    """One worker's."""

    def __init__(self, pages: mmap.mmap, offset: int) -> None:
        self._pages = pages
        self._offset = offset
        self._known = NOTHING

    def buffer(self) -> memoryview:
        """The writable bytes, for the worker."""
        return memoryview(self._pages)[self._offset : self._offset + TALLY_SIZE]

    def read(self) -> Words:
        """What the worker has counted so far, as far as it makes sense."""
        said = _WORDS.unpack_from(self._pages, self._offset)
        self._known = sensible(said, self._known)
        return self._known

    def clear(self) -> None:
        """Zeroes it, for the next worker."""
        self._pages[self._offset : self._offset + TALLY_SIZE] = _EMPTY
        self._known = NOTHING


class Place(NamedTuple):
    """Where a tally is, for a process that maps the file itself."""

    offset: int
    """Of the pages in the file."""
    size: int
    start: int
    """Of the tally in the pages."""
    length: int


def sensible(said: Words, known: Words) -> Words:
    """``said`` without what cannot be: counters that run back, huge amounts."""
    if said == known:
        return known
    return tuple(
        (word if word <= _HELD_MAX else before)
        if place in _MOMENT
        else (word if before <= word <= _COUNT_MAX else before)
        for place, (word, before) in enumerate(zip(said, known))
    )


def add(total: Words, more: Words) -> Words:
    """The sum; of what describes a moment that of ``total`` stays."""
    return tuple(
        one if place in _MOMENT else one + other for place, (one, other) in enumerate(zip(total, more))
    )
