"""The parts that own one thing of the operating system each, with the fallbacks forced."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import time
from math import inf
from pathlib import Path
from typing import Any

import pytest

from fapws import descriptors
from fapws.cli import status_text
from fapws.supervisor.control.control_socket import peer
from fapws.supervisor.core import texts
from fapws.supervisor.core.children import Child
from fapws.supervisor.logs.error_log import Log
from fapws.supervisor.process import daemon, title
from fapws.supervisor.process.scoreboard import REQUEST_LINE, SCORE_SIZE, Score, Scoreboard, add
from fapws.supervisor.process.signals import Signals
from fapws.supervisor.waiting import PollWaiter, SelectWaiter, Waiter

# ---- Scoreboard ----------------------------------------------------------------------------------


def test_row_is_as_large_as_the_structure_in_the_header() -> None:
    header = Path(__file__).resolve().parents[2] / "csrc" / "fapws.h"
    text = header.read_text()
    body = text[text.index("typedef struct {\n    uint64_t beat") : text.index("} fw_score;")]
    members = re.findall(r"uint64_t (\w+)(?:\[(\d+)\])?;", body)
    assert 8 * sum(int(count or 1) for _, count in members) + REQUEST_LINE == SCORE_SIZE
    assert f"#define FW_REQUEST_LINE {REQUEST_LINE}\n" in text
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


# ---- Log -----------------------------------------------------------------------------------------


def test_log_line_has_time_and_role(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.write("hello\n")
    log.close()
    line = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} master: hello\n", line)


def test_log_is_reopened_by_its_name(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.write("one")
    (tmp_path / "log").rename(tmp_path / "old")
    log.reopen()
    log.write("two")
    log.close()
    assert "one" in (tmp_path / "old").read_text()
    assert "two" in (tmp_path / "log").read_text()


def test_log_that_cannot_be_reopened_stays_with_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    log = Log(str(tmp_path / "d" / "log"))
    (tmp_path / "d").rename(tmp_path / "e")
    log.reopen()
    log.write("still here")
    log.close()
    text = (tmp_path / "e" / "log").read_text()
    assert "cannot reopen" in text
    assert "still here" in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_costs_lines_and_nothing_else() -> None:
    log = Log("/dev/full")
    log.write("lost")
    log.write("lost")
    assert log.lost == 2
    log.close()


# ---- Descriptors, waiting, signals ----------------------------------------------------------------


@pytest.mark.parametrize("directories", [("/proc/self/fd", "/dev/fd"), ("/nowhere",), ()])
def test_only_what_is_kept_stays_open(directories: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    report_reader, report_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        descriptors.close_all_but((0, 1, 2, writer, report_writer), directories)
        answer = b""
        for fd in (reader, writer, report_reader):
            try:
                os.fstat(fd)
                answer += b"o"
            except OSError:
                answer += b"-"
        os.write(report_writer, answer)
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(report_reader, 10) == b"-o-"
    for fd in (reader, writer, report_reader, report_writer):
        os.close(fd)


@pytest.mark.skipif(not hasattr(socket, "MSG_CMSG_CLOEXEC"), reason="this system sets the flag afterwards")
def test_descriptors_arrive_close_on_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a moment later: a thread that forks and execs in between would hand them on."""
    monkeypatch.setattr(os, "set_inheritable", lambda *_: pytest.fail("too late"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert descriptors.send(ours.fileno(), b"x", [0])
        data, (fd,) = descriptors.receive(theirs.fileno(), 10)
    try:
        assert data == b"x" and not os.get_inheritable(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("make", [PollWaiter, SelectWaiter])
def test_waiter_tells_who_can_be_read_and_written(make: type[Waiter]) -> None:
    waiter = make()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiter.watch(ours.fileno())
        assert waiter.wait(0.0) == []
        theirs.send(b"x")
        ((fd, readable, writable),) = waiter.wait(inf)
        assert (fd, readable, writable) == (ours.fileno(), True, False)
        waiter.watch(ours.fileno(), write=True)
        assert waiter.wait(inf) == [(ours.fileno(), True, True)]
        waiter.forget(ours.fileno())
        assert waiter.wait(0.0) == []


@pytest.mark.parametrize("make", [PollWaiter, SelectWaiter])
def test_waiter_tells_the_end_of_the_other_side(make: type[Waiter]) -> None:
    waiter = make()
    reader, writer = os.pipe()
    waiter.watch(reader)
    os.close(writer)
    assert [ready.readable for ready in waiter.wait(1.0)] == [True]
    os.close(reader)


def test_deadline_has_passed_after_the_wait() -> None:
    before = time.monotonic()
    PollWaiter().wait(0.0105)
    assert time.monotonic() - before >= 0.0105


def test_storm_of_signals_is_one_note_and_hides_no_other() -> None:
    import signal

    signals = Signals()
    signals.install()
    try:
        for _ in range(70_000):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.take() == {signal.SIGHUP, signal.SIGTERM}
        assert signals.take() == set()
        os.kill(os.getpid(), signal.SIGUSR1)
        waiter = PollWaiter()
        waiter.watch(signals.fd)
        assert waiter.wait(5.0), "the loop is woken again"
    finally:
        signals.restore()


# ---- Titles, peers, texts --------------------------------------------------------------------------


def test_title_goes_where_the_system_wants_it_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "comm").write_text("")
    title.set_title("fapws: a-very-long-name/17", str(tmp_path / "comm"))
    assert (tmp_path / "comm").read_text() == "fapws: a-very-l"
    title.set_title("fapws", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_peer_without_a_name_is_left_to_the_mode_of_the_file() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.ids(ours, None) is None
        assert peer.may_command(ours)


def child(state: str = "serving", reason: str = "", failures: int = 1) -> Child:
    return Child(1, "blog", 0, 1, state, 0.0, 0.0, inf, 25.0, failures, reason)


def test_texts_of_deaths() -> None:
    assert texts.death(child(), 12, -9, 3.21, 1) == (
        "worker blog/0 (pid 12) was killed by SIGKILL after 3.2 s, 1 request served"
    )
    assert texts.death(child("starting"), 12, 3, 0.1, 0) == (
        "worker blog/0 (pid 12) exited with status 3 before it was ready"
    )
    assert "not ready in 60.0 s" in texts.death(child("killed"), 12, -9, 60.0, 0)
    assert texts.death(child("starting"), 0, 1, 0.0, 0) == "worker blog/0 could not be started"
    assert texts.ending(-250) == "was killed by signal 250"


def test_traceback_is_logged_whole_once_and_then_by_its_last_line() -> None:
    assert texts.boot_reason(child(reason="Traceback\nE: x\n")) == "\nTraceback\nE: x"
    assert texts.boot_reason(child(reason="Traceback\nE: x\n", failures=2)) == "\nE: x"
    assert texts.boot_reason(child()) == ""


def test_status_for_people_is_a_table() -> None:
    totals = {"requests": 10, "in_flight": 1, "connections": 2}
    worker = {"pool": "blog", "slot": 0, "pid": None, "state": "backing-off", "age": 7300.0}
    counts = {"generation": 3, "requests": 0, "in_flight": 0, "connections": 0}
    answer = {
        "state": "degraded",
        "pid": 1,
        "generation": 3,
        "uptime": 200.0,
        "pools": [{"name": "blog", "listen": ["http://[::]:80", "unix:/s"], "workers": 1, "serving": 0}],
        "workers": [{**worker, **counts}],
        "totals": totals,
        "last_reload": {"ok": False, "text": "Traceback\nE: x", "ago": 5.0},
        "last_deaths": [{"text": "worker blog/0 died", "ago": 1.0}],
    }
    status_text.add_usage(answer)
    lines = status_text.render(answer).splitlines()
    assert lines[0] == "fapws: degraded (pid 1), generation 3, up 3m"
    assert lines[1] == "pool blog: 0 of 1 serving on http://[::]:80, unix:/s"
    assert lines[3].split() == ["blog/0", "-", "backing-off", "2h", "3", "0", "0", "0", "-", "-"]
    assert lines[4].split() == ["total", "10", "1", "2"]
    assert lines[5:] == [
        "last reload: failed 5s ago:",
        "Traceback",
        "E: x",
        "death 1s ago: worker blog/0 died",
    ]


@pytest.mark.parametrize("ask", [status_text._usage_of_proc, status_text._usage_of_ps])
def test_memory_and_processor_time_of_a_process_are_told(ask: Any) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                told = ask([busy.pid])
                if told and told[busy.pid][1] >= 1.0:
                    break
        finally:
            busy.kill()
    if ask is status_text._usage_of_proc and not os.path.isdir("/proc/self/fd"):
        assert told == {}
        return
    rss, cpu = told[busy.pid]
    assert 10**6 < rss < 10**9
    assert 1.0 <= cpu < 20.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:07", 7.0), ("1-02:03:04", 93784.0), ("0:12.34", 12.34), ("210:01.50", 12601.5)],
)
def test_processor_time_as_ps_writes_it(text: str, seconds: float) -> None:
    assert status_text.cpu_seconds(text) == seconds


# ---- Daemon ----------------------------------------------------------------------------------------


def test_daemon_that_ends_without_a_word_is_a_failed_start() -> None:
    outcome = daemon.start(lambda tell: 0, 30.0)
    assert (outcome.status, outcome.late) == (1, False)
    assert "without a word" in outcome.text


def test_daemon_tells_once_whatever_the_size() -> None:
    def serve(tell: object) -> int:
        assert callable(tell)
        tell(6, "x" * 200_000)
        tell(0, "never heard")
        return 0

    outcome = daemon.start(serve, 30.0)
    assert (outcome.status, outcome.text) == (6, "x" * 200_000)


def test_daemon_that_breaks_tells_its_traceback() -> None:
    def serve(tell: object) -> int:
        raise RuntimeError("broken")

    outcome = daemon.start(serve, 30.0)
    assert outcome.status == 1
    assert "RuntimeError: broken" in outcome.text
