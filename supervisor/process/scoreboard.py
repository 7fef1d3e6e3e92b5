"""The scoreboard: shared memory in which every worker counts, and which the master only reads.

A row is an ``fw_score`` of csrc/fapws.h: 64-bit words in the machine's order, none ever torn, and a
text. The rows of a pool live in a file of their own without a name, of which a page more is mapped when
all are taken: so a reload may raise the number of workers, and a master that is upgraded in place finds
them again. Behind each page there is room for the tallies of its rows, see tallies.py. A worker keeps
the pages of its own pool that existed when it was forked, and no descriptor.
One file for all pools would not do: a process that has mapped a page of it may map the rest as well (mremap).

A worker may write anything there. What is read is checked for sense, against the clock and against what
was read before: nonsense leaves what was known, and so looks like a worker that gives no sign of life.
"""

from __future__ import annotations

import mmap
import os
import struct

from fapws.lean import NamedTuple
from fapws.settings.core_limits import REQUEST_LINE

from .last_requests import LAST_SIZE, LastRequests, printable
from .tallies import TALLY_SIZE, Place, Tally, Words

LAYOUT = 5
"""Changes when rows of another version cannot be read any more."""
SCORE_WORDS = 16
SCORE_SIZE = SCORE_WORDS * 8 + REQUEST_LINE
"""Bytes of one row; equals sizeof(fw_score)."""
_ROW = struct.Struct(f"={SCORE_WORDS}Q{REQUEST_LINE}s")
_EMPTY = bytes(SCORE_SIZE)
_PAGE = mmap.ALLOCATIONGRANULARITY
_LASTS = -(-(_PAGE // SCORE_SIZE * LAST_SIZE) // _PAGE) * _PAGE
"""Bytes of the last requests of a page's rows, which stand behind it: whole pages."""
_TALLIES = _PAGE // SCORE_SIZE * TALLY_SIZE
"""Bytes of their tallies, which stand behind these: whole pages, too."""
_BLOCK = _PAGE + _LASTS + _TALLIES
"""From one page to the next. The file ends behind what of its last block is wanted."""


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
    shut: int = 0
    request_line: str = ""
    """Method and target of the request in hand, made printable."""


class WorkerView(NamedTuple):
    """What only the master knows of a worker."""

    pid: int
    score: Score
    clock: int = 0
    """Milliseconds of the clock of ``score``, now."""
    tally: Words | None = None
    """None: it counts nothing for metrics."""


_COUNTS = len(Score._fields) - 1
SUMMED = (
    *("requests", "responses", "refused", "accepted", "bytes_in", "bytes_out"),
    *("accept_pauses", "gave_way"),
)
"""What may be added up over workers that are gone; the rest describes a moment."""


_AHEAD_MAX = 1000
"""Milliseconds: a time further in the future than this was not read from the clock."""
_COUNT_MAX = 2**53
_HELD_MAX = 2**24


class Row:
    """One worker's place on the board of its pool."""

    def __init__(self, pool: str, page: mmap.mmap, offset: int, number: int) -> None:
        self._page = page
        self._offset = offset
        self._known = Score()
        self.tally: Tally | None = None
        """Where its worker counts for metrics, if it does."""
        self.last: LastRequests | None = None
        """Where its worker keeps its last requests, if there is room for them."""
        self.pool = pool
        self.number = number
        """Its place in the pool's file, from 0."""

    def buffer(self) -> memoryview:
        """The writable bytes, for the worker."""
        return memoryview(self._page)[self._offset : self._offset + SCORE_SIZE]

    def neighbours(self) -> memoryview:
        """The rows of its page, its own among them, for the worker to look at."""
        return memoryview(self._page).toreadonly()

    def place(self) -> tuple[int, int, int, int]:
        """For a process that maps the file itself: offset and size of the page, start and length in it."""
        return self._block() * _BLOCK, _PAGE, self._offset, SCORE_SIZE

    def tally_place(self) -> Place:
        """The same for its tally."""
        start = self._offset // SCORE_SIZE * TALLY_SIZE
        return Place(self._block() * _BLOCK + _PAGE + _LASTS, _TALLIES, start, TALLY_SIZE)

    def last_place(self) -> Place:
        """And for its last requests."""
        start = self._offset // SCORE_SIZE * LAST_SIZE
        return Place(self._block() * _BLOCK + _PAGE, _LASTS, start, LAST_SIZE)

    def _block(self) -> int:
        return self.number // (_PAGE // SCORE_SIZE)

    def read(self, now: int) -> Score:
        """What the worker has counted so far, as far as it makes sense; now: ms of the workers' clock."""
        *words, line = _ROW.unpack_from(self._page, self._offset)
        said = Score._make((*words[:_COUNTS], printable(line.partition(b"\0")[0])))
        self._known = sensible(said, self._known, now)
        return self._known

    def clear(self) -> None:
        """Zeroes the row, for its next worker."""
        self._page[self._offset : self._offset + SCORE_SIZE] = _EMPTY
        self._known = Score()


def sensible(said: Score, known: Score, now: int) -> Score:
    """``said`` without what cannot be: counters that run back, times in the future, huge amounts."""
    latest = now + _AHEAD_MAX
    checked = {name: getattr(said, name) for name in SUMMED}
    for name, value in checked.items():
        if not getattr(known, name) <= value <= _COUNT_MAX:
            checked[name] = getattr(known, name)
    for name, most in (("connections", _HELD_MAX), ("in_flight", _HELD_MAX), ("rss", _COUNT_MAX)):
        if getattr(said, name) > most:
            checked[name] = getattr(known, name)
    if not known.beat <= said.beat <= latest:
        checked["beat"] = known.beat
    if said.busy_since > latest:
        checked["busy_since"] = known.busy_since or known.beat
    return said._replace(**checked)


class _Board:
    """The rows of one pool."""

    def __init__(self, pool: str, fd: int) -> None:
        self.fd = fd
        self._pool = pool
        self._pages: list[mmap.mmap] = []
        self._others: dict[int, mmap.mmap] = {}
        """What stands behind them, by its offset in the file; only what is wanted."""
        self.rows: list[Row] = []
        self.free: list[Row] = []

    def row(self, number: int) -> Row:
        """One that an earlier master has given out."""
        while len(self.rows) <= number:
            self._map_page()
        return self.rows[number]

    def take(self) -> Row:
        if not self.free:
            self._reach(len(self._pages) * _BLOCK + _PAGE)
            self.free = self._map_page()[::-1]
        row = self.free.pop()
        row.clear()
        return row

    def count(self, row: Row) -> Tally:
        """Maps the row's tally. Raises OSError."""
        place = row.tally_place()
        row.tally = Tally(self._pages_of(place), place.start)
        return row.tally

    def remember(self, row: Row) -> LastRequests:
        """Maps the row's last requests. Raises OSError."""
        place = row.last_place()
        row.last = LastRequests(self._pages_of(place), place)
        return row.last

    def _pages_of(self, place: Place) -> mmap.mmap:
        pages = self._others.get(place.offset)
        if pages is None:
            self._reach(place.offset + place.size)
            pages = self._others[place.offset] = _map(self.fd, place.offset, place.size)
        return pages

    def reserve(self, rows: int) -> None:
        """Makes the file long enough for so many rows and all that belongs to them. Raises OSError."""
        self._reach(-(-rows // (_PAGE // SCORE_SIZE)) * _BLOCK)

    def _reach(self, size: int) -> None:
        if os.fstat(self.fd).st_size < size:
            os.ftruncate(self.fd, size)

    def close(self) -> None:
        """Closes the file, and unmaps the memory unless a view of it is still in use."""
        os.close(self.fd)
        self.unmap()

    def unmap(self) -> None:
        for page in (*self._pages, *self._others.values()):
            try:
                page.close()
            except BufferError:
                continue

    def _map_page(self) -> list[Row]:
        first = len(self.rows)
        page = _map(self.fd, len(self._pages) * _BLOCK, _PAGE)
        self._pages.append(page)
        rows = [
            Row(self._pool, page, number * SCORE_SIZE, first + number)
            for number in range(_PAGE // SCORE_SIZE)
        ]
        self.rows += rows
        return rows


def _map(fd: int, offset: int, size: int) -> mmap.mmap:
    """Pages of the file. Raises OSError.

    mmap keeps a descriptor of its own, and PyPy's would outlive an exec: each upgrade in place would leave
    one more behind. It has the lowest number that is free, and nothing tells it.
    """
    copy = os.dup(fd)
    os.close(copy)
    page = mmap.mmap(fd, size, offset=offset)
    try:
        if os.path.sameopenfile(copy, fd):
            os.set_inheritable(copy, False)
    except OSError:
        pass  # there is none: it needs no descriptor here
    return page


class Scoreboard:
    """Gives rows out and takes them back: a file for each pool that has workers."""

    def __init__(self, fds: dict[str, int] | None = None) -> None:
        """``fds``: the files of an earlier master by pool; all their rows count as taken. Raises OSError."""
        self._boards = {pool: _Board(pool, fd) for pool, fd in (fds or {}).items()}

    def fds(self) -> dict[str, int]:
        """The files by pool, for a successor."""
        return {pool: board.fd for pool, board in self._boards.items()}

    def fd_of(self, pool: str) -> int:
        """The file of a pool that has a row."""
        return self._boards[pool].fd

    def take(self, pool: str) -> Row:
        """A zeroed row. Raises OSError when there is no memory."""
        if pool not in self._boards:
            self._boards[pool] = _Board(pool, nameless_file("scoreboard"))
        return self._boards[pool].take()

    def count(self, row: Row, anew: bool = True) -> Tally:
        """Has a row's worker count for metrics; ``anew``: from 0. Raises OSError."""
        tally = self._boards[row.pool].count(row)
        if anew:
            tally.clear()
        return tally

    def remember(self, row: Row, anew: bool = True) -> None:
        """Has a row's worker keep its last requests, if there is room (RLIMIT_FSIZE); ``anew``: from none."""
        try:
            last = self._boards[row.pool].remember(row)
        except OSError:
            return
        if anew:
            last.clear()

    def reserve(self, pool: str, rows: int) -> None:
        """A process that maps the file of a pool that has a row finds so many in it. Raises OSError."""
        self._boards[pool].reserve(rows)

    def give_back(self, row: Row) -> None:
        """Its worker has been reaped."""
        row.clear()  # else other workers would leave connections to a dead one
        row.tally = row.last = None
        board = self._boards[row.pool]
        board.free.append(row)
        if len(board.free) == len(board.rows):
            board.close()
            del self._boards[row.pool]

    def row(self, pool: str, number: int) -> Row:
        """The row of a worker that an earlier master has forked."""
        return self._boards[pool].row(number)

    def free_all_but(self, taken: set[tuple[str, int]]) -> None:
        """After an upgrade: the rows that none of these workers has can be given out again."""
        for pool, number in taken:
            self._boards[pool].row(number)
        for board in self._boards.values():
            board.free = [row for row in board.rows if (row.pool, row.number) not in taken][::-1]

    def keep_only(self, pool: str) -> None:
        """In a worker, before anything else: nothing of other pools can be read or written."""
        for other in [name for name in self._boards if name != pool]:
            self._boards.pop(other).unmap()

    def close(self) -> None:
        """Gives all files up."""
        for board in self._boards.values():
            board.close()
        self._boards = {}


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


def nameless_file_with(what: str, data: bytes) -> int:
    """A file without a name that holds this; the descriptor. Raises OSError."""
    fd = nameless_file(what)
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BaseException:
        os.close(fd)
        raise
    return fd


def add(total: Score, more: Score) -> Score:
    """The sum of what may be summed; the rest stays as in ``total``."""
    return total._replace(**{name: getattr(total, name) + getattr(more, name) for name in SUMMED})
