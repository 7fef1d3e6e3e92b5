"""reuseport = yes: a socket for each slot, opened, kept and closed by the master."""

from __future__ import annotations

import os
import socket
import sys
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


def test_other_systems_refuse_it_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"only Linux spreads connections .* this is NetBSD"):
        reuse_port.check("NetBSD")


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
    register.put_in_force(split)
    register.put_in_force(plain)
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
