"""slow_request: a request that takes long is told while it runs, with its stack, and when it is over."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest
from support.house import PATIENCE, House, Until

APP = """\
import os, signal
SETUP

def works_here():
    open("GATE").close()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        works_here()
    start_response("404 Not Found", [("Content-Length", "6")])
    return [b"hello\\n"]
"""
SLOW = "slow_request = 200ms"


@pytest.fixture
def gate(house: House) -> str:
    """A pipe: a request for /slow waits until somebody opens it."""
    path = str(house.directory / "gate")
    os.mkfifo(path)
    return path


def begin(house: House, gate: str, setup: str = "", pool: str = SLOW) -> None:
    house.write_app(APP.replace("GATE", gate).replace("SETUP", setup))
    house.configure(listen=f"unix:{house.unix}", pool=pool)
    house.start()


def ask(house: House, target: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(house.unix))
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def test_slow_request_is_told_with_its_stack_and_at_its_end(house: House, gate: str) -> None:
    begin(house, gate, pool="slow_request = 3s")  # in which also a busy machine comes to a quick one
    with ask(house, "/quick") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    with ask(house, "/slow?a") as client:
        house.wait_log(r"busy for \d+\.\d s \(slow_request\), in hand: GET /slow\?a; its stack follows")
        house.wait_log(r"hello/0\[\d+\]: .* in works_here")
        assert "is over it" not in house.log()
        open(gate, "w").close()
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    house.wait_log(r"is over it: GET /slow\?a: 404, \d+\.\d+ s$")
    assert "GET /quick" not in house.log()
    assert len(re.findall(r"\(slow_request\)", house.log())) == 1
    assert not house.status()["last_deaths"], "the same worker serves on"
    house.ctl("stop")


def test_end_is_told_of_a_worker_that_leaves_with_it(house: House, gate: str) -> None:
    begin(house, gate)
    with ask(house, "/slow") as client:
        house.wait_log(r"\(slow_request\)")
        os.kill(house.pid, signal.SIGTERM)
        house.wait_log("stopping")
        open(gate, "w").close()
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    house.wait_log(r"is over it: GET /slow: 404")
    house.ctl("stop")


def test_death_in_it_is_no_end_of_it(house: House, gate: str, until: Until) -> None:
    begin(house, gate)
    for _ in range(2):
        (victim,) = house.workers()
        with ask(house, "/slow"):
            house.wait_log(rf"\(pid {victim}\).* in hand: GET /slow; its stack")
            os.kill(victim, signal.SIGKILL)
            until(lambda dead=victim: house.live_without(dead) == 1, "the next one serves")
    assert "is over it" not in house.log()
    house.ctl("stop")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc to see what is caught")
def test_worker_whose_application_has_taken_the_signal_is_not_sent_it(house: House, gate: str) -> None:
    # In a request: what an import does is taken back.
    taken = "def take():\n    signal.signal(signal.SIGUSR2, signal.SIG_DFL)"
    house.write_app(
        APP.replace("GATE", gate).replace("SETUP", taken).replace("        works", "        take(); works")
    )
    house.configure(listen=f"unix:{house.unix}", pool="slow_request = 200ms")
    house.start()
    with ask(house, "/slow") as client:
        house.wait_log(r"no stack: the application has taken SIGUSR2 for itself")
        open(gate, "w").close()
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    assert not house.status()["last_deaths"]
    house.ctl("stop")


def test_off_it_tells_nothing(house: House, gate: str) -> None:
    begin(house, gate, pool="request_timeout = 300ms\ndrain_timeout = 1s")
    with ask(house, "/slow"):
        house.wait_log(r"hangs: no sign of life")
    assert "(slow_request)" not in house.log()
    house.ctl("stop")
