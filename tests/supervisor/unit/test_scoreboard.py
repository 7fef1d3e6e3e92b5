"""The scoreboard: rows of shared memory that workers write and the master reads."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from fapws.settings.core_limits import REQUEST_LINE
from fapws.supervisor.process.scoreboard import SCORE_SIZE, Score, Scoreboard, add


def test_row_is_as_large_as_the_structure_in_the_header() -> None:
    header = Path(__file__).resolve().parents[3] / "csrc" / "fapws.h"
    text = header.read_text()
    body = text[text.index("typedef struct {\n    uint64_t beat") : text.index("} fw_score;")]
    members = re.findall(r"uint64_t (\w+)(?:\[(\d+)\])?;", body)
    assert 8 * sum(int(count or 1) for _, count in members) + REQUEST_LINE == SCORE_SIZE
    assert (*(name for name, count in members if not count), "request_line") == Score._fields


def test_what_a_worker_writes_the_master_reads() -> None:
    board = Scoreboard()
    row, other = board.take(), board.take()
    pid = os.fork()
    if pid == 0:
        row.buffer()[:24] = struct.pack("=3Q", 1, 2, 3)
        os._exit(0)
    os.waitpid(pid, 0)
    assert row.read() == Score(beat=1, busy_since=2, requests=3)
    assert other.read() == Score()


def test_row_is_clean_for_its_next_worker() -> None:
    board = Scoreboard()
    row = board.take()
    row.buffer()[:] = b"\xff" * SCORE_SIZE
    board.give_back(row)
    assert row.read() == Score(), "the others would wait for a worker that is gone"
    assert board.take().read() == Score()


def test_board_grows_when_a_reload_wants_more_workers() -> None:
    board = Scoreboard()
    rows = [board.take() for _ in range(100)]
    for number, row in enumerate(rows):
        row.buffer()[:8] = struct.pack("=Q", number)
    assert [row.read().beat for row in rows] == list(range(100))


def test_sums_leave_out_what_describes_a_moment() -> None:
    total = add(Score(requests=1, connections=5), Score(requests=2, connections=7))
    assert (total.requests, total.connections) == (3, 5)
