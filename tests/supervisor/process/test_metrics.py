"""Metrics: what Prometheus reads, that it is true, and that no counter ever runs back."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.house import PATIENCE, ROOT, House, Load, Until, connect
from support.monitor import OPTION, address, ask, exchange, master_options
from support.ports import unused_port

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")

APP = """\
import time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(0.3)
    status = {"/missing": "404 Not Found", "/broken": "500 Internal Server Error"}.get(path, "200 OK")
    start_response(status, [("Content-Type", "text/plain")])
    return [b"hello"]
"""
NAMES = {
    "fapws_build_info": "gauge",
    "fapws_workers": "gauge",
    "fapws_workers_configured": "gauge",
    "fapws_ready": "gauge",
    "fapws_responses_total": "counter",
    "fapws_refused_total": "counter",
    "fapws_request_duration_seconds": "histogram",
    "fapws_requests_in_flight": "gauge",
    "fapws_connections": "gauge",
    "fapws_connections_accepted_total": "counter",
    "fapws_received_bytes_total": "counter",
    "fapws_sent_bytes_total": "counter",
    "fapws_worker_busy_seconds_total": "counter",
    "fapws_worker_resident_memory_bytes": "gauge",
    "fapws_worker_exits_total": "counter",
    "fapws_reloads_total": "counter",
    "fapws_last_reload_success_timestamp_seconds": "gauge",
    "fapws_backlog_connections": "gauge",
    "fapws_log_lines_lost_total": "counter",
}
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def page(house: House) -> str:
    told = ask(address(house), "/metrics")
    assert told.status == 200
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in told.head
    return told.content


def read(text: str) -> Figures:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(figures: Figures, name: str, **labels: str) -> float:
    return figures[name, tuple(sorted({"pool": "hello", **labels}.items()))]


def counters(figures: Figures) -> Figures:
    endings = ("_total", "_bucket", "_sum", "_count")
    return {key: number for key, number in figures.items() if key[0].endswith(endings)}


def assert_no_counter_ran_back(before: Figures, after: Figures) -> None:
    for key, number in counters(before).items():
        assert after[key] >= number, key


def get(port: int, path: str) -> float:
    """How long it has taken, in seconds."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b"".join(iter(lambda: sock.recv(65536), b"")).endswith(b"hello")
    return time.monotonic() - began


def serve(house: House, workers: int = 1, more: str = "") -> int:
    house.write_app(APP)
    house.configure(workers=workers, master=master_options(house, OPTION), more=more)
    house.start()
    return house.port()


def test_every_metric_has_help_and_type_and_no_process_is_a_label(house: House) -> None:
    port = serve(house, workers=2)
    get(port, "/")
    house.ctl("reload")
    text = page(house)
    families = {f.name: f for f in text_string_to_metric_families(text)}
    kinds = {name.removesuffix("_total") if kind == "counter" else name: kind for name, kind in NAMES.items()}
    assert {name: family.type for name, family in families.items()} == kinds
    for name in NAMES:
        assert f"# HELP {name} " in text and f"# TYPE {name} {NAMES[name]}\n" in text
    pids = {str(house.pid), *map(str, house.workers())}
    for labels in (sample.labels for family in families.values() for sample in family.samples):
        assert not pids & set(labels.values())
    house.ctl("stop")


@needs_promtool
def test_promtool_finds_nothing_to_say(house: House) -> None:
    port = serve(house)
    get(port, "/")
    house.ctl("reload")
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=page(house), capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    house.ctl("stop")


def test_what_is_counted_is_true(house: House, until: Until) -> None:
    port = serve(house)
    began = time.monotonic()
    took = [get(port, path) for path in ("/", "/", "/missing", "/broken", "/sleep")]
    exchange(("127.0.0.1", port), b"GET / HTTP/1.1\r\n\r\n")
    with connect(house, port):
        until(lambda: value(read(page(house)), "fapws_connections", state="idle") == 1, "a client is idle")
        figures = read(page(house))
    elapsed = time.monotonic() - began
    classes = [value(figures, "fapws_responses_total", code=f"{digit}xx") for digit in range(2, 6)]
    assert classes == [3, 0, 1, 1]
    assert value(figures, "fapws_refused_total", reason="host_missing") == 1
    assert value(figures, "fapws_refused_total", reason="bad_chunk") == 0
    name = "fapws_request_duration_seconds"
    assert value(figures, f"{name}_count") == 5
    # Four on a quiet machine; what a client has had sooner than that has taken no longer in the worker.
    assert sum(one <= 0.25 for one in took) <= value(figures, f"{name}_bucket", le="0.25") <= 4
    assert sum(one <= 10 for one in took) <= value(figures, f"{name}_bucket", le="10.0") <= 5
    assert value(figures, f"{name}_bucket", le="+Inf") == 5
    assert 0.3 <= value(figures, f"{name}_sum") < elapsed
    assert 0.3 <= value(figures, "fapws_worker_busy_seconds_total", slot="0") < elapsed
    assert value(figures, "fapws_connections_accepted_total") == 7
    assert value(figures, "fapws_sent_bytes_total") > value(figures, "fapws_received_bytes_total") > 100
    assert value(figures, "fapws_workers", state="serving") == value(figures, "fapws_workers_configured") == 1
    assert value(figures, "fapws_ready") == 1
    assert value(figures, "fapws_worker_resident_memory_bytes", slot="0") > 10**6
    assert abs(figures["fapws_last_reload_success_timestamp_seconds", ()] - time.time()) < 300
    if os.uname().sysname == "Linux":
        assert value(figures, "fapws_backlog_connections") == 0
    house.ctl("stop")


def test_nothing_runs_back_when_workers_die_are_replaced_or_move_on(house: House, until: Until) -> None:
    port = serve(house, workers=2)
    for path in ("/", "/missing", "/sleep"):
        get(port, path)
    before = read(page(house))

    def after(what: str) -> Figures:
        nonlocal before
        now = read(page(house))
        assert_no_counter_ran_back(before, now)
        assert sum(value(now, "fapws_responses_total", code=f"{d}xx") for d in range(2, 6)) == 3, what
        assert value(now, "fapws_request_duration_seconds_count") == 3, what
        before = now
        return now

    victim = house.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: house.live_without(victim) == 2, "it is replaced")
    assert value(after("crash"), "fapws_worker_exits_total", reason="signal") == 1
    house.ctl("reload")
    until(lambda: len(house.status()["workers"]) == 2, "the old ones have left")
    now = after("reload")
    assert value(now, "fapws_worker_exits_total", reason="drained") == 2
    assert now["fapws_reloads_total", (("result", "success"),)] == 1
    house.ctl("scale", "hello", "1")
    until(lambda: len(house.status()["workers"]) == 1, "one has left")
    after("scale")
    house.ctl("upgrade")
    until(lambda: len(house.status()["workers"]) == 2, "the old one has left")
    now = after("upgrade")
    assert value(now, "fapws_worker_exits_total", reason="signal") == 1
    assert now["fapws_reloads_total", (("result", "success"),)] == 2
    house.write_app("broken(\n")
    house.ctl("reload", expect=1)
    assert after("failed reload")["fapws_reloads_total", (("result", "failure"),)] == 1
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_workers_in_a_python_of_their_own_count_too(house: House) -> None:
    second = f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0"
    port = serve(house, more=second)
    get(port, "/")
    figures = read(page(house))
    assert value(figures, "fapws_responses_total", code="2xx") == 1
    assert value(figures, "fapws_responses_total", pool="second", code="2xx") == 0
    house.ctl("stop")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_without_a_status_address_no_memory_is_taken(house: House) -> None:
    house.start()
    maps = Path(f"/proc/{house.pid}/maps").read_text()
    off = [line for line in maps.splitlines() if "fapws-scoreboard" in line]
    house.ctl("stop")
    serve(house)
    maps = Path(f"/proc/{house.pid}/maps").read_text()
    on = [line for line in maps.splitlines() if "fapws-scoreboard" in line]
    assert (len(off), len(on)) == (2, 3), "rows and last requests; and with it, what is counted"
    house.ctl("stop")


@contextmanager
def prometheus(directory: Path, target: tuple[str, int]) -> Iterator[int]:
    """A real one that scrapes the target; its port."""
    assert PROMETHEUS
    port = unused_port()
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n- job_name: fapws\n"
        f"  static_configs:\n  - targets: ['{target[0]}:{target[1]}']\n"
    )
    command = [PROMETHEUS, f"--config.file={configuration}", f"--storage.tsdb.path={directory}/tsdb"]
    with open(directory / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def query(port: int, expression: str) -> list[float]:
    """The values of an instant query; empty: none yet, or nobody answers yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        result = json.loads(connection.getresponse().read())["data"]["result"]
    except (OSError, KeyError, ValueError):
        return []
    finally:
        connection.close()
    return [float(row["value"][1]) for row in result]


@needs_prometheus
def test_real_prometheus_sees_no_counter_run_back(house: House, tmp_path: Path, until: Until) -> None:
    port = serve(house, workers=2)
    with prometheus(tmp_path, address(house)) as server, Load(house, port, keep_alive=1, one_shot=1) as load:
        responses = 'sum(fapws_responses_total{code="2xx"})'
        until(lambda: query(server, responses), "it scrapes")

        def scraped() -> None:
            goal = load.answered
            until(lambda: (query(server, responses) or [0])[0] > goal, "it has scraped again")

        scraped()
        os.kill(house.workers()[0], signal.SIGKILL)
        scraped()
        for command in (("reload",), ("scale", "hello", "3"), ("upgrade",)):
            house.ctl(*command)
            load.more(20)
            scraped()
        for name in (
            "fapws_responses_total",
            "fapws_request_duration_seconds_count",
            "fapws_sent_bytes_total",
            "fapws_worker_busy_seconds_total",
            "fapws_connections_accepted_total",
        ):
            assert set(query(server, f"resets({name}[10m])")) == {0.0}, name
        until(lambda: query(server, "up") == [1.0], "and scrapes on")  # within 200 ms each time
    house.ctl("stop")


def test_scrapes_under_load_hold_nobody_up(house: House) -> None:
    port = serve(house, workers=2)
    stop = threading.Event()
    where = address(house)
    pages: list[Figures] = []

    def scrape() -> None:
        while not stop.is_set():
            pages.append(read(ask(where, "/metrics").content))

    thread = threading.Thread(target=scrape, daemon=True)
    with Load(house, port) as load:
        thread.start()
        house.ctl("reload")
        load.more(100)
        stop.set()
        thread.join(PATIENCE)
        load.check()
    for before, after in zip(pages, pages[1:]):
        assert_no_counter_ran_back(before, after)
    house.ctl("stop")


@needs_prometheus
def test_dashboard_asks_for_what_there_is(house: House, tmp_path: Path, until: Until) -> None:
    port = serve(house)
    dashboard = json.loads((ROOT / "conf" / "grafana" / "fapws.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    known = {name + suffix for name in NAMES for suffix in ("", "_bucket")}
    assert {name for text in asked for name in re.findall(r"fapws_\w+", text)} <= known
    with prometheus(tmp_path, address(house)) as server:
        until(lambda: query(server, "fapws_ready") == [1.0], "it scrapes")
        get(port, "/")
        get(port, "/broken")
        until(lambda: query(server, "rate(fapws_sent_bytes_total[10s])"), "it has scraped twice")
        for text in asked:
            for variable, stands_for in (("$job", ".*"), ("$pool", ".*"), ("$__rate_interval", "10s")):
                text = text.replace(variable, stands_for)
            if "> 0" not in text:  # it may have missed a scrape, or two
                until(lambda asked=text: query(server, asked), text)
    house.ctl("stop")
