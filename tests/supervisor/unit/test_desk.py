"""The clients of the master's own addresses, over real sockets and without a master."""

from __future__ import annotations

import socket
import time

import pytest

from fapws.settings.model import Address
from fapws.supervisor.listen.bind import Listener
from fapws.supervisor.monitor.desk import CLIENTS_MAX, Desk
from fapws.supervisor.waiting import PollWaiter, SelectWaiter, Waiter

CONTENT = b"x" * (32 << 20)
"""More than any system keeps for a client that does not read."""
PATIENCE = 30.0


def serve_until_quiet(desk: Desk, waiter: Waiter) -> None:
    """Until nothing is ready any more; a loop that turns in vain never gets there."""
    for _ in range(1000):
        found = waiter.wait(0.2)
        if not found:
            return
        for ready in found:
            desk.on_ready(ready, 0.0)
    pytest.fail("the loop turns in vain")


def all_of_it(client: socket.socket, desk: Desk, waiter: Waiter) -> int:
    """How many bytes come until the end."""
    count, until = 0, time.monotonic() + PATIENCE
    client.setblocking(False)
    while time.monotonic() < until:
        try:
            piece = client.recv(1 << 20)
        except BlockingIOError:
            for ready in waiter.wait(0.2):
                desk.on_ready(ready, 0.0)
            continue
        if not piece:
            return count
        count += len(piece)
    pytest.fail("there is no end")


@pytest.mark.parametrize("make", [PollWaiter, SelectWaiter])
def test_client_that_has_said_all_gets_all_of_a_long_response(make: type[Waiter]) -> None:
    place = socket.create_server(("127.0.0.1", 0))
    place.setblocking(False)
    where = place.getsockname()
    address = Address("127.0.0.1:0", "tcp", "127.0.0.1", 0)
    waiter = make()
    desk = Desk(
        Listener(place.detach(), address, "", 64), waiter, lambda said: CONTENT if said else None, b""
    )
    with socket.create_connection(where, PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        serve_until_quiet(desk, waiter)
        assert all_of_it(client, desk, waiter) == len(CONTENT)
    assert desk.due == [], "it was let go with the last byte"
    desk.close()


def test_queue_of_clients_grows_shorter_by_many_a_turn() -> None:
    place = socket.create_server(("127.0.0.1", 0), backlog=128)
    place.setblocking(False)
    where = place.getsockname()
    waiter = PollWaiter()
    address = Address("127.0.0.1:0", "tcp", "127.0.0.1", 0)
    desk = Desk(Listener(place.detach(), address, "", 64), waiter, lambda said: None, b"")
    clients = [socket.create_connection(where, PATIENCE) for _ in range(120)]
    for _ in range(2):
        for ready in waiter.wait(PATIENCE):
            desk.on_ready(ready, 0.0)
    assert len(desk.due) == CLIENTS_MAX
    gone = [client for client in clients if let_go(client)]
    assert len(gone) == 120 - CLIENTS_MAX, "the others were let go at once"
    assert gone == clients[: len(gone)]
    for client in clients:
        client.close()
    desk.close()


def let_go(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
