"""What is made of the figures: medians, ratios, plan, targets, the reports. No figure is checked."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from . import __main__ as bench
from . import clients, fair, markdown, measure, plan, plot, proc, results, text
from .crowd import Crowd
from .fair import Fair
from .measure import Round, Speed
from .memory import Phases, Rest
from .peers import BY_NAME, FAPWS, RECIPES
from .plan import Cell, Plan
from .preload import Preload
from .results import Json, Outcome
from .server import Facts
from .startup import Import, Start
from .syscalls import Call, Calls
from .targets import BEST_CLOSING, BEST_PYTHON, ITERABLE, NO_PEER, TARGETS, TITLES, Target, judge
from .workloads import DEFAULT, WORKLOADS

TREE = Path(__file__).resolve().parents[2]
ANSWERED = clients.Answered(50_000, 40_000.0, 0.6, 1.2, 0, 0, 0)


# ---- Medians and ratios ----------------------------------------------------------------------------


def test_spread_is_median_lowest_and_highest() -> None:
    assert results.spread([3.0, 1.0, 9.0, 2.0]) == {"median": 2.5, "low": 1.0, "high": 9.0}
    assert results.spread([]) is None


def test_ratio_is_of_the_medians_and_its_bounds_are_those_of_neighbouring_rounds() -> None:
    found = results.ratio([2.0, 4.0, 6.0], [4.0, 4.0, 8.0])
    assert found == {"median": 1.0, "low": 0.5, "high": 1.0}


def test_busiest_to_idlest_is_infinite_when_a_worker_got_nothing() -> None:
    assert fair.busiest_to_idlest([30, 20]) == 1.5
    assert fair.busiest_to_idlest([30, 0]) == float("inf")


# ---- The plan ----------------------------------------------------------------------------------------


def test_plan_gives_all_servers_long_rounds_while_time_allows() -> None:
    cells = [Cell(True, None), Cell(False, None)]
    assert plan.make(cells, 5, None, 1000) == Plan(5, 5, 5, 5)


def test_plan_cuts_slow_servers_first() -> None:
    cells = [Cell(True, None)] * 5 + [Cell(False, None)] * 5
    whole = plan.seconds(Plan(5, 5, 5, 5), cells)
    made = plan.make(cells, 5, None, whole - 1)
    assert (made.rounds, made.seconds) == (5, 5)
    assert made.far_seconds < 5


def test_plan_that_never_fits_keeps_the_rounds_of_rivals() -> None:
    made = plan.make([Cell(True, None)], 5, None, 0.0)
    assert (made.rounds, made.seconds) == (5, 1)


def test_seconds_that_were_asked_for_go_before_those_of_a_workload() -> None:
    made = plan.make([Cell(True, 5)], 5, 2, 1000)
    assert made.seconds_of(True, 5) == 2
    assert Plan(5, 1, 5, 1).seconds_of(True, 5) == 5


def test_the_whole_run_fits_into_its_time_with_all_rounds_of_rivals() -> None:
    asked = [
        Cell(measure.near(recipe, WORKLOADS[name]), WORKLOADS[name].fixed)
        for name in DEFAULT
        for recipe in RECIPES
        if measure.asked(recipe, WORKLOADS[name], told=False)
    ]
    whole = [one.near for one in RECIPES if one.does is None or "memory" in one.does]
    others = plan.beside(("memory", "startup", "syscalls", "fair", "crowd"), whole, plan.ROUNDS)
    made = plan.make(asked, plan.ROUNDS, None, plan.MINUTES * 60 - others)
    assert plan.seconds(made, asked) + others <= plan.MINUTES * 60
    assert made.rounds == plan.ROUNDS


# ---- Targets -----------------------------------------------------------------------------------------


def test_best_python_peer_is_neither_nginx_nor_fapws_on_any_python() -> None:
    cost = {"fapws": 8.0, "fapws-pypy": 3.0, "nginx": 5.0, "bjoern": 10.0, "uwsgi": 20.0}
    verdict = judge(Target("oneshot", BEST_PYTHON, 0.85), cost)
    assert (verdict.peer, verdict.figure, verdict.word) == ("bjoern", 0.8, "met")


@pytest.mark.parametrize(("fapws", "word"), [(9.0, "met"), (9.1, "not met")])
def test_target_is_met_up_to_its_limit(fapws: float, word: str) -> None:
    assert judge(Target("hello", "nginx", 0.9), {"fapws": fapws, "nginx": 10.0}).word == word


def test_target_without_a_peer_is_a_limit_of_the_figure_itself() -> None:
    assert judge(Target("ready", NO_PEER, 150.0), {"fapws": 151.0}).word == "not met"


@pytest.mark.parametrize("cost", [{}, {"fapws": 1.0}, {"nginx": 1.0}])
def test_target_without_figures_is_not_measured(cost: dict[str, float]) -> None:
    assert judge(Target("hello", "nginx", 0.9), cost).word == "not measured in this run"


def test_every_target_is_of_something_that_is_measured_against_a_server_that_is_started() -> None:
    for target in TARGETS:
        assert target.measured in WORKLOADS or target.measured in TITLES
        assert target.against in (NO_PEER, BEST_PYTHON, BEST_CLOSING) or target.against in BY_NAME


def test_rivals_named_in_targets_of_speed_are_asked_these_workloads() -> None:
    for target in TARGETS:
        if target.measured in DEFAULT and target.against in BY_NAME:
            assert measure.asked(BY_NAME[target.against], WORKLOADS[target.measured], told=False)


def test_servers_named_by_a_workload_are_started_and_able() -> None:
    for workload in WORKLOADS.values():
        for name in workload.peers or ():
            if name == "floor" and workload.name not in (BY_NAME[name].does or ()):
                continue  # it is beside the bursts of hello alone
            assert measure.asked(BY_NAME[name], workload, told=False), (workload.name, name)


def test_servers_that_are_named_are_asked_all_that_they_can() -> None:
    werkzeug, nginx = BY_NAME["werkzeug"], BY_NAME["nginx"]
    assert not measure.asked(werkzeug, WORKLOADS["flask"], told=False)
    assert measure.asked(werkzeug, WORKLOADS["flask"], told=True)
    assert not measure.asked(nginx, WORKLOADS["flask"], told=True)


def test_a_peer_that_forgets_close_is_not_the_one_that_close_is_compared_with() -> None:
    cost, target = {"fapws": 9.0, "fastpysgi": 5.0, "bjoern": 10.0}, Target("django", BEST_CLOSING, 0.93)
    assert judge(target, cost, {"fastpysgi"}).peer == "bjoern"
    assert judge(target, cost).peer == "fastpysgi"


def test_fapws_is_measured_first_and_names_are_of_one_server_each() -> None:
    assert RECIPES[0] is FAPWS
    assert len(BY_NAME) == len(RECIPES)


# ---- Reports -----------------------------------------------------------------------------------------


def _rounds(*cpu_us: float) -> list[Round]:
    return [Round(ANSWERED, figure, 1.0) for figure in cpu_us]


def _outcome() -> Outcome:
    speed = [
        Speed("fapws", _rounds(4.0, 6.0, 5.0), Facts(True, True)),
        Speed("nginx", _rounds(5.0, 5.0, 5.0), Facts(True, True)),
        Speed("gunicorn", _rounds(50.0), Facts(False, True), failure="a process ended under load"),
    ]
    listed, iterable = (
        [Speed("fapws", _rounds(figure), Facts(True, True))] for figure in (10.0, 11.0)
    )
    django = [
        Speed("fapws", _rounds(90.0), Facts(True, True, True)),
        Speed("fastpysgi", _rounds(80.0), Facts(True, True, False)),
        Speed("bjoern", _rounds(100.0), Facts(True, True, True)),
    ]
    names = ("network", "date", "day", "cpu", "cores", "memory", "system", "kernel", "python", "wrk", "ab")
    small, large = proc.Memory(2, 10240, 5120), proc.Memory(2, 20480, 9000)
    crowded = proc.Memory(2, 12288, 6000)
    return Outcome(
        machine=dict.fromkeys(names, "-"),
        versions={"fapws": "5.0", "nginx": "1.22", "gunicorn": "27", "uwsgi": "2"},
        neighbours=0.5,
        absent={"bjoern": "m.c:3:10: fatal error: <ev.h>"},
        plan=Plan(3, 1, 3, 1),
        speed={"hello": speed, "list": listed, "iterable": iterable, "django": django},
        memory=[
            Rest("fapws", [Phases(small, small, crowded, 10_000)]),
            Rest("uwsgi", [Phases(large, large, None, 1)], alone=False),
        ],
        startup=[Start("fapws", [42.0, 52.0, 47.0], [50.0, 61.0, 51.0])],
        imports=[Import("site", 1000, 1120, 0)],
        syscalls=[Calls("fapws", "hello", 1000, [Call("recvfrom", 2000, 500), Call("brk", 1, 0)])],
        fair=[Fair("keep-alive", [[60, 40]], [2.5]), Fair("a connection each", [[1, 0]], [1.0], 0.25)],
        crowd=[Crowd("fapws", [21.0, 18.0, 19.0], [1.0, 2.0, 1.5]), Crowd("nginx", [], [], "did not start")],
    )


@pytest.fixture
def data() -> Json:
    loaded: Json = json.loads(json.dumps(results.as_json(_outcome())))
    return loaded


def _verdicts(data: Json) -> dict[tuple[str, str], str]:
    return {(one["measured"], one["against"]): one["verdict"] for one in data["targets"]}


def test_text_shows_figures_ratios_and_every_failure(data: Json) -> None:
    shown = text.text(data)
    for expected in (
        "NOISY",
        "FAILED: bjoern: not installed: m.c:3:10: fatal error",
        "(4.00-6.00)",
        "1.00 (0.80-1.20)",
        "closes the connection after each answer",
        "FAILED: gunicorn: a process ended under load",
        "uwsgi: others ran the same program file",
        "held 1",
        "recvfrom 2.00 (0.50 in vain)",
        "one got none",
        "19.0  (18.0-21.0)",
        "FAILED: nginx: did not start",
        "does not call close()",
    ):
        assert expected in shown


def test_a_server_that_failed_half_way_is_not_compared_with(data: Json) -> None:
    words = _verdicts(data)
    assert words["hello", "gunicorn"] == "not measured in this run"
    assert words["hello", "nginx"] == "not met"  # 5.0 us each
    assert words["memory", "uwsgi"] == "met"


def test_limits_without_a_peer_are_judged(data: Json) -> None:
    words = _verdicts(data)
    assert words["idle", NO_PEER] == "met"
    assert words["ready", NO_PEER] == "met"
    assert words["fair-kept", NO_PEER] == "met"
    assert words["fair-single", NO_PEER] == "not met"


def test_the_longest_wait_and_quotients_of_two_workloads_are_judged(data: Json) -> None:
    words = _verdicts(data)
    assert words["crowd", NO_PEER] == "met"
    assert words[ITERABLE, NO_PEER] == "not met"  # 1.10
    assert words["django", BEST_CLOSING] == "met"  # bjoern's 100 us: fastpysgi forgets close()


def test_all_targets_are_told_measured_or_not(data: Json) -> None:
    assert len(data["targets"]) == len(TARGETS)
    assert text.targets(data).count("not measured in this run") == sum(
        one["figure"] is None for one in data["targets"]
    )


def test_json_has_every_round(data: Json) -> None:
    servers = data["speed"]["hello"]["servers"]
    assert [len(one["rounds"]) for one in servers] == [3, 3, 1]
    assert servers[0]["cpu_us"] == {"median": 5.0, "low": 4.0, "high": 6.0}


def test_runs_made_one_after_the_other_are_merged_and_judged_again(data: Json) -> None:
    beside = ("memory", "startup", "imports", "syscalls", "fair", "crowd")
    speed_only = {**data, **{section: [] for section in beside}}
    memory_only = {**data, "speed": {}}
    merged = results.merge(speed_only, memory_only)
    assert merged["targets"] == data["targets"]
    assert merged["syscalls"] == data["syscalls"]


def test_preload_is_told_in_mb_and_only_when_it_was_asked_for(data: Json) -> None:
    assert "preload" not in text.text(data)
    shared = Preload("fapws, preload", [3072.0], [2048.0], [4096.0], [3072.0], [40960.0], [12.5], [900.0])
    failed = Preload("uwsgi", [], [], [], [], [], [], [], "it has not got 8 workers")
    told = text.text(results.as_json(_outcome()._replace(preload=[shared, failed])))
    [line] = [line for line in told.splitlines() if line.startswith("fapws, preload")]
    assert line.split()[2:] == ["3.0", "2.0", "4.0", "3.0", "40.0", "12.5", "900.0"]
    assert "FAILED: uwsgi: it has not got 8 workers" in told


def test_table_of_preload_is_replaced_only_by_a_run_that_has_it(data: Json) -> None:
    assert "bench-preload" not in markdown.pages(data)[markdown.PERFORMANCE]
    shared = Preload("fapws, preload", [3072.0], [2048.0], [4096.0], [3072.0], [40960.0], [12.5], [900.0])
    failed = Preload("uwsgi", [], [], [], [], [], [], [], "it has not got 8 workers")
    later = results.as_json(_outcome()._replace(preload=[shared, failed]))
    piece = markdown.pages(results.merge(data, later))[markdown.PERFORMANCE]["bench-preload"]
    assert "| fapws, preload | 3.0 | 2.0 | 4.0 | 3.0 | 40 | 12 |" in piece
    assert "| uwsgi | fails: it has not got 8 workers | - | - | - | - | - |" in piece
    assert piece.endswith("`fapwsctl start` with 200 workers: 0.90 s.")


def test_preload_is_measured_by_its_name_and_not_in_a_whole_run() -> None:
    assert bench._options([], {}).beside == list(bench.BESIDE)
    assert bench._options(["--only", "preload"], {}).beside == ["preload"]


def test_a_round_with_little_cpu_time_carries_a_note() -> None:
    few = Round(ANSWERED._replace(requests=10), 5.0, 0.1)
    outcome = _outcome()._replace(speed={"hello": [Speed("fapws", [few], Facts(True, True))]})
    notes = results.as_json(outcome)["speed"]["hello"]["servers"][0]["notes"]
    assert any("longer rounds are needed" in note for note in notes)


def test_table_puts_names_left_and_figures_right() -> None:
    assert text.table([["a", "xx"], ["bbb", "1"]]) == "a    xx\nbbb   1"


# ---- README, docs/performance.md and the plot ----------------------------------------------------------


@pytest.mark.parametrize("path", [markdown.README, markdown.PERFORMANCE])
def test_pages_have_the_marks_of_their_pieces_and_take_new_ones(path: str, data: Json) -> None:
    page, pieces = (TREE / path).read_text(), markdown.pages(data)[path]
    rendered = markdown.put(page, pieces)
    assert markdown.put(rendered, pieces) == rendered
    for piece in pieces.values():
        assert piece in rendered
    outside = re.compile(r"(<!-- bench\S*: begin -->\n).*?(<!-- bench\S*: end -->)", re.DOTALL)
    assert outside.sub(r"\1\2", rendered) == outside.sub(r"\1\2", page)


def test_table_of_the_readme_has_the_columns_that_are_rendered(data: Json) -> None:
    heading = next(line for line in markdown.readme(data).splitlines() if line.startswith("| server"))
    assert heading in (TREE / markdown.README).read_text().splitlines()


def test_page_without_marks_is_refused() -> None:
    with pytest.raises(markdown.MarkError, match="bench"):
        markdown.put("nothing here\n", {"bench": "x"})


def test_markdown_tables_have_as_many_cells_in_each_row(data: Json) -> None:
    for pieces in markdown.pages(data).values():
        for piece in pieces.values():
            for block in re.findall(r"(?:^\|.*\|$\n?)+", piece, re.MULTILINE):
                assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_plot_is_xml_with_a_bar_for_each_figure_and_a_word_for_each_failure(data: Json) -> None:
    drawn = plot.svg(data)
    root = ElementTree.fromstring(drawn)
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    figures = [row for panel in plot.panels(data) for row in panel.rows if row.figure is not None]
    bars = [
        element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("fill-opacity")
    ]
    assert len(bars) == len(figures)
    assert any("a process ended under load" in word for word in words)
    assert any(word.startswith("5.0 µs") for word in words)


def test_plot_without_fapws_is_still_drawn(data: Json) -> None:
    servers = data["speed"]["hello"]["servers"]
    servers[0]["failure"] = "did not start"
    ElementTree.fromstring(plot.svg(data))
