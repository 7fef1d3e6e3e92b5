"""What workers count for metrics: where it lies, and what of it is believed."""

from __future__ import annotations

import os
import re
import struct
from itertools import accumulate
from pathlib import Path

from fapws._core import ffi, lib

from fapws.supervisor.core import worker_states as states
from fapws.supervisor.core.children import Child
from fapws.supervisor.process import tallies
from fapws.supervisor.process.books import Books, why
from fapws.supervisor.process.scoreboard import Scoreboard

CORE = Path(__file__).resolve().parents[3] / "csrc"


def test_area_is_as_the_header_says() -> None:
    assert ffi.sizeof("fw_tally") == tallies.TALLY_SIZE
    places = {name: field.offset // 8 for name, field in ffi.typeof("fw_tally").fields}
    assert places == {
        "classes": tallies.CLASSES,
        "duration_ms": tallies.DURATION,
        "durations": tallies.DURATIONS,
        "busy_ms": tallies.BUSY,
        "log_lost": tallies.LOG_LOST,
        "connections": tallies.CONNECTIONS,
        "refused": tallies.REFUSED,
        "reserved": tallies.END,
    }
    assert len(tallies.CONNECTION_STATES) == lib.FW_TALLY_KINDS


def test_bounds_are_those_of_the_core() -> None:
    text = (CORE / "conn" / "tally.c").read_text()
    assert lib.FW_REASONS == tallies.END - tallies.REFUSED
    first = re.findall(r"FW_TALLY_FIRST (\d+)", (CORE / "conn" / "tally.h").read_text())
    _, _, body = text[: text.index("};")].partition("FW_TALLY_FIRST,")
    assert tuple(int(ms) / 1000 for ms in (*first, *re.findall(r"\d+", body))) == tallies.BOUNDS


def test_every_code_of_the_core_has_its_place() -> None:
    text = (CORE / "error.h").read_text()
    codes = [int(code) for code in re.findall(r"X\(FW_\w+, (-\d+),", text)]
    assert len(codes) > 20
    assert min(codes) > tallies.REFUSED - tallies.END


def test_worker_counts_behind_its_row_and_the_next_one_begins_at_zero() -> None:
    board = Scoreboard()
    rows = [board.take("a") for _ in range(40)]  # of several pages
    for row in rows:
        board.count(row)
    for number, row in enumerate(rows):
        assert row.tally
        row.tally.buffer()[: 2 * 8] = struct.pack("=2Q", number, 7)
        row.buffer()[:8] = struct.pack("=Q", 1)
    for number, row in enumerate(rows):
        assert row.tally and row.tally.read()[:3] == (number, 7, 0)
    last = rows[-1]
    board.give_back(last)
    assert last.tally is None
    again = board.take("a")
    assert board.count(again).read() == tallies.NOTHING


def test_successor_of_a_master_finds_what_was_counted() -> None:
    board = Scoreboard()
    rows = [board.take("a") for _ in range(20)]
    board.count(rows[19]).buffer()[:8] = struct.pack("=Q", 5)
    later = Scoreboard({"a": os.dup(board.fds()["a"])})
    row = later.row("a", rows[19].number)
    assert later.count(row, anew=False).read()[0] == 5


def test_place_told_to_another_process_is_the_same() -> None:
    board = Scoreboard()
    rows = [board.take("a") for _ in range(20)]
    tally = board.count(rows[18])
    tally.buffer()[:] = b"\1" * tallies.TALLY_SIZE
    place = rows[18].tally_place()
    data = os.pread(board.fds()["a"], place.length, place.offset + place.start)
    assert data == b"\1" * tallies.TALLY_SIZE


def test_nonsense_of_a_worker_leaves_what_was_known() -> None:
    known = tuple(accumulate([1] * tallies.TALLY_WORDS))
    assert tallies.sensible((2**64 - 1,) * tallies.TALLY_WORDS, known) == known
    back = tallies.sensible(tallies.NOTHING, known)
    moment = range(tallies.CONNECTIONS, tallies.CONNECTIONS + lib.FW_TALLY_KINDS)
    assert all(
        back[place] == (0 if place in moment else known[place]) for place in range(tallies.TALLY_WORDS)
    )
    more = tuple(word + 1 for word in known)
    assert tallies.sensible(more, known) == more


def test_sum_leaves_out_what_describes_a_moment() -> None:
    one = (1,) * tallies.TALLY_WORDS
    total = tallies.add(one, one)
    assert total[tallies.CLASSES] == total[tallies.REFUSED] == total[tallies.BUSY] == 2
    assert total[tallies.CONNECTIONS] == 1


def test_ends_of_workers_have_their_reason_and_survive() -> None:
    child = Child(1, "blog", 0, 1, states.SERVING, 0.0, 0.0, 0.0, 0.0)
    assert [why(child, status) for status in (0, 3, -9)] == ["exit", "exit", "signal"]
    assert why(child._replace(state=states.STARTING), 1) == "boot"
    assert why(child._replace(state=states.KILLED), -9) == "boot"
    assert why(child._replace(state=states.KILLED, hung="so long"), -9) == "hang"
    draining = child._replace(state=states.DRAINING)
    assert [why(draining, status) for status in (0, -9)] == ["drained", "killed_draining"]
    books = Books()
    books.worker_ends(child, "blog", -9)
    books.worker_ends(child, "blog", -9)
    books.reload_ends(False)
    later = Books(books.saved(3))
    assert later.exits == {("blog", "signal"): 2}
    assert later.reloads == {"success": 0, "failure": 1}
    assert (later.read_at, later.log_lines_lost) == (books.read_at, 3)
