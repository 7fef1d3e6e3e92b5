"""What `fapwsctl top` makes of two looks at a server."""

from __future__ import annotations

from typing import Any

import pytest

from fapws.cli.top_screen import Look, View, quantile, render, sorted_by, totals, workers

BOUNDS = [0.005, 0.25, 1.0, 10.0]


def worker(slot: int, pid: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "pool": "shop",
        "slot": slot,
        "pid": pid,
        "state": "serving",
        "age": 100.0,
        "requests": 0,
        "in_flight": 0,
        "connections": 0,
        "request": None,
        "request_age": None,
        "rss": 2**20,
        "cpu": 0.0,
        "busy": 0.0,
        "durations": [0, 0, 0, 0, 0],
        **more,
    }


def look(at: float, *rows: dict[str, Any], **more: Any) -> Look:
    reply = {
        "state": "running",
        "pid": 1,
        "generation": 1,
        "uptime": 5,
        "trouble": "",
        "draining": {},
        "pools": [{"name": "shop", "serving": len(rows), "workers": len(rows), "asleep": False}],
        "workers": list(rows),
        "last_reload": None,
        "last_deaths": [],
        "bounds": BOUNDS,
        **more,
    }
    return Look(at, reply)


def test_rates_are_differences_of_the_same_process() -> None:
    before = look(10.0, worker(0, requests=100, busy=1.0, cpu=5.0), worker(1, pid=8, requests=50))
    now = look(
        12.0,
        worker(0, requests=130, busy=2.0, cpu=5.5),
        worker(1, pid=9, requests=20, age=1.0),  # began meanwhile, in the place of another
        worker(2, pid=10, requests=1000),  # was there before, but not seen
    )
    rows = workers(before, now)
    assert [row.rate for row in rows] == [15.0, 10.0, None]
    assert (rows[0].busy, rows[0].cpu) == (0.5, 0.25)
    (pool,) = totals(rows, now.reply)
    assert pool.rate == 25.0 and pool.state == "3 of 3"
    assert [row.rate for row in workers(None, now)] == [None] * 3


def test_worker_that_has_computed_for_ages_is_busy_though_nothing_is_counted_yet() -> None:
    held = {"request": "GET /x", "request_age": 60.0}
    (row,) = workers(look(10.0, worker(0)), look(12.0, worker(0, **held)))
    assert row.busy == 1.0
    uncounted = {"busy": None, "durations": None}
    (row,) = workers(look(10.0, worker(0, **uncounted)), look(12.0, worker(0, **uncounted, **held)))
    assert row.busy == 1.0
    (row,) = workers(look(10.0, worker(0)), look(12.0, worker(0, request="GET /", request_age=0.5)))
    assert row.busy == 0.25


@pytest.mark.parametrize(
    ("durations", "half", "most"),
    [
        ((0, 0, 0, 0, 0), "-", "-"),
        ((99, 1, 0, 0, 0), "<5ms", "<5ms"),
        ((50, 45, 5, 0, 0), "<5ms", "<1s"),
        ((0, 0, 1, 0, 3), ">10s", ">10s"),
        ((0, 5, 0, 1, 0), "<250ms", "<10s"),
        (None, "-", "-"),
    ],
)
def test_percentiles_are_the_bounds_that_a_histogram_knows(durations: Any, half: str, most: str) -> None:
    assert (quantile(0.5, durations, BOUNDS), quantile(0.99, durations, BOUNDS)) == (half, most)


def test_lines_fit_and_what_has_no_room_is_counted() -> None:
    many = [worker(n, pid=n + 10, request="GET /" + "x" * 100, request_age=n) for n in range(64)]
    death = [{"ago": 3, "text": "worker \x1b[2J died"}]
    for width, height in ((80, 24), (200, 60), (20, 6)):
        lines = render(None, look(1.0, *many, last_deaths=death), View(width=width, height=height))
        assert len(lines) <= height and max(map(len, lines)) <= width
        assert not any("\x1b" in line for line in lines)
    lines = render(None, look(1.0, *many, last_deaths=death), View(order="age"))
    assert lines[4].startswith("shop/63 ") and "63s GET /xxx" in lines[4]
    left = next(int(line.split()[0]) for line in lines if "more workers" in line)
    assert sum(line.startswith("shop/") for line in lines) + left == 64
    assert any(line.startswith("death 3s ago: worker \\x1b[2J died") for line in lines)


def test_order_is_by_the_largest_or_by_name() -> None:
    rows = workers(None, look(1.0, worker(0, rss=1), worker(1, rss=3), worker(2, rss=2)))
    assert [row.rss for row in sorted_by(rows, "RSS")] == [3, 2, 1]
    assert [row.rss for row in sorted_by(rows, "worker")] == [1, 3, 2]


def test_newest_death_is_kept_and_a_reload_takes_one_line() -> None:
    deaths = [{"ago": 9 - n, "text": f"worker {n} died"} for n in range(8)]
    broken = 'Traceback (most recent call last):\n  File "a.py", line 1\nImportError: no b\n'
    reload = {"ok": False, "ago": 8, "text": broken}
    lines = render(None, look(1.0, worker(0), last_deaths=deaths, last_reload=reload), View(height=12))
    events = [line for line in lines if line.startswith(("last", "death"))]
    assert events[0].startswith("last reload: failed 8s ago: ImportError: no b (fapwsctl why")
    assert events[1] == "death 2s ago: worker 7 died"
    assert "worker 0" not in "\n".join(lines)


def test_workers_have_room_before_old_deaths() -> None:
    deaths = [{"ago": 9 - n, "text": f"worker {n} died"} for n in range(8)]
    lines = render(None, look(1.0, *(worker(n) for n in range(12)), last_deaths=deaths), View())
    assert sum(line.startswith("shop/") for line in lines) == 12
    assert "death 2s ago: worker 7 died" in lines and len(lines) <= 24


def test_line_that_is_cut_says_so() -> None:
    lines = render(None, look(1.0, worker(0, request="GET /" + "x" * 100, request_age=1)), View())
    (row,) = (line for line in lines if line.startswith("shop/0"))
    assert row.endswith("x~") and len(row) == 80


def test_pool_without_workers_is_told_beside_a_drained_one_and_sums_stand_apart() -> None:
    pools = [
        {"name": "shop", "serving": 1, "workers": 1, "asleep": False},
        {"name": "api", "serving": 0, "workers": 2, "asleep": False},
        {"name": "lazy", "serving": 0, "workers": 2, "asleep": True},
    ]
    lines = render(None, look(1.0, worker(0), pools=pools, draining={"shop": "empty"}), View())
    assert lines[2:4] == ["pool shop: 1 of 1 serving, drained", "pool api: 0 of 2 serving"]
    assert not any(line.startswith("pool lazy") for line in lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("shop "))
    assert lines[at - 1] == "" and lines[at - 2].startswith("shop/0")
