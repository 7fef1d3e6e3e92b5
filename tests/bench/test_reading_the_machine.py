"""What is read: the output of the clients, /proc, strace and python -X importtime."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import clients, install, proc, startup, syscalls
from .startup import Import
from .syscalls import Call

WRK = """\
Running 1s test @ http://127.0.0.1:9402/
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    64.36us   67.36us   2.20ms   99.15%
    Req/Sec   160.46k     5.24k  165.47k    90.00%
  Latency Distribution
     50%  612.00us
     75%    1.01ms
     90%    1.20ms
     99%    1.20s
  158857 requests in 1.00s, 24.39MB read
Requests/sec: 158830.25
Transfer/sec:     24.39MB
"""
WRK_TROUBLE = """\
  Socket errors: connect 2, read 14066, write 0, timeout 9
  Non-2xx or 3xx responses: 7
"""
AB = """\
Complete requests:      50000
Failed requests:        0
Total transferred:      4800000 bytes
Requests per second:    24318.01 [#/sec] (mean)
Percentage of the requests served within a certain time (ms)
  50%     38
  99%     49
 100%     61 (longest request)
"""
AB_TROUBLE = """\
Complete requests:      50000
Failed requests:        5
   (Connect: 2, Receive: 0, Length: 3, Exceptions: 0)
Non-2xx responses:      4
Requests per second:    24318.01 [#/sec] (mean)
  50%     38
  99%     49
"""


def test_wrk_figures_are_read_in_milliseconds() -> None:
    assert clients.parse_wrk(WRK) == clients.Answered(158857, 158830.25, 0.612, 1200.0, 0, 0, 0)


def test_wrk_trouble_is_counted_but_not_the_read_errors_of_servers_that_close() -> None:
    answered = clients.parse_wrk(WRK + WRK_TROUBLE)
    assert (answered.wrong, answered.unconnected, answered.timed_out) == (7, 2, 9)


def test_ab_figures_are_read() -> None:
    assert clients.parse_ab(AB) == clients.Answered(50000, 24318.01, 38.0, 49.0, 0, 0, 0)


def test_ab_counts_failed_and_non_2xx_answers_as_wrong() -> None:
    answered = clients.parse_ab(AB_TROUBLE)
    assert (answered.wrong, answered.unconnected) == (9, 2)


def test_output_that_is_no_report_is_an_error_and_shows_its_last_line() -> None:
    with pytest.raises(clients.ClientError, match="unable to connect"):
        clients.parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize("trouble", [{"requests": 0}, {"wrong": 1}, {"unconnected": 1}])
def test_a_round_with_wrong_answers_is_no_measurement(trouble: dict[str, int]) -> None:
    with pytest.raises(clients.ClientError):
        clients.check(clients.parse_wrk(WRK)._replace(**trouble))


def test_a_program_name_with_spaces_and_brackets_does_not_shift_the_fields_of_stat() -> None:
    text = "77 (a) b (c) S 5 77 77 0 -1 4194560 1 2 3 4 120 30 0 0 20 0 1 0 99 1 1 1"
    assert proc.parse_parent(text) == 5


def test_uss_is_the_sum_of_the_private_pages() -> None:
    text = "0-1 ---p 0 0:0 0 [rollup]\nPss: 500 kB\nPrivate_Clean: 30 kB\nPrivate_Dirty: 4 kB\n"
    assert proc.parse_smaps_rollup(text) == (500, 34)


def test_program_and_python_library_are_found_in_the_maps() -> None:
    text = (
        "1-2 r-xp 0 fe:00 11 /opt/x y/server\n"
        "2-3 r-xp 0 fe:00 12 /usr/lib/libpython3.11.so.1.0\n"
        "3-4 r-xp 0 fe:00 13 /usr/lib/libc.so.6\n"
        "4-5 rw-p 0 00:00 0 [heap]\n"
        "5-6 rw-p 0 00:00 0\n"
    )
    assert proc.parse_maps(text, "/opt/x y/server") == {("fe:00", "11"), ("fe:00", "12")}


def test_the_reason_of_a_failed_build_is_the_first_error_of_the_compiler() -> None:
    log = "run\n  m.c:3:10: fatal error: ev.h: No such file\n  m.c:9: error: b\nerror: failed\n"
    assert install._reason(log) == "m.c:3:10: fatal error: ev.h: No such file"
    assert install._reason("ok\nERROR: No matching distribution\n") == "ERROR: No matching distribution"


LOAD = """\
requests 50000
per_second 48459.90
p50_ms 1.536
p99_ms 11.264
longest_ms 15.5
wrong 3
reconnected 4946
"""


def test_load_figures_are_read() -> None:
    assert clients.parse_load(LOAD) == clients.Answered(50000, 48459.9, 1.536, 11.264, 3, 0, 0, 15.5)


def test_load_that_gave_up_is_an_error_and_shows_its_last_line() -> None:
    with pytest.raises(clients.ClientError, match="no answer"):
        clients.parse_load("load: no answer: timed out\n")


def test_load_runs_for_a_time_unless_it_is_given_a_number() -> None:
    goal = clients.Goal(8000, 3, Path("load"))
    assert clients.load_command(goal, "-c", "2") == ["load", "-c", "2", "-d", "3", "127.0.0.1", "8000"]
    assert clients.load_command(goal, "-n", "9") == ["load", "-n", "9", "127.0.0.1", "8000"]


STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.25    0.100000          20      5000           sendto
 30.00    0.050000          10      5102       102 accept4
  9.75    0.000001           0         1         1 clock_nanosleep
------ ----------- ----------- --------- --------- ----------------
100.00    0.150001          14     10103       103 total
"""


def test_strace_table_is_read_from_the_most_frequent_call_and_without_its_sum() -> None:
    found = syscalls.parse_strace(STRACE)
    assert found == [Call("accept4", 5102, 102), Call("sendto", 5000, 0), Call("clock_nanosleep", 1, 1)]


def test_import_times_are_read_with_their_depth() -> None:
    text = "import time: self [us] | cumulative | imported package\n"
    text += (
        "import time:       120 |        120 |   _io\nimport time:      1000 |       1120 | site\nserving\n"
    )
    assert startup.parse_importtime(text) == [Import("_io", 120, 120, 1), Import("site", 1000, 1120, 0)]


def test_a_module_has_the_least_time_of_several_starts() -> None:
    starts = [[Import("re", 900, 2000, 0)], [Import("re", 700, 2100, 0)]]
    assert startup.least(starts) == [Import("re", 700, 2000, 0)]


def test_command_that_is_timed_is_waited_for_and_ended_when_it_takes_too_long() -> None:
    quick = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    assert startup._wait_for(quick) == 3
    endless = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    assert startup._wait_for(endless, 0.1) == -signal.SIGKILL
