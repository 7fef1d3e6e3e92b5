"""How many workers there are, with real processes: recycling, scaling, on demand, frugal reloads."""

from __future__ import annotations

import os
import re
import signal
import socket
from typing import Any


def test_recycling_loses_no_request(house: Any, load: Any, until: Any) -> None:
    pool = "max_requests = 50\nmax_requests_jitter = 10"
    house.configure(workers=2, listen=f"unix:{house.unix}", pool=pool)
    house.start()
    first = set(house.workers())
    with load(house, None) as clients:
        until(lambda: not first & set(house.workers()) or clients.lost, "both were replaced")
        clients.more(50)
    clients.check()
    assert re.search(r"is replaced after \d+ requests \(max_requests\)", house.log())
    assert house.status()["last_deaths"] == []
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_has_grown_is_replaced(house: Any, until: Any) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="max_rss = 1m")
    house.start()
    first = house.workers()
    until(lambda: house.workers() not in (first, []), "it was replaced")
    assert re.search(r"is replaced after [\d.]+ MB \(max_rss\)", house.log())
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_old_worker_is_replaced(house: Any, until: Any) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="max_lifetime = 1s")
    house.start()
    first = house.workers()
    until(lambda: house.workers() not in (first, []), "it was replaced")
    house.wait_log(r"is replaced after \d s \(max_lifetime\)")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_scale_waits_until_the_pool_has_its_workers_and_loses_no_request(house: Any, load: Any) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    with load(house, None) as clients:
        for workers, text in ((3, "3 workers"), (1, "1 worker")):
            assert house.ctl("scale", "hello", str(workers)) == f"fapws: pool hello has {text}\n"
            assert len(house.workers()) == workers
            clients.more(20)
    clients.check()
    house.ctl("scale", "hello", "2")
    house.ctl("reload")
    assert len(house.workers()) == 1, "the configuration's number"
    assert "no pool 'shop'; known: hello" in house.ctl("scale", "shop", "2", expect=1)
    assert "from 1 to 1024" in house.ctl("scale", "hello", "0", expect=1)
    house.ctl("scale", "hello", expect=2)
    house.ctl("stop")
    house.assert_nothing_is_left()
    house.ctl("scale", "hello", "2", expect=7)


def test_after_scaling_up_no_worker_believes_to_be_alone(house: Any, until: Any) -> None:
    house.write_app(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(environ['wsgi.multiprocess']).encode()]\n"
    )
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    assert house.get() == b"False"
    house.ctl("scale", "hello", "2")
    assert {house.get() for _ in range(50)} == {b"True"}
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_scale_tells_why_a_worker_cannot_start(house: Any) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.write_app("import not_there_at_all\napplication = None\n")
    assert "not_there_at_all" in house.ctl("scale", "hello", "2", expect=1)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_ttin_and_ttou_change_the_number_of_workers(house: Any, until: Any) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    for number, workers in ((signal.SIGTTIN, 2), (signal.SIGTTIN, 3), (signal.SIGTTOU, 2)):
        os.kill(house.pid, number)
        until(lambda wanted=workers: len(house.workers()) == wanted, f"{workers} serve")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_pool_on_demand_sleeps_and_the_client_who_wakes_it_is_answered(house: Any, until: Any) -> None:
    pool = "min_workers = 0\nidle_timeout = 1s"
    house.configure(listen=f"127.0.0.1:0, unix:{house.unix}", pool=pool)
    house.start()
    port = house.port()
    for knock in (port, None, port):
        until(lambda: not house.status()["workers"], "the worker has left")
        status = house.status()
        assert status["state"] == "running"
        assert status["pools"][0]["asleep"]
        assert house.get(knock).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_pool_on_demand_that_is_broken_is_told_at_the_start(house: Any) -> None:
    house.write_app("import not_there_at_all\napplication = None\n")
    house.configure(listen=f"unix:{house.unix}", pool="min_workers = 0")
    assert "not_there_at_all" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


def test_reload_that_changes_the_listeners_of_a_pool_that_sleeps(house: Any, until: Any) -> None:
    pool = "min_workers = 0\nidle_timeout = 1s"
    house.configure(listen="127.0.0.1:0", pool=pool)
    house.start()
    port = house.port()
    until(lambda: not house.status()["workers"], "the worker has left")
    house.configure(listen=f"unix:{house.unix}", pool=pool)
    house.ctl("reload")
    until(lambda: not house.status()["workers"], "the worker has left")
    assert house.get(None).startswith(b"hello")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_frugal_reload_loses_no_request(house: Any, load: Any) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="reload = frugal")
    house.start()
    with load(house, None) as clients:
        for word in ("one", "two"):
            house.greeting(word)
            assert "2 workers replaced" in house.ctl("reload")
            clients.forget()
            clients.more(20)
            assert {content.split()[0] for content in clients.contents} == {word.encode()}
    clients.check()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_processes_bear_names(house: Any) -> None:
    import subprocess

    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    if not os.path.exists("/proc/self/cmdline"):
        return
    listed = subprocess.check_output(["ps", "ax", "-ww", "-o", "pid=,args="], text=True)
    names = dict(line.split(None, 1) for line in listed.splitlines() if len(line.split()) > 1)
    assert names[str(house.pid)].strip() == f"fapws: master {house.ini}"
    shown = {names[str(pid)].strip() for pid in house.workers()}
    assert shown == {"fapws: worker hello/0", "fapws: worker hello/1"}
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_connections_that_stay_are_shared_out(house: Any) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    clients = []
    for _ in range(64):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(house.unix))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536)
        clients.append(sock)
    held = [worker["connections"] for worker in house.status()["workers"]]
    assert sum(held) == 64
    assert min(held) >= 16, held  # 30 and more on a quiet machine
    for sock in clients:
        sock.close()
    house.ctl("stop")
    house.assert_nothing_is_left()
