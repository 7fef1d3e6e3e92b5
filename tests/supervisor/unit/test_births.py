"""What zygotes say of births and ends: nothing of it is believed that the system can tell better."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from fapws import messages
from fapws.settings.model import Pool
from fapws.supervisor.core import actions, events, texts
from fapws.supervisor.process import births
from fapws.supervisor.process.births import Births, Newborn, Zygote, has_ended, open_child, parent_of
from fapws.supervisor.process.workers import Workers
from fapws.supervisor.waiting import make_waiter

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="looks at processes by pidfd (Linux)")


def child() -> int:
    """A process that waits to be killed."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            signal.pause()
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class World:
    """A master's register, a zygote whose part the test plays, and what the core is told."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.said: list[str] = []
        self.workers = Workers(make_waiter(), self.told.append, self.said.append)
        self.births: Births = self.workers.births()
        self.children = [child()]
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        row = self.workers.board.take("blog")
        # This process stands for the zygote: the children are its own.
        self.zygote = Zygote("blog", os.getpid(), ours.detach(), row, None)
        self.signals: list[int] = []
        self.zygote.signal = self.signals.append  # type: ignore[method-assign]
        self.workers.register(1, self.zygote)
        self.ordered(2)

    def ordered(self, number: int) -> Newborn:
        """As if it had been asked for this worker."""
        ours, theirs = socket.socketpair()
        theirs.close()
        newborn = Newborn("blog", 0, ours.detach(), self.workers.board.take("blog"), None, "off", False)
        newborn.zygote, newborn.number = self.zygote, number
        self.zygote.in_flight.add(number)
        self.workers.register(number, newborn)
        return newborn

    def says(self, *spoken: messages.Message) -> None:
        self.theirs.sendall(b"".join(map(messages.encode, spoken)))
        self.births.hear(1)

    def newborn(self) -> Newborn:
        process = self.workers.process(2)
        assert isinstance(process, Newborn)
        return process


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    for pid in made.children:
        end(pid)
    made.theirs.close()
    for _, process in made.workers.processes():
        process.close()
        if isinstance(process, Newborn):
            process.let_go()
    made.workers.close()


def test_birth_is_believed_of_a_child_of_the_zygote(world: World) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"))
    assert world.newborn().pid == world.children[0] and world.newborn().pidfd >= 0
    assert world.told == [events.WorkerBorn(2)]


@pytest.mark.parametrize(
    "whose", [1, os.getppid(), os.getpid()], ids=["init", "a stranger", "the zygote itself"]
)
def test_signal_never_goes_to_a_process_that_is_no_child_of_the_zygote(world: World, whose: int) -> None:
    if whose == 1:
        world.says(messages.Born("2 1"))
        assert world.signals == [signal.SIGKILL], "it talks nonsense"
        return
    world.says(messages.Born(f"2 {whose}"))
    assert world.newborn().pidfd == -1
    world.newborn().signal(signal.SIGKILL)  # whoever that is, it lives, or this test would not go on
    assert messages.Decoder(messages.TO_ZYGOTE).feed(world.theirs.recv(4096)) == [messages.Strike("2 9")]


@pytest.mark.parametrize(
    "lie",
    [
        messages.Born("3 4711"),
        messages.Born("2"),
        messages.Born("two 4711"),
        messages.Born("2 -1"),
        messages.Born(f"2 {2**31}"),
        messages.Born(f"2 {10**4000}"),
        messages.Unborn("3 why"),
        messages.Waited("2 0"),
        messages.Waited("1 0"),
        messages.Drain(),
        messages.Changed("x"),
    ],
    ids=lambda lie: str(lie)[:40],
)
def test_zygote_that_says_what_cannot_be_is_killed(world: World, lie: messages.Message) -> None:
    world.says(lie)
    assert world.signals == [signal.SIGKILL] and "talks nonsense" in world.said[0]
    assert world.told == [] and world.zygote.channel == -1


def test_end_of_a_worker_that_lives_is_not_believed(world: World) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"), messages.Waited("2 0"))
    assert world.signals == [signal.SIGKILL] and "the end of a worker that lives" in world.said[0]
    assert world.workers.process(2) is not None


@pytest.mark.parametrize("status", [2**31, -(2**63), 0x1FFFF])
def test_end_with_a_status_that_no_system_gives_is_not_believed(world: World, status: int) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"), messages.Waited(f"2 {status}"))
    assert world.signals == [signal.SIGKILL] and "talks nonsense" in world.said[0]


def test_two_births_of_one_order_are_not_believed(world: World) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"), messages.Born(f"2 {world.children[0]}"))
    assert world.signals == [signal.SIGKILL]


def test_end_is_told_with_its_status(world: World) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"))
    pid = world.children.pop()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(world.newborn().pidfd) and world.births.on_ready(world.newborn().pidfd)
    assert world.told == [events.WorkerBorn(2)], "its status is waited for"
    world.says(messages.Waited(f"2 {os.waitpid(pid, 0)[1]}"))
    assert world.told[1:] == [events.WorkerExited(2, -9, 0)] and world.workers.process(2) is None


def test_end_that_a_zygote_does_not_tell_is_known_after_a_while(world: World) -> None:
    world.says(messages.Born(f"2 {world.children[0]}"))
    end(world.children.pop())
    assert world.births.on_ready(world.newborn().pidfd)
    world.births.bury_overdue(world.births.due - 0.1)
    assert len(world.told) == 1
    world.births.bury_overdue(world.births.due)
    assert world.told[1:] == [events.WorkerExited(2, texts.UNKNOWN, 0)]


def test_signal_before_the_birth_is_sent_after_it(world: World) -> None:
    world.newborn().signal(signal.SIGKILL)
    pid = world.children.pop()
    world.says(messages.Born(f"2 {pid}"))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9


def test_orders_of_a_dead_zygote_fail_and_its_workers_live_on(world: World) -> None:
    world.ordered(3)
    world.says(messages.Born(f"2 {world.children[0]}"))
    start = actions.Start(4, Pool("blog"), 0, 1, True, 1)
    world.zygote.waiting.append(births.Order(start, (), None, False))  # type: ignore[arg-type]
    world.told.clear()
    world.births.changed(1, signal.SIGKILL)
    assert world.told[0] == events.ZygoteExited(1, -9), "first, so that nothing is ordered of it any more"
    assert [event.worker for event in world.told[1:] if isinstance(event, events.WorkerExited)] == [3, 4]
    assert world.newborn().zygote is None and world.newborn().pidfd >= 0
    end(world.children.pop())
    assert world.births.on_ready(world.newborn().pidfd)
    assert world.told[-1] == events.WorkerExited(2, texts.UNKNOWN, 0)


def test_orphan_that_is_stopped_is_seen_by_a_look(world: World) -> None:
    [pid] = world.children
    world.says(messages.Born(f"2 {pid}"))
    world.births.changed(1, signal.SIGKILL)
    world.told.clear()
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    world.births.look()
    world.births.look()
    assert world.told == [events.WorkerPaused(2, "a signal")]
    os.kill(pid, signal.SIGCONT)
    os.waitid(os.P_PID, pid, os.WCONTINUED | os.WNOWAIT)
    world.births.look()
    assert world.told[1:] == [events.WorkerContinued(2)]


def test_order_that_was_taken_back_is_never_sent(world: World) -> None:
    start = actions.Start(4, Pool("blog"), 0, 1, True, 1)
    world.zygote.waiting.append(births.Order(start, (), None, False))  # type: ignore[arg-type]
    world.workers.signal(4, signal.SIGTERM)
    assert not world.zygote.waiting and world.told == [events.WorkerExited(4, 0)]


def test_child_of_another_parent_is_not_opened() -> None:
    pid = child()
    try:
        assert parent_of(pid) == os.getpid()
        opened = open_child(pid, os.getpid())
        assert opened >= 0 and not has_ended(opened)
        os.close(opened)
        assert open_child(pid, os.getppid()) == -1
    finally:
        end(pid)
    assert open_child(pid, os.getpid()) == -1, "it has been reaped"


def test_system_without_pidfd_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert open_child(os.getpid(), os.getppid()) == -1
