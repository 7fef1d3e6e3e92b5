"""A worker whose listeners, or whose set of events, an application has taken away: it is replaced."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from pathlib import Path

import pytest
from support.house import House, Until
from support.raw import Client, request

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the application finds its descriptors in /proc"
)

APP = """\
import os, select, socket

KIND = {kind!r}


def numbers(kind):
    for name in os.listdir("/proc/self/fd"):
        try:
            if kind in os.readlink(f"/proc/self/fd/{{name}}") and int(name) > 2:
                yield int(name)
        except OSError:
            continue


def listeners():
    for fd in list(numbers("socket:")):
        with socket.socket(fileno=os.dup(fd)) as sock:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield fd


def be_deaf():
    sets = list(numbers("eventpoll"))
    if KIND == "closed listeners":
        for fd in list(listeners()):
            os.close(fd)
    elif KIND == "listeners that are /dev/null":
        null = os.open("/dev/null", os.O_RDWR)
        for fd in list(listeners()):
            os.dup2(null, fd)
    elif KIND == "listeners out of the set":
        for fd in sets:
            one = select.epoll.fromfd(os.dup(fd))
            for listener in list(listeners()):
                try:
                    one.unregister(listener)
                except OSError:
                    pass  # libuv's set, not the worker's
    elif KIND == "closed set":
        for fd in sets:
            os.close(fd)
    elif KIND == "another set":
        fresh = select.epoll()
        for fd in sets:
            os.dup2(fresh.fileno(), fd)
    elif KIND == "a set that is /dev/null":
        null = os.open("/dev/null", os.O_RDWR)
        for fd in sets:
            os.dup2(null, fd)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/deaf":
        be_deaf()
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
"""
KINDS = [
    "closed listeners",
    "listeners that are /dev/null",
    "listeners out of the set",
    "closed set",
    "another set",
    "a set that is /dev/null",
]


def ask(house: House, path: str, seconds: float = 20) -> int:
    """The PID of the worker that answers."""
    with Client(str(house.unix), seconds=seconds) as client:
        client.send(request(path))
        return int(client.read().body)


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("workers", [1, 2], ids=["alone", "share"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_hears_no_client_is_replaced(
    house: House, until: Until, kind: str, workers: int
) -> None:
    if kind == "listeners out of the set" and workers > 1:
        pytest.skip("nobody waits, because the other one serves them all")
    house.write_app(APP.format(kind=kind))
    pool = "request_timeout = 2s\ndrain_timeout = 2s"
    house.configure(workers=workers, listen=f"unix:{house.unix}", pool=pool)
    house.start()
    with Client(str(house.unix), seconds=1) as client:
        client.send(request("/deaf"))
        try:
            deaf = int(client.read().body)
        except (OSError, AssertionError, TimeoutError):
            deaf = 0  # without its set it cannot even be heard out
    waiting: list[socket.socket] = []

    def noticed() -> bool:
        """By a client that waits, if the other worker is not quicker: then by one of the next."""
        if len(waiting) < 400:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].connect(str(house.unix))
        return re.search(r"the worker failed: |worker hello/\d .* hangs: ", house.log()) is not None

    until(noticed, "it is found")
    if deaf:
        until(lambda: not os.path.exists(f"/proc/{deaf}"), "it has left")
    until(lambda: len(house.workers()) == workers, "as many serve as before")
    assert deaf not in house.workers()
    assert ask(house, "/") in house.workers()
    before = {pid: cpu(pid) for pid in house.workers()}
    time.sleep(0.5)
    assert all(cpu(pid) - used < 0.25 for pid, used in before.items()), "nothing turns in vain"
    for sock in waiting:
        sock.close()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_answers_the_master_but_no_client_is_found_by_the_master(
    house: House, until: Until
) -> None:
    """Nothing in it can notice: it turns with every ping, and nobody knocks where it listens."""
    house.write_app(APP.format(kind="listeners out of the set"))
    house.configure(listen=f"unix:{house.unix}", pool="request_timeout = 2s")
    house.start()
    deaf = ask(house, "/deaf")
    assert ask(house, "/", seconds=30) != deaf, "the client that waited is answered by the next one"
    found = re.search(r"hangs: no client taken for (\d+\.\d) s, though one waits", house.log())
    assert found and float(found[1]) >= 2.0
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_full_worker_is_not_taken_for_a_deaf_one(house: House, until: Until) -> None:
    """Its clients hold every place and ask for nothing; those who wait, wait with good reason."""
    house.write_app(APP.format(kind=""))
    pool = "request_timeout = 4s\nmax_connections = 2\nkeepalive_timeout = 1h\nheader_timeout = 1h"
    house.configure(listen=f"unix:{house.unix}", pool=pool)
    house.start()
    (worker,) = house.workers()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for sock in clients:
        sock.connect(str(house.unix))
    until(lambda: house.status()["workers"][0]["connections"] == 2, "it is full")
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        assert house.workers() == [worker], house.log()
        time.sleep(0.2)
    assert "hangs" not in house.log()
    for sock in clients:
        sock.close()
    assert ask(house, "/") == worker
