"""reuseport = yes: a queue for each worker, and what becomes of who waits there."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from support.ports import unused_port

from fapws import reuse_port
from fapws.settings.model import Address, Config, Pool
from fapws.supervisor.errors import CannotStart
from fapws.supervisor.listen.listeners import Listeners

linux = pytest.mark.skipif(sys.platform != "linux", reason="the option exists on Linux only")

SHARE = "reuseport = yes"


def test_other_systems_refuse_it_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"only Linux spreads connections .* this is NetBSD"):
        reuse_port.check("NetBSD")


# ---- The register ----------------------------------------------------------------------------------


def config(workers: int, reuseport: bool = True, port: int = 0, host: str = "127.0.0.1") -> Config:
    address = Address(f"{host}:{port}", "tcp", host=host, port=port)
    pool = Pool("hello", listen=(address,), backlog=16, workers=workers, reuseport=reuseport)
    return Config("", (pool,))


@pytest.fixture
def register() -> Iterator[Listeners]:
    made = Listeners()
    yield made
    made.close()


def queues(register: Listeners, wanted: Config) -> list[int]:
    pool = wanted.pools[0]
    return [register.of_slot(pool, slot)[0].fd for slot in range(pool.workers)]


def as_socket(fd: int) -> closing[Any]:
    """A second descriptor of it, with Python's methods; PyPy would make a usual one blocking."""
    return closing(reuse_port.borrow(fd))


def names(fds: list[int]) -> set[object]:
    found: set[object] = set()
    for fd in fds:
        with as_socket(fd) as sock:
            found.add(sock.getsockname())
    return found


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_each_slot_has_a_socket_of_its_own_on_one_port_even_when_the_kernel_chose_it(
    register: Listeners, host: str
) -> None:
    wanted = config(3, host=host)
    try:
        register.prepare(wanted)
    except CannotStart as error:
        pytest.skip(f"this machine has no {host}: {error}")
    fds = queues(register, wanted)
    assert len(set(fds)) == 3
    assert len(names(fds)) == 1
    assert queues(register, wanted) == fds, "a replacement gets the same one"
    assert len(register.queues_of_pool(wanted.pools[0])) == 3
    assert not any(os.get_blocking(fd) for fd in fds)


@linux
def test_slot_gets_no_connection_before_its_worker_listens(register: Listeners) -> None:
    wanted = config(2)
    register.prepare(wanted)
    first, second = queues(register, wanted)
    with as_socket(second) as sock, as_socket(first) as taking:
        assert not reuse_port.listens(sock)
        clients = [socket.create_connection(sock.getsockname()) for _ in range(20)]
        for client in clients:
            client.sendall(b"x")
            taking.settimeout(30)
            os.close(taking._accept()[0])
            client.close()


@linux
def test_port_of_another_process_is_noticed_though_it_could_be_shared(register: Listeners) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CannotStart, match="Address already in use"):
            register.prepare(config(2, port=other.getsockname()[1]))


@linux
def test_option_turned_on_and_off_keeps_the_first_queue(register: Listeners) -> None:
    port = unused_port()
    plain, split = config(2, False, port), config(2, True, port)
    register.prepare(plain)
    before = queues(register, plain)
    assert before[0] == before[1]
    register.prepare(split)
    after = queues(register, split)
    assert after[0] == before[0] != after[1]
    register.settle(split)
    register.settle(plain)
    assert queues(register, plain) == before


@linux
def test_queue_ends_with_the_last_worker_of_its_slot_and_no_other(register: Listeners) -> None:
    three, two = config(3), config(2)
    register.prepare(three)
    fds = queues(register, three)
    assert not register.let_go("hello", 2, three)
    assert not register.let_go("hello", 1, two)
    assert not register.let_go("other", 2, two)
    assert register.let_go("hello", 2, two)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fds[2])
    assert queues(register, two) == fds[:2]


@linux
def test_queue_whose_worker_was_dead_is_closed_too(register: Listeners) -> None:
    register.prepare(config(3))
    fds = queues(register, config(3))
    register.trim(config(1))
    for fd in fds[1:]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


# ---- Real processes --------------------------------------------------------------------------------


def shares(house: Any, port: int, count: int) -> Counter[bytes]:
    """One-shot answers by worker."""
    return Counter(house.get(port).split()[1] for _ in range(count))


@linux
def test_every_worker_gets_connections(house: Any) -> None:
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
def test_reloads_under_load_lose_no_request(house: Any, load: Any, how: str) -> None:
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
def test_reload_that_turns_it_on_loses_no_request(house: Any, load: Any) -> None:
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
def test_upgrade_in_place_loses_no_request_and_keeps_every_queue(house: Any, load: Any) -> None:
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
def test_killed_worker_costs_what_it_had_in_hand(house: Any, load: Any, until: Any) -> None:
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
def test_scaling_up_loses_nothing_and_scaling_down_leaves_no_dead_queue(house: Any, load: Any) -> None:
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
def test_who_waits_at_a_worker_that_scaling_removes_is_served_by_it(house: Any, until: Any) -> None:
    """The worker is stopped, so that what comes has to wait, then scaled away."""
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
def test_pool_that_sleeps_is_woken_at_every_queue(house: Any, until: Any) -> None:
    house.configure(workers=3, pool=f"{SHARE}\nmin_workers = 0\nidle_timeout = 1s")
    house.start()
    port = house.port()
    for _ in range(3):
        until(lambda: not house.status()["workers"], "the workers have left")
        assert house.get(port).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()
