"""A process that the application starts at its import: it holds no port, serves nobody, and holds up neither
a stop nor a reload; and where a process holds the port after all, the next start names it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.house import House, wait_until
from support.ports import unused_port
from support.raw import Client, fetch
from support.server import Server

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="runs where /proc tells a process's descriptors"
)
SOON = 20.0
"""Seconds; drain_timeout is 25."""
POPEN = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', SLEEP]%s).pid\n"
MULTIPROCESSING = """
import multiprocessing, time
helper = multiprocessing.get_context("{}").Process(target=time.sleep, args=(600,))
helper.start()
child = helper.pid
"""
FORK = """
import os, time
child = os.fork()
while child == 0:
    time.sleep(600)
"""
DOUBLE_FORK = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writer, b"%d" % os.getpid())
        while True:
            time.sleep(600)
    os._exit(0)
os.wait()
child = int(os.read(reader, 20))
"""
C_FORK = """
import ctypes, time
child = ctypes.CDLL(None).fork()  # nobody tells Python of it
while child == 0:
    time.sleep(600)
"""
OF_THE_WORKER = {
    f"multiprocessing {way}": MULTIPROCESSING.format(way) for way in ("fork", "spawn", "forkserver")
}
"""They end with it; the others are daemons of the application's own making, and live on."""
DAEMONS = {
    "Popen": POPEN % "",
    "Popen, all descriptors": POPEN % ", close_fds=False",
    "fork": FORK,
    "double fork": DOUBLE_FORK,
}
WAYS = {**OF_THE_WORKER, **DAEMONS}
SLEEP = "SLEEP = 'import time; time.sleep(600)'\n"
APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % child]
"""
PROGRAM = """
def tell(environ, start_response):
    return str(child)
evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", tell))
evwsgi.run()
"""


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def sockets(pid: int) -> list[str]:
    """What a process holds of them."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"{folder}/{name}"))
    return [what for what in found if what.startswith("socket:")]


def guarded(program: str) -> str:
    """As multiprocessing asks for: its children by spawn and forkserver import the program anew."""
    return "if __name__ == '__main__':\n" + textwrap.indent(program, "    ")


def holds_nothing(pid: int) -> bool:
    """Lives without a socket; the forkserver tells a child's number before the child has closed its own."""
    wait_until(lambda: not sockets(pid), "it has no socket")
    return lives(pid)


def can_listen(port: int) -> bool:
    """Whether a new server could have it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:
            return False
    return True


@contextlib.contextmanager
def ended(*pids: int) -> Iterator[None]:
    """Ends what a test has started by way of an application."""
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("way", WAYS)
def test_it_holds_no_port_and_a_stop_does_not_wait_for_it(house: House, way: str) -> None:
    house.write_app(SLEEP + WAYS[way] + APPLICATION)
    port = unused_port()
    house.configure(listen=f"127.0.0.1:{port}")
    house.start()
    house.at = port
    child = int(house.get(port))
    with ended(child):
        assert holds_nothing(child)
        with Client(("127.0.0.1", port)) as client:  # one process answers, and it is not the child
            assert [client.get("/").text for _ in range(3)] == [str(child)] * 3
        began = time.monotonic()
        house.ctl("stop")
        assert time.monotonic() - began < SOON
        assert lives(child) == (way in DAEMONS)
        if way in OF_THE_WORKER:
            house.wait_log(
                rf"process {child} \(.+\) was started at the application's import and is told to end"
            )
        assert can_listen(port)
        house.start()
        with ended(int(house.get(port))):
            house.ctl("stop")


@pytest.mark.parametrize("way", OF_THE_WORKER)
def test_after_a_reload_there_is_the_new_workers_alone(house: House, way: str) -> None:
    house.write_app(WAYS[way] + APPLICATION)
    house.configure()
    house.start()
    port = house.port()
    first = int(house.get(port))
    with ended(first):
        began = time.monotonic()
        house.ctl("reload")
        second = int(house.get(port))
        with ended(second):
            assert second != first
            wait_until(lambda: not lives(first), "the old worker's has ended")
            assert time.monotonic() - began < SOON
            assert holds_nothing(second)
            house.ctl("stop")
            assert not lives(second)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["script", "program"])
def test_under_fapws_too(form: str, way: str, tmp_path: Path) -> None:
    text = SLEEP + WAYS[way]
    with Server(text + APPLICATION if form == "script" else BEGIN + guarded(text + PROGRAM)) as server:
        child = int(fetch(server.address).text)
        with ended(child):
            assert holds_nothing(child)
            if way in OF_THE_WORKER:
                began = time.monotonic()
                server.stop(signal.SIGTERM)
                assert time.monotonic() - began < SOON and not lives(child)
                assert can_listen(server.port)


@pytest.mark.parametrize("way", WAYS)
def test_by_hand_it_holds_no_port(way: str) -> None:
    """Where Python itself waits for it at the end, so it is made a daemon; spawn imports the program anew."""
    text = SLEEP + WAYS[way].replace("helper.start()", "helper.daemon = True; helper.start()") + PROGRAM
    body = textwrap.indent(text, "    ")
    with ByHand(f"if __name__ == '__main__':\n{body}") as program:
        child = int(fetch(program.address).text)
        with ended(child):
            assert holds_nothing(child)
            if way in OF_THE_WORKER:
                program.stop(signal.SIGTERM)
                assert not lives(child) and can_listen(program.port)


def test_one_that_does_not_obey_is_killed(house: House) -> None:
    house.write_app(
        """
import multiprocessing, signal, time
def stubborn(ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.put(1)
    time.sleep(600)
context = multiprocessing.get_context("fork")
ready = context.SimpleQueue()
helper = context.Process(target=stubborn, args=(ready,))
helper.start()
ready.get()
child = helper.pid
"""
        + APPLICATION
    )
    house.start()
    child = int(house.get(house.port()))
    with ended(child):
        began = time.monotonic()
        house.ctl("stop")
        assert time.monotonic() - began < SOON and not lives(child)
        house.wait_log(rf"process {child} \(.+\) has not ended within 2 s and is killed")


def test_a_job_of_a_request_is_waited_for_and_the_log_says_so(house: House) -> None:
    house.write_app(
        """
import multiprocessing, os
context = multiprocessing.get_context("fork")
def job(reader):
    os.read(reader, 1)
    print("the job is done", flush=True)
def application(environ, start_response):
    reader = os.open("go-on", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    helper = context.Process(target=job, args=(reader,), name="job")
    helper.start()
    start_response("200 OK", [])
    return [b"%d" % helper.pid]
"""
    )
    os.mkfifo(house.directory / "go-on")
    house.configure(pool=f"directory = {house.directory}")
    house.start()
    writer = os.open(house.directory / "go-on", os.O_RDWR)
    try:
        child = int(house.get(house.port()))
        with ended(child), ThreadPoolExecutor(1) as other:
            stop = other.submit(house.ctl, "stop")
            house.wait_log(
                rf"the worker waits for process {child} \(job\), which the application has started"
            )
            os.write(writer, b"x")
            stop.result(SOON)
            assert "the job is done" in house.log() and not lives(child)
    finally:
        os.close(writer)


def test_a_pool_of_processes_made_at_import_ends_as_ever(house: House) -> None:
    house.write_app(
        """
from concurrent.futures import ProcessPoolExecutor
import os
executor = ProcessPoolExecutor(1)
child = executor.submit(os.getpid).result()
"""
        + APPLICATION
    )
    house.start()
    child = int(house.get(house.port()))
    with ended(child):
        began = time.monotonic()
        house.ctl("stop")
        assert time.monotonic() - began < SOON and not lives(child)
        assert "Traceback" not in house.log()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="runs on CPython, whose ctypes can fork()")
def test_a_start_names_the_process_that_holds_the_port_after_all(house: House) -> None:
    house.write_app(C_FORK + APPLICATION)
    port = unused_port()
    house.configure(listen=f"127.0.0.1:{port}")
    house.start()
    child = int(house.get(port))
    with ended(child):
        house.ctl("stop")
        assert not can_listen(port), "of a fork by C code nobody can know"
        told = house.ctl("start", expect=1)
        assert re.search(rf"127\.0\.0\.1:{port}: Address already in use by pid {child}, ", told), told
    wait_until(lambda: can_listen(port), "the port is free")
    house.write_app(APPLICATION.replace("child", "0"))
    house.start()
    house.ctl("stop")
