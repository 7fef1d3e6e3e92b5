"""Waiting for descriptors and deadlines, by poll() and by select()."""

from __future__ import annotations

import os
import socket
import time
from math import inf

import pytest

from fapws.supervisor.waiting import PollWaiter, SelectWaiter, Waiter


@pytest.mark.parametrize("make", [PollWaiter, SelectWaiter])
def test_waiter_tells_who_can_be_read_and_written(make: type[Waiter]) -> None:
    waiter = make()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiter.watch(ours.fileno())
        assert waiter.wait(0.0) == []
        theirs.send(b"x")
        ((fd, readable, writable),) = waiter.wait(inf)
        assert (fd, readable, writable) == (ours.fileno(), True, False)
        waiter.watch(ours.fileno(), write=True)
        assert waiter.wait(inf) == [(ours.fileno(), True, True)]
        waiter.forget(ours.fileno())
        assert waiter.wait(0.0) == []


@pytest.mark.parametrize("make", [PollWaiter, SelectWaiter])
def test_waiter_tells_the_end_of_the_other_side(make: type[Waiter]) -> None:
    waiter = make()
    reader, writer = os.pipe()
    waiter.watch(reader)
    os.close(writer)
    assert [ready.readable for ready in waiter.wait(1.0)] == [True]
    os.close(reader)


def test_deadline_has_passed_after_the_wait() -> None:
    before = time.monotonic()
    PollWaiter().wait(0.0105)
    assert time.monotonic() - before >= 0.0105
