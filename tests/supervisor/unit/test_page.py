"""The page for people: what it says of pools, workers and what failed last."""

from __future__ import annotations

from typing import Any

from support.page import Page

from fapws.supervisor.core import drain_rules
from fapws.supervisor.core.worker_states import BACKING_OFF
from fapws.supervisor.monitor.page import render


def worker(state: str, pid: int | None) -> dict[str, Any]:
    counts = dict.fromkeys(("slot", "age", "generation", "requests", "in_flight", "connections", "rss"), 0)
    return {"pool": "api", "state": state, "pid": pid, "cpu": None, "request": None, **counts}


def status(**more: Any) -> dict[str, Any]:
    return {
        "state": "degraded",
        "trouble": "",
        "config": "/a.ini",
        **dict.fromkeys(("pid", "generation", "uptime"), 1),
        "pools": [
            {"name": "blog", "serving": 2, "workers": 2, "asleep": False, "listen": ["unix:/b"]},
            {"name": "api", "serving": 0, "workers": 2, "asleep": False, "listen": ["unix:/a"]},
            {"name": "lazy", "serving": 0, "workers": 1, "asleep": True, "listen": ["unix:/l"]},
        ],
        "draining": {},
        "workers": [],
        "last_reload": None,
        "last_deaths": [],
        "totals": {"requests": 0, "in_flight": 0, "connections": 0},
        **more,
    }


def test_drained_pool_is_told_in_the_words_of_the_command() -> None:
    page = Page(render(status(draining={"blog": drain_rules.EMPTY}))).text
    assert "2 of 2 serving, drained: no client is to be sent here" in page
    page = Page(render(status(draining={"blog": drain_rules.EMPTYING}))).text
    assert "2 of 2 serving, draining: no client is to be sent here" in page


def test_pool_that_lacks_workers_and_worker_that_waits_are_marked() -> None:
    rows = render(status(workers=[worker("serving", 7), worker(BACKING_OFF, None)])).split("<tr")
    marked = [row for row in rows if row.startswith(' class="bad"')]
    assert len(marked) == 2
    assert ">api<" in marked[0] and BACKING_OFF in marked[1]


def test_last_death_comes_first() -> None:
    deaths = [{"ago": 9, "text": "the first"}, {"ago": 1, "text": "the second"}]
    page = Page(render(status(last_deaths=deaths))).text
    assert page.index("the second") < page.index("the first")
