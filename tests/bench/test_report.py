"""The pure parts of the bench: reading clients and /proc, medians, ratios, targets, the report."""

from __future__ import annotations

import json

import pytest

from . import clients, install, proc, report
from .measure import Rest, Round, Speed
from .report import Outcome, Spread
from .server import Facts
from .targets import BEST_PYTHON, MEMORY, Target, judge

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
    assert proc.parse_stat(text) == proc.Stat(parent=5, cpu_ticks=150)


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


def test_spread_is_median_lowest_and_highest() -> None:
    assert report.spread([3.0, 1.0, 9.0, 2.0]) == Spread(2.5, 1.0, 9.0)


def test_ratio_is_of_the_medians_and_its_bounds_are_those_of_neighbouring_rounds() -> None:
    assert report.ratio([2.0, 4.0, 6.0], [4.0, 4.0, 8.0]) == Spread(1.0, 0.5, 1.0)


def test_resolution_is_the_share_of_a_tick_in_the_shortest_round() -> None:
    shortest = Round(clients.parse_wrk(WRK)._replace(requests=1000), 1000.0, 1.0)  # 1 s
    assert report.resolution([*_rounds(100.0), shortest]) == 1 / proc.TICKS_PER_SECOND
    assert report.resolution([]) == 0.0


def test_best_python_peer_is_neither_nginx_nor_fapws() -> None:
    cost = {"fapws": 8.0, "nginx": 5.0, "bjoern": 10.0, "uwsgi": 20.0}
    verdict = judge(Target("oneshot", BEST_PYTHON, 0.85), cost)
    assert (verdict.peer, verdict.ratio, verdict.word) == ("bjoern", 0.8, "met")


@pytest.mark.parametrize(("fapws", "word"), [(9.0, "met"), (9.1, "not met")])
def test_target_is_met_up_to_its_limit(fapws: float, word: str) -> None:
    assert judge(Target("hello", "nginx", 0.9), {"fapws": fapws, "nginx": 10.0}).word == word


@pytest.mark.parametrize("cost", [{}, {"fapws": 1.0}, {"nginx": 1.0}])
def test_target_without_figures_is_not_measured(cost: dict[str, float]) -> None:
    assert judge(Target("hello", "nginx", 0.9), cost).word == "not measured"


def _rounds(*cpu_us: float) -> list[Round]:
    answered = clients.parse_wrk(WRK)
    return [Round(answered, figure, 1.0) for figure in cpu_us]


def _outcome() -> Outcome:
    speed = [
        Speed("fapws", _rounds(4.0, 6.0, 5.0), Facts(True, True)),
        Speed("nginx", _rounds(5.0, 5.0, 5.0), Facts(True, True)),
        Speed("gunicorn", _rounds(50.0), Facts(False, True), failure="a process ended under load"),
    ]
    memory = [
        Rest("fapws", [proc.Memory(2, 10240, 5120)]),
        Rest("uwsgi", [proc.Memory(2, 20480, 9000)], alone=False),
    ]
    names = ("date", "cpu", "cores", "memory", "system", "kernel", "python", "wrk")
    machine = dict.fromkeys(names, "-")
    absent = {"bjoern": "m.c:3:10: fatal error: ev.h"}
    return Outcome(machine, {"fapws": "5.0"}, 0.5, absent, 3, 1, {"hello": speed}, memory)


def test_report_shows_figures_ratios_and_every_failure() -> None:
    text = report.text(_outcome())
    for expected in (
        "NOISY",
        "NOT MEASURED: bjoern: m.c:3:10: fatal error: ev.h",
        "(4.00-6.00)",
        "1.00 (0.80-1.20)",
        "closes the connection after each answer",
        "FAILED: a process ended under load",
        "uwsgi: others ran the same program file",
    ):
        assert expected in text


def test_a_server_that_failed_half_way_is_not_compared_with() -> None:
    verdicts = {v.target: v.word for v in report.verdicts(_outcome())}
    assert verdicts[Target("hello", "gunicorn", 0.15)] == "not measured"
    assert verdicts[Target("hello", "nginx", 1.10)] == "met"
    assert verdicts[Target(MEMORY, "uwsgi", 1.00)] == "met"


def test_json_has_every_round_and_verdict() -> None:
    data = json.loads(json.dumps(report.as_json(_outcome())))
    assert [len(one["rounds"]) for one in data["speed"]["hello"]] == [3, 3, 1]
    assert data["speed"]["hello"][0]["cpu_us_per_request"] == {
        "median": 5.0,
        "low": 4.0,
        "high": 6.0,
    }
    assert {row["verdict"] for row in data["targets"]} == {"met", "not measured"}


def test_table_puts_names_left_and_figures_right() -> None:
    assert report.table([["a", "xx"], ["bbb", "1"]]) == "a    xx\nbbb   1"
