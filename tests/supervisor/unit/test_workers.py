"""Who is told to end its connections: a worker of this master's code, which knows the message."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from fapws import messages
from fapws.settings.model import Config, Pool
from fapws.supervisor.core import actions
from fapws.supervisor.logs.all_logs import Logs
from fapws.supervisor.process.births import Newborn, Zygote
from fapws.supervisor.process.saved_worker import SavedWorker
from fapws.supervisor.process.worker_process import Inheritance, Process
from fapws.supervisor.process.workers import Workers
from fapws.supervisor.waiting import make_waiter


class World:
    """A master's register, and the other end of a channel."""

    def __init__(self) -> None:
        self.workers = Workers(make_waiter(), lambda _event: None, lambda _line: None)
        self.logs = Logs(Config("", (Pool("blog"),)))
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.channel = ours.detach()
        self.row = self.workers.board.take("blog")

    def adopt(self, is_zygote: bool = False) -> None:
        saved = SavedWorker(
            1, "blog", 0, os.getpid(), self.channel, self.row.number, -1, "off", is_zygote=is_zygote
        )
        self.workers.adopt((saved,), self.logs.error)

    def heard(self) -> list[messages.Message]:
        try:
            return messages.Decoder(messages.FROM_MASTER).feed(self.theirs.recv(4096))
        except BlockingIOError:
            return []


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.theirs.close()
    for _, process in made.workers.processes():
        process.close()
        if isinstance(process, Newborn):
            process.let_go()
    made.workers.close()
    made.logs.close()


def test_a_worker_is_told(world: World) -> None:
    world.workers.register(1, Process("blog", os.getpid(), world.channel, world.row, None, "off", False))
    world.workers.renew(1)
    assert world.heard() == [messages.Renew()]
    world.workers.renew(2)
    assert world.heard() == [], "it is gone"


def test_a_worker_of_the_code_before_an_upgrade_is_not_told(world: World) -> None:
    world.adopt()
    world.workers.renew(1)
    assert world.heard() == []
    assert world.workers.send(1, messages.Drain()) and world.heard() == [messages.Drain()]


def test_nor_one_that_a_zygote_of_that_code_forks(world: World) -> None:
    world.adopt(is_zygote=True)
    assert isinstance(world.workers.process(1), Zygote)
    lifeline = os.pipe()
    given = Inheritance(lifeline[0], world.logs)
    start = actions.Start(2, Pool("blog", preload=True), 0, 1, zygote=1)
    assert world.workers.start(start, (), given, isolate=False) == ""
    newborn = world.workers.process(2)
    assert isinstance(newborn, Newborn) and newborn.adopted
    for end in lifeline:
        os.close(end)
