"""reuseport = yes with real workers: a queue for each, and what becomes of the clients that wait in it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import Counter

import pytest
from support.house import House, Load, Until
from support.ports import unused_port

linux = pytest.mark.skipif(sys.platform != "linux", reason="the option exists on Linux only")


SHARE = "reuseport = yes"


def shares(house: House, port: int, count: int) -> Counter[bytes]:
    """One-shot answers by worker."""
    return Counter(house.get(port).split()[1] for _ in range(count))


@linux
def test_every_worker_gets_connections(house: House) -> None:
    house.configure(workers=4, listen=f"127.0.0.1:0, unix:{house.unix}", pool=SHARE)
    house.start()
    got = shares(house, house.port(), 200)
    assert set(got) == {str(pid).encode() for pid in house.workers()}
    assert house.get(None).startswith(b"hello"), "a unix socket goes on being shared"
    assert len(house.status()["pools"][0]["listen"]) == 2
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
@pytest.mark.parametrize("how", ["rolling", "frugal"])
def test_reloads_under_load_lose_no_request(house: House, load: type[Load], how: str) -> None:
    house.configure(workers=3, pool=f"{SHARE}\nreload = {how}")
    house.start()
    port = house.port()
    with load(house, port) as clients:
        for number in range(5):
            house.greeting(f"hello{number}")
            house.ctl("reload")
            clients.more(20)
    clients.check()
    assert len(shares(house, port, 100)) == 3
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_reload_that_turns_it_on_loses_no_request(house: House, load: type[Load]) -> None:
    listen = f"127.0.0.1:{unused_port()}"
    house.configure(workers=2, listen=listen)
    house.start()
    with load(house, house.port()) as clients:
        house.configure(workers=3, listen=listen, pool=SHARE)
        house.ctl("reload")
        clients.more(50)
    clients.check()
    assert len(shares(house, house.port(), 100)) == 3
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_upgrade_in_place_loses_no_request_and_keeps_every_queue(house: House, load: type[Load]) -> None:
    house.configure(workers=3, pool=SHARE)
    house.start()
    pid, port = house.pid, house.port()
    before = len(house.master_descriptors())
    with load(house, port) as clients:
        for _ in range(2):
            house.ctl("upgrade")
            clients.more(20)
    clients.check()
    assert house.pid == pid
    assert len(house.master_descriptors()) == before
    assert len(shares(house, port, 100)) == 3
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_killed_worker_costs_what_it_had_in_hand(house: House, load: type[Load], until: Until) -> None:
    house.configure(workers=2, pool=SHARE)
    house.start()
    port = house.port()
    victim = house.workers()[0]
    with load(house, port, keep_alive=0, one_shot=4) as clients:
        os.kill(victim, signal.SIGKILL)
        until(lambda: house.live_without(victim) == 2, "it was replaced")
        until(lambda: len(clients.contents) >= 3, "the replacement serves")
    assert len(clients.lost) <= 4, clients.lost  # each client had one connection there at most
    assert clients.answered > 20
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_scaling_up_loses_nothing_and_scaling_down_leaves_no_dead_queue(
    house: House, load: type[Load]
) -> None:
    house.configure(workers=1, pool=SHARE)
    house.start()
    port = house.port()
    with load(house, port) as clients:
        house.ctl("scale", "hello", "4")
        clients.more(50)
    clients.check()
    assert len(shares(house, port, 200)) == 4
    house.ctl("scale", "hello", "2")
    assert len(shares(house, port, 100)) == 2, "nothing hangs in a queue that nobody serves"
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_who_waits_at_a_worker_that_scaling_removes_is_served_by_it(house: House, until: Until) -> None:
    """The worker is stopped, so that what comes has to wait, then scaled away."""
    house.change("from fapws.supervisor.core import worker_states; worker_states.HUNG_GRACE = 60.0")
    house.configure(workers=2, pool=SHARE)
    house.start()
    port = house.port()
    leaving = next(w["pid"] for w in house.status()["workers"] if w["slot"] == 1)
    os.kill(leaving, signal.SIGSTOP)
    waiting: list[socket.socket] = []
    for _ in range(300):  # more in one queue than one turn of accepting takes
        sock = socket.create_connection(("127.0.0.1", port), 30)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        waiting.append(sock)
    os.kill(house.pid, signal.SIGTTOU)
    until(lambda: house.status()["pools"][0]["workers"] == 1, "it has been told to leave")
    os.kill(leaving, signal.SIGCONT)
    answers = [b"".join(iter(lambda sock=sock: sock.recv(65536), b"")) for sock in waiting]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert any(str(leaving).encode() in answer for answer in answers), "some had waited for it"
    for sock in waiting:
        sock.close()
    house.ctl("stop")


@linux
def test_pool_that_sleeps_is_woken_at_every_queue(house: House, until: Until) -> None:
    house.configure(workers=3, pool=f"{SHARE}\nmin_workers = 0\nidle_timeout = 1s")
    house.start()
    port = house.port()
    for _ in range(3):
        until(lambda: not house.status()["workers"], "the workers have left")
        assert house.get(port).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()
