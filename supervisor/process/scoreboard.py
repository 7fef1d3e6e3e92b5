"""The scoreboard: shared memory in which every worker counts, and which the master only reads.

A row is an ``fw_score`` of csrc/fapws.h: 64-bit words in the machine's order, none ever torn, and a
text. Rows live in a file without a name, of which a page more is mapped when all rows are taken: so a
reload may raise the number of workers, and a master that is upgraded in place finds them again. A
worker keeps only the pages that existed when it was forked, and no descriptor.
"""

from __future__ import annotations

import mmap
import os
import struct

from fapws.lean import NamedTuple
from fapws.settings.core_limits import REQUEST_LINE

LAYOUT = 1
"""Changes when rows of another version cannot be read any more."""
SCORE_WORDS = 16
SCORE_SIZE = SCORE_WORDS * 8 + REQUEST_LINE
"""Bytes of one row; equals sizeof(fw_score)."""
_ROW = struct.Struct(f"={SCORE_WORDS}Q{REQUEST_LINE}s")
_EMPTY = bytes(SCORE_SIZE)
_PAGE = mmap.ALLOCATIONGRANULARITY


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
    rss: int = 0
    group: int = 0
    gave_way: int = 0
    request_line: str = ""
    """Method and target of the request in hand, made printable."""


class WorkerView(NamedTuple):
    """What only the master knows of a worker."""

    pid: int
    score: Score
    clock: int = 0
    """Milliseconds of the clock of ``score``, now."""


_COUNTS = len(Score._fields) - 1
SUMMED = (
    *("requests", "responses", "refused", "accepted", "bytes_in", "bytes_out"),
    *("accept_pauses", "gave_way"),
)
"""What may be added up over workers that are gone; the rest describes a moment."""


class Row:
    """One worker's place on the board."""

    def __init__(self, page: mmap.mmap, offset: int, number: int) -> None:
        self._page = page
        self._offset = offset
        self.number = number
        """Its place in the file, from 0."""

    def buffer(self) -> memoryview:
        """The writable bytes, for the worker."""
        return memoryview(self._page)[self._offset : self._offset + SCORE_SIZE]

    def neighbours(self) -> memoryview:
        """The rows of its page, its own among them, for the worker to look at."""
        return memoryview(self._page).toreadonly()

    def read(self) -> Score:
        """What the worker has counted so far."""
        *words, line = _ROW.unpack_from(self._page, self._offset)
        return Score._make((*words[:_COUNTS], _printable(line.partition(b"\0")[0])))

    def clear(self) -> None:
        """Zeroes the row, for its next worker."""
        self._page[self._offset : self._offset + SCORE_SIZE] = _EMPTY


class Scoreboard:
    """Gives rows out and takes them back."""

    def __init__(self, fd: int = -1) -> None:
        """``fd``: the file of an earlier master; all its rows count as taken. Raises OSError."""
        self.fd = fd if fd >= 0 else nameless_file("scoreboard")
        self._rows: list[Row] = []
        self._free: list[Row] = []
        for _ in range(os.fstat(self.fd).st_size // _PAGE):
            self._map_page()

    def take(self) -> Row:
        """A zeroed row. Raises OSError when there is no memory."""
        if not self._free:
            os.ftruncate(self.fd, (len(self._rows) * SCORE_SIZE // _PAGE + 1) * _PAGE)
            self._free = self._map_page()[::-1]
        row = self._free.pop()
        row.clear()
        return row

    def give_back(self, row: Row) -> None:
        """Its worker has been reaped."""
        row.clear()  # the others must not wait for it
        self._free.append(row)

    def row(self, number: int) -> Row:
        """The row of a worker that an earlier master has forked."""
        return self._rows[number]

    def free_all_but(self, taken: set[int]) -> None:
        """After an upgrade: the rows that none of these workers has can be given out again."""
        self._free = [row for row in self._rows if row.number not in taken][::-1]

    def _map_page(self) -> list[Row]:
        first = len(self._rows)
        per_page = _PAGE // SCORE_SIZE
        page = mmap.mmap(self.fd, _PAGE, offset=first // per_page * _PAGE)
        rows = [Row(page, number * SCORE_SIZE, first + number) for number in range(per_page)]
        self._rows += rows
        return rows


def nameless_file(what: str) -> int:
    """A file without a name, in memory where the system can. Raises OSError."""
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create(f"fapws-{what}")
        except OSError:
            pass  # a sandbox refuses the call
    path = f"/tmp/.fapws-{what}-{os.getpid()}-{os.urandom(8).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def _printable(line: bytes) -> str:
    """A target may hold any byte above 32."""
    text = line.decode("latin-1")
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)


def add(total: Score, more: Score) -> Score:
    """The sum of what may be summed; the rest stays as in ``total``."""
    return total._replace(**{name: getattr(total, name) + getattr(more, name) for name in SUMMED})
