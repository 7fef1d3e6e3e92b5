"""conf/samples/dashboard under Fapws: what it shows, to whom, and what becomes of hostile names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from support.page import Page
from support.rooted import needs_proc, proc_status
from support.samples import SAMPLES, running, wait_for
from support.server import Server

WORKER_RSS = 25_000 if sys.implementation.name == "cpython" else 100_000
"""kB that the dashboard's worker may take: the box is small. PyPy begins with twice that."""
PARTS = ("Processor", "Load", "Memory", "Network", "Fapws", "Disks", "Interfaces", "Processes by CPU")
HOSTILE = "<script>x</script>".replace("/", "")
"""As a file's name, which cannot hold a slash; psutil tells it whole."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One worker, sampling fast, that shows all processes."""
    with running(
        "dashboard/dashboard.py", tmp_path, DASHBOARD_INTERVAL="0.1", DASHBOARD_TOP="1000"
    ) as server:
        yield server


def under_ini(tmp_path: Path, workers: int = 1, **env: str) -> Server:
    """With a control socket."""
    folder = shutil.copytree(SAMPLES / "dashboard", tmp_path / "sample")
    control = tmp_path / "control"
    variables = {"DASHBOARD_CONTROL": str(control), "DASHBOARD_INTERVAL": "0.1", **env}
    lines = [f"workers = {workers}", "[fapws]", f"control = {control}", "[app:app:env]"]
    lines += [f"{name} = {value}" for name, value in variables.items()]
    return Server(folder / "dashboard.py", options="\n".join(lines))


def numbers(server: Server, browser: requests.Session) -> dict[str, Any]:
    answer = browser.get(server.url + "/metrics.json", timeout=20)
    assert answer.status_code == 200
    return dict(json.loads(answer.text, parse_constant=pytest.fail))


# ---- The page ------------------------------------------------------------------------------------


def test_page_has_its_parts_and_is_whole(server: Server, browser: requests.Session) -> None:
    answer = browser.get(server.url, timeout=20)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert set(PARTS) <= set(page.headings)
    assert page.headings[1] in ("All is well", "1 thing to look at") or "things to look" in page.headings[1]
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labels) <= set(page.ids)
    assert page.elements.count("h1") == 1 and page.elements.count("svg") >= 4
    assert page.elements.count("title") == 1 + page.elements.count("desc") == 5
    assert ("meta", "name", "viewport") in page.attributes
    assert {value for tag, name, value in page.attributes if tag == "th" and name == "scope"} == {
        "col",
        "row",
    }


def test_page_loads_nothing_from_elsewhere_and_its_policy_says_so(
    server: Server, browser: requests.Session
) -> None:
    answer = browser.get(server.url, timeout=20)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    page = Page(answer.text)
    links = [value for _, name, value in page.attributes if name in ("href", "src", "action")]
    assert set(links) == {"data:,", "metrics.json", "?refresh=5", "?refresh=10", "?refresh=60", "?refresh=0"}
    assert not [pair for pair in page.attributes if pair[1] == "style" or pair[1].startswith("on")]
    nonces = {value for _, name, value in page.attributes if name == "nonce"}
    assert len(nonces) == 1 and f"'nonce-{nonces.pop()}'" in policy
    assert policy != browser.get(server.url, timeout=20).headers["Content-Security-Policy"]
    assert "form" not in page.elements


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", 10), ("?refresh=60", 60), ("?refresh=0", 0), ("?refresh=1", 2), ("?refresh=x&a", 10)],
)
def test_refresh_is_what_the_query_wants(
    server: Server, browser: requests.Session, query: str, seconds: int
) -> None:
    text = browser.get(server.url + "/" + query, timeout=20).text
    again = re.findall(r'<noscript><meta http-equiv="refresh" content="(\d+)"></noscript>', text)
    assert again == ([str(seconds)] if seconds else [])
    assert f'data-seconds="{seconds}"' in text
    assert f'href="?refresh={seconds}" aria-current="true"' in text


def test_nothing_is_kept_and_head_is_like_get(server: Server, browser: requests.Session) -> None:
    for path, kind in (("/", "text/html; charset=utf-8"), ("/metrics.json", "application/json")):
        answer = browser.head(server.url + path, timeout=20)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nothing", "/metrics.jsonx", "/metrics.json/", "/favicon.ico", "/%3Cb%3E"])
def test_other_paths_are_not_found(server: Server, browser: requests.Session, path: str) -> None:
    assert browser.get(server.url + path, timeout=20).status_code == 404


def test_nothing_can_be_changed(server: Server, browser: requests.Session) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = browser.request(method, server.url, timeout=20)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_only_names_of_this_machine_are_answered(tmp_path: Path, browser: requests.Session) -> None:
    """A web site that gives its own name our address must not read us through a visitor's browser."""
    with under_ini(tmp_path, DASHBOARD_HOSTS="Status.example.org") as server:
        for host, status in (
            ("evil.example", 403),
            ("evil.example:8888", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost", 200),
            ("[::1]:80", 200),
            ("10.0.0.300", 403),
            (os.uname().nodename, 200),
            ("status.example.org:443", 200),
        ):
            for path in ("/", "/metrics.json"):
                answer = browser.get(server.url + path, headers={"Host": host}, timeout=20)
                assert (host, answer.status_code) == (host, status)


# ---- Hostile names -------------------------------------------------------------------------------


def test_name_of_a_process_is_escaped(server: Server, tmp_path: Path, browser: requests.Session) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    process = subprocess.Popen([shutil.copy(sleep, tmp_path / HOSTILE), "60"])
    try:
        wait_for(lambda: psutil.Process(process.pid).name() == HOSTILE, "it bears its name")
        text = browser.get(server.url, timeout=20).text
        assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in text
        assert HOSTILE not in text
        Page(text)
        names = [row["name"] for row in numbers(server, browser)["processes"]["by_memory"]]
        assert HOSTILE in names
    finally:
        process.kill()
        process.wait()


@needs_proc
def test_name_that_is_no_text_is_shown_all_the_same(
    server: Server, tmp_path: Path, browser: requests.Session
) -> None:
    """Linux takes any bytes for a name, and Python's text of them cannot be encoded."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    odd = os.fsencode(tmp_path) + b"/odd\xff\xfe\n"
    process = subprocess.Popen([shutil.copy(os.fsencode(sleep), odd), "60"])
    try:
        wait_for(lambda: psutil.Process(process.pid).name().startswith("odd"), "it bears its name")
        assert "odd??" in browser.get(server.url, timeout=20).text
        names = {row["name"].strip() for row in numbers(server, browser)["processes"]["by_memory"]}
        assert "odd??" in names
    finally:
        process.kill()
        process.wait()


def test_settings_are_escaped(tmp_path: Path, browser: requests.Session) -> None:
    nasty = "</title><script>alert('&')</script>"
    with under_ini(tmp_path, DASHBOARD_TITLE=nasty, DASHBOARD_SERVICES=f"{nasty}=<i>, /tmp/<b>") as server:
        text = browser.get(server.url, timeout=20).text
    assert Page(text).elements.count("script") == 1
    assert "alert('" not in text and "<b>" not in text and "<i>" not in text
    assert Page(text).headings[0] == nasty


# ---- The numbers ---------------------------------------------------------------------------------


def test_numbers_agree_with_psutil(server: Server, browser: requests.Session) -> None:
    process = psutil.Process(numbers(server, browser)["worker_pid"])

    def at_rest() -> dict[str, Any] | None:
        """What is told when the worker's heap, PyPy's above all, does not grow between two looks."""
        before = process.memory_info().rss
        told = numbers(server, browser)
        rss = next(iter(told["fapws"]["workers"]))["rss_bytes"]
        after = process.memory_info().rss
        return told if min(before, after) - 5 * 2**20 < rss < max(before, after) + 5 * 2**20 else None

    found = wait_for(at_rest, "numbers that agree")
    memory, swap, root = psutil.virtual_memory(), psutil.swap_memory(), psutil.disk_usage("/")
    assert found["memory"]["total_bytes"] == memory.total
    assert abs(found["memory"]["available_bytes"] - memory.available) < memory.total / 4
    assert found["swap"]["total_bytes"] == swap.total
    assert [d["total_bytes"] for d in found["disks"] if d["mount"] == "/"] == [root.total]
    assert abs(found["uptime_s"] - (found["time"] - psutil.boot_time())) < 5
    assert found["cores"] == psutil.cpu_count()
    assert len(found["load"]) == 3 and min(found["load"]) >= 0
    assert {one["name"] for one in found["network"]["interfaces"]} <= set(psutil.net_io_counters(pernic=True))
    assert found["troubles"] is not None and found["missing_psutil"] == ""
    worker = next(iter(found["fapws"]["workers"]))
    assert worker["pid"] == found["worker_pid"] and worker["name"] == "dashboard/0"
    assert found["fapws"]["master"]["pid"] == server.pid
    heavy = found["processes"]["by_memory"]
    sizes = [row["rss_bytes"] or 0 for row in heavy]
    assert sizes == sorted(sizes, reverse=True)
    assert len(heavy) == found["processes"]["count"] and server.pid in [row["pid"] for row in heavy]


def test_rates_come_with_the_second_sample(server: Server, browser: requests.Session) -> None:
    def second() -> dict[str, Any] | None:
        found = numbers(server, browser)
        return found if len(found["history"]["ago_s"]) > 2 else None

    found = wait_for(second, "three samples")
    past = found["history"]
    assert len({len(column) for column in past.values()}) == 1
    assert past["cpu_percent"][0] is None, "nothing to compare with"
    assert 0 <= found["cpu_percent"] <= 100 and found["cpu_percent"] == past["cpu_percent"][-1]
    assert found["network"]["in_bytes_per_s"] >= 0
    assert past["ago_s"] == sorted(past["ago_s"], reverse=True)
    assert past["ago_s"][0] <= found["window_s"]


@needs_proc
def test_samples_are_taken_while_nobody_asks(server: Server, browser: requests.Session) -> None:
    """A timer wakes the worker, which the kernel counts; a request adds one sample at most."""
    first = numbers(server, browser)
    pid, asked = first["worker_pid"], 0

    def wakings() -> int:
        return int(proc_status(pid)["voluntary_ctxt_switches"][0])

    def more_than_by_requests() -> bool:
        """Whether samples have come that no request can have added. It sleeps at other times too."""
        nonlocal asked
        before = wakings()
        wait_for(lambda: wakings() >= before + 20, "20 wakings")
        asked += 1
        return len(numbers(server, browser)["history"]["ago_s"]) >= len(first["history"]["ago_s"]) + asked + 2

    wait_for(more_than_by_requests, "samples while nobody asks")


def test_processes_are_listed_every_five_seconds_however_many_ask(
    server: Server, browser: requests.Session
) -> None:
    began = time.monotonic()
    answers = [numbers(server, browser) for _ in range(10)]
    looks = {json.dumps(answer["processes"]) for answer in answers}
    assert len(looks) <= 1 + (time.monotonic() - began) / 5


def test_services_are_up_or_down(tmp_path: Path, browser: requests.Session) -> None:
    import socket

    with socket.socket() as open_port, socket.socket() as closed_port, socket.socket(socket.AF_UNIX) as local:
        open_port.bind(("127.0.0.1", 0))
        open_port.listen()
        closed_port.bind(("127.0.0.1", 0))
        local.bind(str(tmp_path / "local"))
        local.listen()
        python = psutil.Process().name()
        checks = (
            f"mail={open_port.getsockname()[1]}, web=127.0.0.1:{closed_port.getsockname()[1]}, "
            f"db={tmp_path}/local, gone={tmp_path}/gone, {python}, no such process, odd=127.0.0.1:99999"
        )
        with under_ini(tmp_path, DASHBOARD_SERVICES=checks) as server:
            found = numbers(server, browser)
            text = browser.get(server.url, timeout=20).text
    states = {one["name"]: one["up"] for one in found["services"]}
    assert states == {
        "mail": True,
        "web": False,
        "db": True,
        "gone": False,
        python: True,
        "no such process": False,
        "odd": False,
    }
    assert {"web is down", "gone is down"} <= {trouble["text"] for trouble in found["troubles"]}
    assert text.count("▲ down") == 4 and "things to look at" in text


def test_workers_are_those_that_the_control_socket_tells(tmp_path: Path, browser: requests.Session) -> None:
    with under_ini(tmp_path, workers=2) as server:
        fapws = numbers(server, browser)["fapws"]
        text = browser.get(server.url, timeout=20).text
    assert fapws["source"] == "control socket" and fapws["state"] == "running" and fapws["error"] is None
    assert [row["name"] for row in fapws["workers"]] == ["app/0", "app/1"]
    assert sum(row["requests"] for row in fapws["workers"]) >= 1
    assert all(row["rss_bytes"] > 2**20 and row["age_s"] >= 0 for row in fapws["workers"])
    assert "metrics" not in str(fapws), "requests in hand may hold secrets"
    assert "each worker keeps its own" in text and "2 of 2 serve" in text


def test_control_socket_that_does_not_answer_is_told(tmp_path: Path, browser: requests.Session) -> None:
    with running("dashboard/dashboard.py", tmp_path, DASHBOARD_CONTROL="/nowhere/s") as server:
        fapws = numbers(server, browser)["fapws"]
        assert "/nowhere/s" in fapws["error"] and fapws["workers"][0]["name"] == "dashboard/0"
        assert "Fapws does not answer" in browser.get(server.url, timeout=20).text


def test_ini_file_of_the_sample_serves_it(tmp_path: Path, browser: requests.Session) -> None:
    folder = shutil.copytree(SAMPLES / "dashboard", tmp_path / "sample")
    with Server(folder / "dashboard.py", arguments=["-c", str(folder / "fapws.ini")]) as server:
        found = numbers(server, browser)
    assert found["fapws"]["source"] == "control socket"
    assert {one["name"] for one in found["services"]} == {"sshd", "cron", "web"}


@pytest.mark.parametrize("option", ["strict_paths = yes", "script_name = /status"])
def test_it_may_be_mounted(tmp_path: Path, browser: requests.Session, option: str) -> None:
    folder = shutil.copytree(SAMPLES / "dashboard", tmp_path / "sample")
    prefix = "/status" if "status" in option else ""
    with Server(folder / "dashboard.py", options=option) as server:
        for path, status in (("/", 200), ("/metrics.json", 200), ("/other", 404), ("/metrics.json/", 404)):
            answer = browser.get(server.url + prefix + path, timeout=20)
            assert (path, answer.status_code) == (path, status)


def test_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    server = Server(SAMPLES / "dashboard" / "dashboard.py", env={"DASHBOARD_TOP": "many"})
    with pytest.raises(AssertionError, match="DASHBOARD_TOP is a number from 1 to 1000, not 'many'"), server:
        pass


# ---- Without psutil, and small -------------------------------------------------------------------


def test_without_psutil_it_says_what_to_install_and_shows_the_rest(
    tmp_path: Path, browser: requests.Session
) -> None:
    (tmp_path / "psutil.py").write_text("raise ImportError('No module named <psutil>')\n")
    with running(
        "dashboard/dashboard.py", tmp_path, PYTHONPATH=str(tmp_path), DASHBOARD_SERVICES="init"
    ) as server:
        answer = browser.get(server.url, timeout=20)
        found = numbers(server, browser)
    log = server.log
    assert answer.status_code == 200
    page = Page(answer.text)
    assert "pip install psutil" in page.text and "No module named <psutil>" in page.text
    assert set(PARTS[:-1]) | {"Processes"} <= set(page.headings)
    assert found["processes"] is None and found["load"] and found["disks"][0]["mount"] == "/"
    assert found["services"][0]["up"] is None
    if os.path.exists("/proc/meminfo"):
        assert found["memory"]["total_bytes"] == psutil.virtual_memory().total
        assert abs(found["uptime_s"] - (found["time"] - psutil.boot_time())) < 5
        assert "Traceback" not in log


def test_reading_that_fails_is_a_dash_and_told_once(tmp_path: Path, browser: requests.Session) -> None:
    """A psutil of which nothing works, as where /proc is hidden."""
    (tmp_path / "psutil.py").write_text(
        "class Error(Exception): pass\n"
        "class AccessDenied(Error): pass\n"
        "def refuse(*_, **__): raise AccessDenied('no')\n"
        "def __getattr__(name):\n"
        "    if name.startswith('__'): raise AttributeError(name)\n"
        "    return refuse\n"
    )
    with running(
        "dashboard/dashboard.py", tmp_path, PYTHONPATH=str(tmp_path), DASHBOARD_INTERVAL="0.1"
    ) as server:
        wait_for(lambda: len(numbers(server, browser)["history"]["ago_s"]) > 2, "three samples")
        found = numbers(server, browser)
        answer = browser.get(server.url, timeout=20)
    log = server.log
    assert answer.status_code == 200 and Page(answer.text).text.count("\N{EN DASH}") > 5
    assert found["memory"] is found["swap"] is found["cpu_percent"] is found["processes"] is None
    assert log.count("no memory here") == 1


@needs_proc
def test_worker_stays_small(tmp_path: Path, browser: requests.Session) -> None:
    with running("dashboard/dashboard.py", tmp_path, DASHBOARD_INTERVAL="0.1") as server:
        for _ in range(100):
            page = browser.get(server.url, timeout=20)
            found = numbers(server, browser)
        assert page.status_code == 200
        rss = int(proc_status(found["worker_pid"])["VmRSS"][0])
    print(f"RSS after 200 requests: {rss} kB")
    assert rss < WORKER_RSS
