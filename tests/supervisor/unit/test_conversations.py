"""Clients of the control socket that wait for a reply get it, also if another client has gone meanwhile."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest

from fapws.supervisor.control.control_socket import BadRequest, Client
from fapws.supervisor.control.conversations import Conversations
from fapws.supervisor.waiting import Readiness


class Unwatched:
    """Stands for the waiter: nothing is waited for here."""

    def watch(self, fd: int, read: bool = True, write: bool = False) -> None:
        """Nothing."""

    def forget(self, fd: int) -> None:
        """Nothing."""


class Talk:
    """A conversation with some clients, whose ends are plain sockets."""

    def __init__(self, commands: dict[str, Any] | None = None) -> None:
        self.clients = Conversations(None, Unwatched())
        self.clients.commands = commands or {}

    def join(self) -> tuple[Client, socket.socket]:
        """One client more."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        return self.clients.adopt(ours.detach()), theirs


def heard(end: socket.socket) -> Any:
    """What the next answer says; the conversation ends then."""
    end.settimeout(5)
    with end, end.makefile() as lines:
        return json.loads(lines.readline())


def test_those_who_wait_for_a_reload_are_answered_though_one_has_gone() -> None:
    talk = Talk()
    waiting = [talk.join() for _ in range(4)]
    for client, _ in waiting:
        talk.clients.wait_for_reload(client)
    for gone in (0, 2):
        waiting[gone][1].close()
    talk.clients.reload_begins()
    talk.clients.reload_ends(True, text="done")
    for there in (1, 3):
        assert heard(waiting[there][1])["text"] == "done"


def test_an_answer_reaches_no_other_client_on_the_same_descriptor() -> None:
    talk = Talk()
    gone, end = talk.join()
    end.close()
    gone.reply(True)
    talk.clients.flush(gone)
    newcomer, end = talk.join()
    assert newcomer.fd == gone.fd  # the system gives the lowest that is free
    gone.reply(True, text="not for you")
    talk.clients.flush(gone)
    newcomer.reply(True, text="for you")
    talk.clients.flush(newcomer)
    assert heard(end)["text"] == "for you"


def test_orders_of_a_client_who_has_gone_are_not_obeyed() -> None:
    obeyed = []

    def obey(client: Client, request: dict[str, Any]) -> None:
        obeyed.append(request["command"])
        client.reply(True)
        talk.clients.flush(client)

    talk = Talk({"one": obey, "two": obey})
    client, end = talk.join()
    end.sendall(b'{"v": 1, "command": "one"}\n{"v": 1, "command": "two"}\n')
    end.close()
    talk.clients.on_ready(Readiness(client.fd, True, False))
    assert obeyed == ["one"]


def test_a_request_nested_beyond_measure_is_a_bad_one() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.write(theirs, b"[" * 4000 + b"\n")
    with pytest.raises(BadRequest):
        Client(ours).receive()
    os.close(ours)
    os.close(theirs)
