"""Workers that hang, with real processes: found, shown in the log, replaced; the others go on."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys

import pytest
from support.house import LONGER_GRACE, House, Load, Until

HANGS = {
    "loop": "while True: pass",
    "sleep": "time.sleep(10**6)",
    # C code that keeps the GIL; no signal cuts it short, as one would cut a sleep() of C.
    "c": 're.match("(a+)+$", "a" * 60 + "b")',
}
APP = """\
import os, time

def hang_here():
    {imports}
    {hang}

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        hang_here()
    body = b"hello %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def ask(house: House, target: str) -> socket.socket:
    """A client that has asked and waits."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(house.unix))
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return sock


@pytest.mark.parametrize("kind", HANGS)
def test_hung_worker_leaves_its_stack_and_request_in_the_log_and_is_replaced(
    house: House, load: type[Load], until: Until, kind: str
) -> None:
    if kind == "c" and sys.implementation.name != "cpython":
        pytest.skip("needs CPython: only there a C call can hold the GIL")
    imports = "import re" if kind == "c" else "pass"
    house.write_app(APP.format(imports=imports, hang=HANGS[kind]))
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="request_timeout = 4s")
    house.change(LONGER_GRACE)
    house.start()
    workers = set(house.workers())
    with load(house, None) as clients, ask(house, "/hang?x"):
        house.wait_log(r"request_timeout\), in hand: GET /hang")
        until(lambda: len(set(house.workers()) - workers) == 1, "a new one serves")
        assert len(house.workers()) == 2
        clients.more(20)
    log = house.log()
    assert re.search(r"worker hello/\d \(pid \d+, age \d+\.\d s\) hangs: no sign of life for \d+\.\d s", log)
    assert "in hang_here" in log, "the Python stack"
    assert len(re.findall("was killed by SIGKILL: no sign of life", log)) == 1, "one line a death"
    # Connections that waited in the hung worker are lost with it; nobody else's.
    assert len(clients.lost) <= 4, clients.lost
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_application_that_takes_the_signal_for_itself_does_not_get_it(house: House) -> None:
    signals = "import signal\nsignal.signal(signal.SIGUSR2, signal.SIG_IGN)\n"
    house.write_app(signals + APP.format(imports="pass", hang=HANGS["sleep"]))
    house.change(LONGER_GRACE)
    house.configure(listen=f"unix:{house.unix}", pool="request_timeout = 1s")
    house.start()
    with ask(house, "/hang"):
        house.wait_log("in hang_here")
        house.wait_log("was killed by SIGKILL: no sign of life")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_slow_request_below_the_limit_is_left_alone(house: House) -> None:
    house.write_app(APP.format(imports="pass", hang="time.sleep(2)"))
    house.configure(listen=f"unix:{house.unix}", pool="request_timeout = 7s")
    house.start()
    for _ in range(4):  # together they take longer
        with ask(house, "/hang") as client:
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert "hangs" not in house.log()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_idle_workers_are_asked_and_left_alone(house: House, until: Until) -> None:
    # A ping is to be answered within 1 s, in which a busy machine may not come to a worker at all.
    house.change("from fapws.supervisor.core import upkeep; upkeep.PING_PATIENCE = 5.0")
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="request_timeout = 200ms")
    house.start()
    workers = house.workers()
    age = until(lambda: min(w["age"] for w in house.status()["workers"]) > 7, "idle for several limits")
    assert age
    assert house.workers() == workers
    assert "hangs" not in house.log()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stopped_worker_is_replaced_and_one_that_goes_on_is_spared(house: House, until: Until) -> None:
    house.change(LONGER_GRACE)
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="request_timeout = 0")
    house.start()
    stopped, other = house.workers()
    os.kill(stopped, signal.SIGSTOP)
    house.wait_log(r"hangs: stopped by SIGSTOP")
    os.kill(stopped, signal.SIGCONT)
    house.wait_log(r"goes on, so it is not killed")
    assert set(house.workers()) == {stopped, other}
    os.kill(stopped, signal.SIGSTOP)
    until(lambda: house.live_without(stopped) == 2, "it was replaced")
    assert other in house.workers()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_is_stuck_in_c_ends_after_its_master(house: House, until: Until) -> None:
    if sys.implementation.name != "cpython":
        pytest.skip("needs CPython: only there a C call can hold the GIL")
    house.write_app(APP.format(imports="import re", hang=HANGS["c"]))
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="drain_timeout = 1s")
    house.start()
    with ask(house, "/hang"):
        until(lambda: house.status()["totals"]["in_flight"] == 1, "it hangs")
        current = [worker["request"] for worker in house.status()["workers"] if worker["request"]]
        assert current == ["GET /hang"]
        os.kill(house.pid, signal.SIGKILL)
        until(lambda: not house.processes(), "both have gone")
    house.start()
    assert house.get().startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()
