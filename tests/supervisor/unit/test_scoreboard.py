"""The scoreboard: rows of shared memory that workers write and the master reads."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
from pathlib import Path

import pytest

from fapws.settings.core_limits import REQUEST_LINE
from fapws.supervisor.process.scoreboard import SCORE_SIZE, SUMMED, Score, Scoreboard, add, sensible

NOW = 10_000
"""Milliseconds."""


def test_row_is_as_large_as_the_structure_in_the_header() -> None:
    header = Path(__file__).resolve().parents[3] / "csrc" / "fapws.h"
    text = header.read_text()
    body = text[text.index("typedef struct {\n    uint64_t beat") : text.index("} fw_score;")]
    members = re.findall(r"uint64_t (\w+)(?:\[(\d+)\])?;", body)
    assert 8 * sum(int(count or 1) for _, count in members) + REQUEST_LINE == SCORE_SIZE
    assert (*(name for name, count in members if not count), "request_line") == Score._fields


def test_what_a_worker_writes_the_master_reads() -> None:
    board = Scoreboard()
    row, other = board.take("a"), board.take("a")
    pid = os.fork()
    if pid == 0:
        row.buffer()[:24] = struct.pack("=3Q", 1, 2, 3)
        os._exit(0)
    os.waitpid(pid, 0)
    assert row.read(NOW) == Score(beat=1, busy_since=2, requests=3)
    assert other.read(NOW) == Score()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks for descriptors in /proc")
def test_an_exec_closes_every_descriptor_of_it() -> None:
    board = Scoreboard()
    board.take("a")
    file = os.fstat(board.fd_of("a"))
    held = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            if os.path.samestat(os.fstat(int(name)), file):
                held.append(int(name))
    assert board.fd_of("a") in held
    assert not [fd for fd in held if os.get_inheritable(fd)]
    board.close()


def test_row_is_clean_for_its_next_worker() -> None:
    board = Scoreboard()
    row, _neighbour = board.take("a"), board.take("a")
    row.buffer()[:] = b"\xff" * SCORE_SIZE
    board.give_back(row)
    assert row.read(NOW) == Score(), "the others would wait for a worker that is gone"
    assert board.take("a").read(NOW) == Score()


def test_board_grows_when_a_reload_wants_more_workers() -> None:
    board = Scoreboard()
    rows = [board.take("a") for _ in range(100)]
    for number, row in enumerate(rows):
        row.buffer()[:8] = struct.pack("=Q", number)
    assert [row.read(NOW).beat for row in rows] == list(range(100))


def test_file_holds_tallies_only_where_they_are_wanted() -> None:
    """With RLIMIT_FSIZE at a page, a server without metrics must still start."""
    board = Scoreboard()
    rows = [board.take("a") for _ in range(40)]
    bare = os.fstat(board.fd_of("a")).st_size
    board.count(rows[-1]).clear()
    assert os.fstat(board.fd_of("a")).st_size > bare
    rows.append(board.take("a"))
    rows[-1].buffer()[:8] = struct.pack("=Q", 7)
    found = Scoreboard({"a": os.dup(board.fd_of("a"))})
    assert found.row("a", rows[-1].number).read(NOW).beat == 7
    assert found.count(found.row("a", 0), anew=False).read() is not None
    found.close()
    board.close()
    lone = Scoreboard()
    lone.take("a")
    assert os.fstat(lone.fd_of("a")).st_size == mmap.ALLOCATIONGRANULARITY
    lone.close()


def test_sums_leave_out_what_describes_a_moment() -> None:
    total = add(Score(requests=1, connections=5), Score(requests=2, connections=7))
    assert (total.requests, total.connections) == (3, 5)


def test_each_pool_has_a_file_of_its_own_which_ends_with_its_last_worker() -> None:
    board = Scoreboard()
    rows = {pool: board.take(pool) for pool in ("a", "b", "a")}
    files = board.fds()
    assert set(files) == {"a", "b"}
    assert len({os.fstat(fd).st_ino for fd in files.values()}) == 2
    board.give_back(rows["b"])
    assert set(board.fds()) == {"a"}
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(files["b"])
    board.close()


def test_a_worker_has_nothing_of_other_pools() -> None:
    board = Scoreboard()
    mine, other = board.take("a"), board.take("b")
    pid = os.fork()
    if pid == 0:
        board.keep_only("a")
        mine.buffer()[:8] = struct.pack("=Q", 5)
        try:
            other.read(NOW)
        except ValueError:  # mmap closed
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert mine.read(NOW).beat == 5
    assert other.read(NOW) == Score()
    board.close()


def test_an_upgrade_finds_rows_by_pool_and_number() -> None:
    board = Scoreboard()
    rows = [board.take(pool) for pool in ("a", "a", "b")]
    rows[1].buffer()[:8] = struct.pack("=Q", 7)
    later = Scoreboard({pool: os.dup(fd) for pool, fd in board.fds().items()})
    assert later.row("a", 1).read(NOW).beat == 7
    later.free_all_but({("a", 1), ("b", 0)})
    assert later.take("a").number == 0
    assert later.take("b").number == 1
    later.close()
    board.close()


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"beat": 2**64 - 5000}, {"beat": 9_000}),
        ({"beat": NOW + 1001}, {"beat": 9_000}),
        ({"beat": NOW + 999}, {"beat": NOW + 999}),
        ({"beat": 8_999}, {"beat": 9_000}),
        ({"beat": 9_500}, {"beat": 9_500}),
        ({"busy_since": 2**63}, {"busy_since": 9_000}),
        ({"busy_since": 0}, {"busy_since": 0}),
        ({"connections": 2**40}, {"connections": 3}),
        ({"connections": 0}, {"connections": 0}),
        ({"in_flight": 2**64 - 1}, {"in_flight": 0}),
        ({"rss": 2**60}, {"rss": 0}),
        *(({name: 2**54}, {name: 7}) for name in SUMMED),
        *(({name: 6}, {name: 7}) for name in SUMMED),
        *(({name: 8}, {name: 8}) for name in SUMMED),
    ],
)
def test_what_cannot_be_is_not_believed(said: dict[str, int], read: dict[str, int]) -> None:
    known = Score(beat=9_000, connections=3)._replace(**dict.fromkeys(SUMMED, 7))
    assert sensible(known._replace(**said), known, NOW) == known._replace(**read)
