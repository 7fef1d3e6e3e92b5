"""Drain, undrain and stop_delay: a server that balancers look away from loses no request when it goes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from support.house import PATIENCE, House, Load, Until, connect
from support.monitor import OPTION, address, ask, master_options

SLOW = """\
import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        while not os.path.exists("DIRECTORY/go"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


def heads(sock: socket.socket, path: str = "/") -> str:
    """The head of a response on a connection that may stay."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while b"hello" not in data:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data.partition(b"\r\n\r\n")[0].decode()


def closes(house: House) -> bool:
    """Whether a new connection is told to close. Workers hear of a drain, and of its end, by a message."""
    with connect(house, house.port()) as client:
        return "Connection: close" in heads(client)


def keeps(house: House) -> bool:
    """Whether no worker tells that any more, as far as some new connections can show."""
    return not any(closes(house) for _ in range(8))


def slow(house: House) -> None:
    house.write_app(SLOW.replace("DIRECTORY", str(house.directory)))


def test_drained_server_is_not_ready_and_serves_on(house: House, until: Until) -> None:
    slow(house)
    house.configure(workers=2, master=master_options(house, OPTION))
    house.start()
    port, where = house.port(), address(house)
    with connect(house, port) as before:
        assert "Connection: close" not in heads(before)
        assert house.ctl("drain") == "fapws: drain done: no pool has anything in hand\n"
        until(lambda: "Connection: close" in heads(before), "its worker has heard of it")
    until(lambda: closes(house), "so are new ones told")
    assert ask(where, "/readyz")[::2] == (503, "pool hello: drained\n")
    assert ask(where, "/livez").status == 200
    assert "pool hello: drained" in house.ctl("health", expect=1)
    status = house.status()
    assert (status["state"], status["draining"]) == ("draining", {"hello": "empty"})
    assert "pool hello: 2 of 2 serving, drained on " in house.ctl("status")
    house.ctl("reload")
    os.kill(house.workers()[0], signal.SIGKILL)
    house.wait_log("was killed by SIGKILL")
    house.wait_log("the next one starts at once")
    assert closes(house), "workers that start meanwhile know it"
    assert house.ctl("undrain", "hello") == "fapws: undrain done: pool hello is ready\n"
    assert ask(where, "/readyz").status == 200
    until(lambda: keeps(house), "they have heard of it")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_drain_waits_for_what_is_in_flight(house: House, until: Until) -> None:
    slow(house)
    house.configure()
    house.start()
    with connect(house, house.port()) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "the request is in hand")
        assert "no answer in time" in house.ctl("-t", "1.5", "drain", "hello", expect=1)
        words = house.words("-j", "drain")
        waiting = subprocess.Popen(words, env=house.environment(), stdout=subprocess.PIPE)
        until(lambda: house.status()["draining"] == {"hello": "emptying"}, "the drain is under way")
        (house.directory / "go").touch()
        text, _ = waiting.communicate(timeout=PATIENCE)
        assert (waiting.returncode, json.loads(text)["ok"]) == (0, True)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    house.ctl("stop")


def test_drain_that_is_taken_back_fails(house: House, until: Until) -> None:
    slow(house)
    house.configure()
    house.start()
    with connect(house, house.port()) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "the request is in hand")
        waiting = subprocess.Popen(
            house.words("drain"), env=house.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        until(lambda: house.status()["draining"], "the drain is under way")
        house.ctl("undrain")
        text, _ = waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 1
        assert b"not to be drained any more" in text
        (house.directory / "go").touch()
    house.ctl("stop")


def test_one_pool_is_drained_and_an_unknown_one_is_told(house: House) -> None:
    second = f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0"
    house.configure(master=master_options(house, OPTION), more=second)
    house.start()
    where = address(house)
    house.ctl("drain", "second")
    assert ask(where, "/readyz/hello").status == 200
    assert ask(where, "/readyz/second").status == ask(where, "/readyz").status == 503
    assert "there is no pool 'third'; known: hello, second" in house.ctl("drain", "third", expect=1)
    assert "there is no pool 'third'; known: hello, second" in house.ctl("undrain", "third", expect=1)
    house.ctl("drain", "second", "hello", expect=2)
    house.ctl("undrain")
    assert "'' is not understood" in house.ctl("drain", "", expect=2), "a variable that is not set"
    assert ask(where, "/readyz").status == 200
    house.ctl("stop")


def test_upgrade_in_place_keeps_a_drained_pool_out_of_sight(house: House, until: Until) -> None:
    slow(house)
    house.configure(master=master_options(house, OPTION))
    house.start()
    house.ctl("drain")
    house.ctl("upgrade")
    assert ask(address(house), "/readyz").status == 503
    assert closes(house)
    house.ctl("undrain")
    until(lambda: keeps(house), "they have heard of it")
    house.ctl("stop")


def test_drain_of_all_tells_of_a_pool_that_a_reload_has_brought(house: House, until: Until) -> None:
    slow(house)
    house.configure()
    house.start()
    with connect(house, house.port()) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "the request is in hand")
        waiting = subprocess.Popen(house.words("drain"), env=house.environment(), stderr=subprocess.PIPE)
        until(lambda: house.status()["draining"] == {"hello": "emptying"}, "the drain is under way")
        house.configure(more=f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0")
        reload = subprocess.Popen(house.words("reload"), env=house.environment())
        until(lambda: len(house.status()["pools"]) == 2, "the second pool is there")
        (house.directory / "go").touch()
        _, text = waiting.communicate(timeout=PATIENCE)
        assert b"drain failed: ready for clients, because a reload has brought it meanwhile: second" in text
        assert (waiting.returncode, reload.wait(PATIENCE)) == (1, 0)
    house.ctl("stop")


def test_drain_that_still_waits_outlives_an_upgrade_in_place(house: House, until: Until) -> None:
    slow(house)
    house.configure()
    house.start()
    with connect(house, house.port()) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "the request is in hand")
        waiting = [
            subprocess.Popen(house.words(*words), env=house.environment(), stdout=subprocess.PIPE)
            for words in (("drain",), ("drain", "hello"))
        ]
        until(lambda: house.status()["draining"] == {"hello": "emptying"}, "the drain is under way")
        upgrade = subprocess.Popen(house.words("upgrade"), env=house.environment())
        until(lambda: "upgraded in place" in house.log(), "the new code runs")
        (house.directory / "go").touch()
        told = [one.communicate(timeout=PATIENCE)[0] for one in waiting]
        assert told == [
            b"fapws: drain done: no pool has anything in hand\n",
            b"fapws: drain done: pool hello has nothing in hand\n",
        ]
        assert upgrade.wait(PATIENCE) == 0
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stop_delay_goes_out_of_sight_and_serves_on(house: House, until: Until) -> None:
    slow(house)
    house.configure(master=master_options(house, OPTION, "stop_delay = 10m"))
    master = house.foreground()
    where = address(house)
    master.send_signal(signal.SIGTERM)
    until(lambda: ask(where, "/readyz")[::2] == (503, "stopping\n"), "balancers can see it")
    assert "the server is stopping" in house.ctl("reload", expect=1)
    until(lambda: closes(house), "it serves on, and its worker has heard of it")
    assert re.search(r"not ready any more, stopping in 600 s \(stop_delay\)", house.log())
    master.send_signal(signal.SIGTERM)
    assert master.wait(PATIENCE) == 0
    house.assert_nothing_is_left()


def test_stop_delay_ends_in_the_stop(house: House) -> None:
    house.configure(pool="stop_delay = 2s")
    master = house.foreground()
    began = time.monotonic()
    master.send_signal(signal.SIGTERM)
    assert master.wait(PATIENCE) == 0
    assert time.monotonic() - began >= 2.0
    assert re.search(r"not ready any more, stopping in 2 s \(stop_delay\)", house.log())
    house.assert_nothing_is_left()


def test_fapwsctl_stop_waits_for_the_delay_and_a_second_term_does_not(house: House, until: Until) -> None:
    house.configure(pool="stop_delay = 30s")
    house.start()
    waiting = subprocess.Popen(house.words("stop"), env=house.environment(), stdout=subprocess.PIPE)
    until(lambda: house.status()["state"] == "stopping", "it is told to stop")
    os.kill(house.pid, signal.SIGTERM)
    text, _ = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, text[:14]) == (0, b"fapws: stopped")
    house.assert_nothing_is_left()


def test_client_that_looks_away_in_the_delay_loses_nothing(house: House) -> None:
    """As a balancer does: it asks for readiness, and sends no more once that is gone."""
    house.configure(workers=2, master=master_options(house, OPTION, "stop_delay = 10m"))
    house.start()
    where = address(house)
    done = threading.Event()

    def watch(load: Load) -> None:
        while not done.wait(0.05):
            if ask(where, "/readyz").status != 200:
                load.__exit__()
                return

    load = Load(house, house.port())
    load.__enter__()
    watcher = threading.Thread(target=watch, args=(load,), daemon=True)
    watcher.start()
    stop = subprocess.Popen(house.words("stop"), env=house.environment(), stdout=subprocess.PIPE)
    watcher.join(PATIENCE)
    assert not watcher.is_alive()
    os.kill(house.pid, signal.SIGTERM)  # they have gone: the rest of the delay is for nobody
    text, _ = stop.communicate(timeout=PATIENCE)
    assert (stop.returncode, text[:14]) == (0, b"fapws: stopped")
    load.check()
    assert load.answered + load.raced == load.sent
    house.assert_nothing_is_left()
