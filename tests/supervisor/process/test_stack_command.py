"""`fapwsctl stack`: what workers are doing, without any harm to them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import PATIENCE, House, Until

from fapws.cli.stack import caught_says_ps
from fapws.lean import signal as numbers
from fapws.supervisor.process.caught import catches

APP = """\
import os, signal, threading, time
SETUP

def wait_here():
    while not os.path.exists("GATE"):
        WAIT

def application(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        wait_here()
    body = b"hello %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Site:
    """A server whose application can be held in a request."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.gate = house.directory / "gate"
        self._clients: list[socket.socket] = []

    def start(self, wait: str = "pass", setup: str = "", workers: int = 1, master: str | None = None) -> None:
        app = APP.replace("SETUP", setup).replace("WAIT", wait).replace("GATE", str(self.gate))
        self.house.write_app(app)
        self.house.configure(listen=f"unix:{self.house.unix}", workers=workers, master=master)
        if master is None:
            self.house.start()

    def hold(self, until: Until) -> None:
        """A request that is not answered until the gate opens."""
        client = socket.socket(socket.AF_UNIX)
        self._clients.append(client)
        client.settimeout(PATIENCE)
        client.connect(str(self.house.unix))
        client.sendall(b"GET /wait?x HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: any(w["request"] for w in self.house.status()["workers"]), "it is in hand")

    def release(self) -> bytes:
        """Opens the gate; what the client that was held gets."""
        self.gate.write_text("")
        return self._clients[0].recv(4096)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    place = Site(house)
    yield place
    place.close()


@pytest.mark.parametrize(
    "wait", ["pass", "time.sleep(0.05)", "time.sleep(10**6)"], ids=["busy", "naps", "sleeps"]
)
def test_stack_of_a_busy_worker_is_shown_with_its_request_and_it_serves_on(
    site: Site, until: Until, wait: str
) -> None:
    site.start(wait)
    (pid,) = site.house.workers()
    site.hold(until)
    told = site.house.ctl("stack", "hello/0")
    assert re.match(rf"hello/0 \(pid {pid}, serving\): GET /wait\?x, for \d+s\n  ", told), told
    assert re.search(r"in wait_here\n    File .* in application\n$", told), "below it is nothing"
    assert "in become_worker" in site.house.ctl("stack", "--all")
    assert "in wait_here" not in site.house.log(), "it was not for the log"
    (one,) = json.loads(site.house.ctl("-j", "stack"))["stacks"]
    assert (one["pid"], one["request"]) == (pid, "GET /wait?x") and "in wait_here" in one["text"]
    if "10**6" not in wait:
        assert site.release().endswith(b"hello %d\n" % pid)
        assert site.house.workers() == [pid]


def test_all_threads_of_all_workers_are_shown_also_when_they_are_idle(site: Site) -> None:
    site.start(
        setup="def thread_of_mine():\n    threading.Event().wait()\n"
        "threading.Thread(target=thread_of_mine, daemon=True).start()",
        workers=2,
    )
    pids = sorted(site.house.workers())
    for words in (["stack"], ["stack", "hello"]):
        told = site.house.ctl(*words)
        assert told.count("in thread_of_mine") == 2
        assert told.count("\n    (waiting for requests)") == 2, "those of the main threads"
        found = [int(pid) for pid in re.findall(r"^hello/\d \(pid (\d+), serving\): no request", told, re.M)]
        assert sorted(found) == pids
    assert "no worker 'hello/7'; known: hello/0, hello/1" in site.house.ctl("stack", "hello/7", expect=1)
    assert sorted(site.house.workers()) == pids


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="nothing tells what a process catches")
def test_worker_that_starts_shows_where_its_import_is(site: Site, until: Until) -> None:
    house = site.house
    site.start()
    gate = house.directory / "import"
    os.mkfifo(gate)
    loads = f"def connect():\n    open({str(gate)!r}).close()\nconnect()\n"
    house.write_app(loads + house.app.read_text())
    reload = subprocess.Popen(house.words("reload"), env=house.environment(), stdout=subprocess.DEVNULL)
    with reload:
        told = until(lambda: in_import(house), "it has come to the import")
        starts = r"^hello/0 \(pid \d+, starting\): no request in hand\n  .*most recent call first"
        assert re.search(starts, told, re.M)
        (ready,) = re.findall(r"^hello/0 \(pid \d+, serving\): (.*\n.*\n.*)", told, re.M)
        assert ready.endswith("(waiting for requests)") and told.count("(waiting for requests)") == 1
        gate.open("w").close()
        assert reload.wait(PATIENCE) == 0, "it has done it no harm"


def in_import(house: House) -> str:
    """What is told once there is a worker in its import; until then it may not be asked."""
    told = house.ctl("stack", expect=None)
    return told if "in connect" in told else ""


def test_worker_whose_standard_error_is_the_terminal_answers_too(site: Site, until: Until) -> None:
    house = site.house
    site.start(master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = stderr\n")
    process = house.foreground()
    site.hold(until)
    assert "in wait_here" in house.ctl("stack")
    (pid,) = house.workers()
    os.kill(pid, signal.SIGUSR2)  # by hand: nobody waits for it
    assert process.stdout is not None
    said = iter(process.stdout.readline, b"")
    line = next(line for line in said if b"in wait_here" in line)
    assert b"hello/0[%d]: " % pid in line, "told with the worker's name"
    site.release()
    house.ctl("stop")


def test_worker_that_the_signal_would_end_is_left_alone(site: Site) -> None:
    site.start()
    site.house.write_app(
        "import signal\n"
        "def application(environ, start_response):\n"
        "    signal.signal(signal.SIGUSR2, signal.SIG_DFL)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'done']\n"
    )
    site.house.ctl("reload")
    (pid,) = site.house.workers()
    assert "most recent call first" in site.house.ctl("stack")
    site.house.get()
    told = site.house.ctl("stack", expect=1)
    assert "its application has taken SIGUSR2 for itself, which would end it" in told
    assert site.house.workers() == [pid]


HOSTILE = """\
import os, signal, socket

def channel():
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as sock:
                listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if sock.family == socket.AF_UNIX and not listens:
                    sock.getpeername()
                    return int(name)
        except OSError:
            continue

def answer(number, frame):
    said = b"S\\x1b[2Jevil\\nhello/9 (pid 1, serving): no request in hand\\n"
    os.write(channel(), said + b"y" * 400000 + b"\\0")

def application(environ, start_response):
    signal.signal(signal.SIGUSR2, answer)
    start_response("200 OK", [])
    return [b"done"]
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc to find the channel")
def test_what_a_hostile_worker_says_is_cut_and_escaped(site: Site) -> None:
    site.start()
    site.house.write_app(HOSTILE)
    site.house.ctl("reload")
    site.house.get()
    (pid,) = site.house.workers()
    told = site.house.ctl("stack")
    assert "\x1b" not in told and "\\x1b[2Jevil" in told
    assert re.findall(r"^hello/\d", told, re.M) == ["hello/0"], "it cannot speak for another"
    assert "(more than that is left out)" in told and len(told) < 300_000
    assert site.house.workers() == [pid]


def test_process_that_an_application_has_forked_holds_no_channel_and_shows_its_stack(
    site: Site, until: Until
) -> None:
    """As before: in the log, by its standard error."""
    pidfile = site.house.directory / "child.pid"
    site.start(
        setup=f"""
def child_of_mine():
    with open({str(pidfile)!r}, "w") as file:
        file.write(str(os.getpid()))
    while not os.path.exists("GATE"):
        time.sleep(0.01)
    os._exit(0)

if os.fork() == 0:
    child_of_mine()
"""
    )
    child = int(until(lambda: pidfile.exists() and pidfile.read_text(), "it runs"))
    os.kill(child, signal.SIGUSR2)
    site.house.wait_log("in child_of_mine")
    assert "talks nonsense" not in site.house.log()
    site.gate.write_text("")


@pytest.mark.parametrize(("handled", "there"), [("", False), ("signal.signal(signal.SIGUSR2, print)", True)])
def test_whether_a_signal_is_caught_is_known_before_it_is_sent(
    handled: str, there: bool, tmp_path: Path
) -> None:
    """By /proc, and by ps where there is none."""
    code = f"import signal\n{handled}\nprint('ready', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        if os.path.exists("/proc/self/status"):
            assert catches(process.pid, numbers.SIGUSR2) is there
        assert caught_says_ps(process.pid) is there
        process.stdin.write(b"\n")
    assert catches(2**22 + 1, numbers.SIGUSR2) is None, "nobody"
