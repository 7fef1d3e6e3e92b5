"""How connections that stay are shared out among the workers of a pool."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest
from support.house import House


def client_that_stays(house: House) -> socket.socket:
    """A connection that has had one response and is kept."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(house.unix))
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert sock.recv(65536)
    return sock


def clients_until_each_has(house: House, least: int, at_most: int) -> list[socket.socket]:
    """Clients that stay, as many as it takes until every worker holds so many of them.

    A worker that runs serves whom another, which has been woken, has not come to: on a busy machine the
    shares are not equal, and one that does not run at all is waited for. Where they are not shared out, one
    worker has them all, however many.
    """
    pause = threading.Event()
    clients: list[socket.socket] = []
    held: list[int] = []
    while len(clients) < at_most:
        if len(clients) >= at_most // 2:
            pause.wait(2)
        clients += [client_that_stays(house) for _ in range(32)]
        held = [worker["connections"] for worker in house.status()["workers"]]
        assert sum(held) == len(clients)
        if min(held) >= least:
            return clients
    raise AssertionError(f"shares of {at_most}: {held}")


def test_connections_that_stay_are_shared_out(house: House) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    clients = clients_until_each_has(house, 16, 384)  # 32 on a quiet machine
    for sock in clients:
        sock.close()
    house.ctl("stop")
    house.assert_nothing_is_left()


def sleeps(pid: int) -> int:
    """How often a process has waited so far."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("voluntary_ctxt_switches:") + 1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every waiting worker is told of a client")
def test_a_client_wakes_one_worker_of_many(house: House) -> None:
    house.configure(workers=8)
    house.start()
    port = house.port()
    pids = [worker["pid"] for worker in house.status()["workers"]]
    house.get(port)
    before = sum(map(sleeps, pids))
    for _ in range(300):
        assert house.get(port)
    woken = sum(map(sleeps, pids)) - before
    assert woken < 4 * 300, woken  # 1 to 2 for each client; 8 and more if all were told
    house.ctl("stop")


def test_many_workers_get_their_part_of_clients_that_stay(house: House) -> None:
    house.configure(workers=8, listen=f"unix:{house.unix}")
    house.start()
    clients = clients_until_each_has(house, 4, 384)  # 32 to 64 on a quiet machine
    for sock in clients:
        sock.close()
    house.ctl("stop")
