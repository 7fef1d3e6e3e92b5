"""The scoreboard: shared memory in which every worker counts, and which the master only reads.

A row is an ``fw_score`` of csrc/fapws.h: 64-bit words in the machine's order, none ever torn. Rows
live in anonymous shared pages; a page more is mapped when all rows are taken, so a reload may raise
the number of workers, and a worker keeps only the pages that existed when it was forked.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

SCORE_WORDS = 16
SCORE_SIZE = SCORE_WORDS * 8
"""Bytes of one row; equals sizeof(fw_score)."""
_ROW = struct.Struct(f"={SCORE_WORDS}Q")
_EMPTY = bytes(SCORE_SIZE)


class Score(NamedTuple):
    """A row as it was at one moment; see ``fw_score`` for the meaning and units."""

    beat: int = 0
    busy_since: int = 0
    requests: int = 0
    responses: int = 0
    refused: int = 0
    connections: int = 0
    accepted: int = 0
    in_flight: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    accept_pauses: int = 0


SUMMED = ("requests", "responses", "refused", "accepted", "bytes_in", "bytes_out", "accept_pauses")
"""What may be added up over workers that are gone; the rest describes a moment."""


class Row:
    """One worker's place on the board."""

    def __init__(self, page: mmap.mmap, offset: int) -> None:
        self._page = page
        self._offset = offset

    def buffer(self) -> memoryview:
        """The writable bytes, for the worker."""
        return memoryview(self._page)[self._offset : self._offset + SCORE_SIZE]

    def read(self) -> Score:
        """What the worker has counted so far."""
        words = _ROW.unpack_from(self._page, self._offset)
        return Score(*words[: len(Score._fields)])

    def clear(self) -> None:
        """Zeroes the row, for its next worker."""
        self._page[self._offset : self._offset + SCORE_SIZE] = _EMPTY


class Scoreboard:
    """Gives rows out and takes them back."""

    def __init__(self) -> None:
        self._free: list[Row] = []

    def take(self) -> Row:
        """A zeroed row. Raises OSError when there is no memory."""
        if not self._free:
            page = mmap.mmap(-1, mmap.PAGESIZE)
            self._free = [Row(page, offset) for offset in range(0, mmap.PAGESIZE, SCORE_SIZE)][::-1]
        row = self._free.pop()
        row.clear()
        return row

    def give_back(self, row: Row) -> None:
        """Its worker has been reaped."""
        self._free.append(row)


def add(total: Score, more: Score) -> Score:
    """The sum of what may be summed; the rest stays as in ``total``."""
    return total._replace(**{name: getattr(total, name) + getattr(more, name) for name in SUMMED})
