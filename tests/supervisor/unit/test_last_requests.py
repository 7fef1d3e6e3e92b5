"""What a worker leaves of its last requests: where it lies, and what of it is told."""

from __future__ import annotations

import os
import resource
import struct

from fapws._core import ffi, lib

from fapws.supervisor.core import texts
from fapws.supervisor.process import last_requests
from fapws.supervisor.process.last_requests import GOES_ON, KEPT, LAST_SIZE, LastRequest, LastRequests
from fapws.supervisor.process.scoreboard import SCORE_SIZE, Row, Scoreboard


def request(line: bytes, status: bytes = b"200", ms: int = 3, length: int | None = None) -> bytes:
    size = len(line) if length is None else length
    return struct.pack("=qQ3sB140s", 1, ms, status, size, line)


def remembered(board: Scoreboard, pool: str = "a") -> tuple[Row, LastRequests]:
    row = board.take(pool)
    board.remember(row)
    assert row.last
    return row, row.last


def write(last: LastRequests, count: int, *requests: bytes) -> None:
    data = struct.pack("=Q", count) + b"".join(requests)
    last.buffer()[: len(data)] = data


def test_area_is_as_the_header_says() -> None:
    assert ffi.sizeof("fw_last") == LAST_SIZE
    assert lib.FW_LAST_REQUESTS == KEPT
    assert lib.FW_LAST_GOES_ON == last_requests.NO_END
    assert lib.FW_REASONS == last_requests.REASONS
    assert lib.FW_LAST_LINE == last_requests.LINE_SIZE
    places = {name: field.offset for name, field in ffi.typeof("fw_last_request").fields}
    assert places == {"connection": 0, "ms": 8, "status": 16, "line_len": 19, "line": 20}


def test_latest_stand_at_the_end() -> None:
    _row, last = remembered(Scoreboard())
    write(last, 2, request(b"GET /a"), request(b"GET /b", b"404", 7))
    assert last.read() == (LastRequest("GET /a", "200", 3), LastRequest("GET /b", "404", 7))
    write(last, KEPT + 1, *(request(b"GET /%d" % number) for number in range(KEPT)))
    assert [found.line for found in last.read()] == [f"GET /{n}" for n in (*range(1, KEPT), 0)]


def test_whatever_a_worker_writes_there_is_bounded_and_harmless() -> None:
    _row, last = remembered(Scoreboard())
    last.buffer()[:] = b"\xff" * LAST_SIZE
    assert last.read() == ()
    forged = b"GET /\n2026-01-01 00:00:00+0000 master: all is well\x1b[2J\r\0\x9b"
    write(last, 4, request(forged), request(b"x" * 140, length=140), request(b"GET /", b"2\n0"), request(b""))
    (only,) = last.read()
    assert only.line.isprintable()
    assert "\\x0a2026" in only.line
    write(last, 2**64 - 1, *[request(b"\xff" * 140, length=137)] * KEPT)
    found = last.read()
    assert len(found) == KEPT
    lines = texts.last_requests(tuple(texts.answered(f.line, f.status, f.ms, False) for f in found))
    assert sum(map(len, lines)) < 32 * 700
    assert all(line.startswith("  ") and line.isprintable() for line in lines)


def test_next_worker_begins_without_any() -> None:
    board = Scoreboard()
    _first, _ = remembered(board)
    row, last = remembered(board)
    write(last, 1, request(b"GET /old"))
    last.buffer()[-8:] = struct.pack("=Q", 7)
    assert last.refused()[-1] == 7
    board.give_back(row)
    assert row.last is None
    again, fresh = remembered(board)
    assert again is row
    assert fresh.read() == ()
    assert fresh.refused() == (0,) * last_requests.REASONS


def test_rows_of_several_pages_keep_apart_and_from_what_is_counted() -> None:
    board = Scoreboard()
    rows = [remembered(board) for _ in range(40)]
    for number, (row, last) in enumerate(rows):
        board.count(row).buffer()[:] = b"\xff" * 1024
        row.buffer()[:] = b"\xff" * SCORE_SIZE
        last.buffer()[:] = b"\0" * LAST_SIZE
        write(last, 1, request(b"GET /%d" % number))
    assert [last.read()[0].line for _, last in rows] == [f"GET /{number}" for number in range(40)]


def test_successor_of_a_master_finds_them() -> None:
    board = Scoreboard()
    rows = [remembered(board) for _ in range(20)]
    row, last = rows[19]
    write(last, 1, request(b"GET /before"))
    later = Scoreboard({"a": os.dup(board.fds()["a"])})
    found = later.row("a", row.number)
    later.remember(found, anew=False)
    assert found.last
    assert [each.line for each in found.last.read()] == ["GET /before"]


def test_file_that_must_not_grow_costs_the_last_requests_and_nothing_else() -> None:
    board = Scoreboard()
    row = board.take("a")
    pid = os.fork()
    if pid == 0:  # the limit is for this child alone
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            board.remember(row)
            os._exit(0 if row.last is None else 2)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def test_response_without_an_end_says_so() -> None:
    assert texts.answered("GET /x", "200", GOES_ON, True) == "GET /x: 200, not to its end"
    assert texts.answered("GET /x", "500", 12, False) == "GET /x: 500, 12 ms"
    assert texts.last_requests(()) == ()
