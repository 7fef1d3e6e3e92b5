"""preload: a zygote imports the application, and forks the workers. One server, to which much happens."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from support.house import House, Load, Until
from support.preloading import app, full_without, parents, started, title, workers, zygotes

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc and pidfd")
EXITS = "\nimport signal\nsignal.signal(signal.SIGUSR1, lambda *_: os._exit(7))\n"
TELLS_ITS_END = """
import atexit
atexit.register(lambda: print("the end of", os.getpid(), flush=True))
"""
DIES_ONCE = """
def die_once():
    if os.path.exists(__file__ + ".dies"):
        os.unlink(__file__ + ".dies")
        os._exit(9)

os.register_at_fork(after_in_parent=die_once)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with three workers and a zygote, as each test leaves it; the application's code may differ."""
    house = House(tmp_path_factory.mktemp("preload"))
    try:
        started(house, workers=3, text=app() + EXITS + DIES_ONCE)
        yield house
        house.ctl("stop")
        house.assert_nothing_is_left()
    finally:
        house.clean()


@pytest.fixture
def calm(shared: House, until: Until) -> House:
    """The same after a reload: nothing has failed in the slots, so they are filled again at once."""
    shared.ctl("reload")
    until(lambda: len(zygotes(shared)) == 1, "the old one has left")
    return shared


def test_workers_are_forked_by_the_one_that_imported(shared: House) -> None:
    port = shared.port()
    [zygote] = zygotes(shared)
    assert "fapws: preload hello" in title(zygote)
    said = [eval(shared.get(port)) for _ in range(8)]
    assert {one["imported by"] for one in said} == {zygote} == {one["parent"] for one in said}
    assert all(one["zygote"] for one in said)
    firsts = {one["pid"]: one["number"] for one in reversed(said)}
    assert len(set(firsts.values())) == len(firsts), "random was not seeded anew"
    serving = shared.told()["workers"]
    assert [w["state"] for w in serving] == ["serving"] * 3, "the zygote is none of them"
    assert all(f"worker hello/{w['slot']}" in title(w["pid"]) for w in serving)


@pytest.mark.parametrize(
    ("how", "what"), [("KILL", "was killed by SIGKILL"), ("USR1", "exited with status 7")]
)
def test_crash_is_refilled_by_the_same_zygote_and_told(
    shared: House, until: Until, how: str, what: str
) -> None:
    zygote = zygotes(shared)
    victim = workers(shared)[0]
    os.kill(victim, getattr(signal, f"SIG{how}"))
    until(lambda: full_without(shared, victim, 3), "the slot is filled again")
    assert parents(shared) == set(zygote)
    shared.wait_log(rf"worker hello/\d \(pid {victim}\) {what} after")


@linux
def test_worker_that_is_stopped_is_killed_by_its_master(shared: House, until: Until) -> None:
    victim = workers(shared)[0]
    os.kill(victim, signal.SIGSTOP)
    until(lambda: full_without(shared, victim, 3), "the slot is filled again")
    shared.wait_log(rf"\(pid {victim}\) was killed by SIGKILL: stopped by SIGSTOP")


def test_scaling_up_and_down(shared: House, until: Until) -> None:
    shared.ctl("scale", "hello", "12")
    assert len(workers(shared)) == 12
    assert parents(shared) == set(zygotes(shared))
    shared.ctl("scale", "hello", "3")
    until(lambda: len(shared.told()["workers"]) == 3, "the others have left")


@linux
def test_worker_holds_nothing_of_its_zygote(shared: House) -> None:
    [zygote] = zygotes(shared)

    def sockets(pid: int) -> set[str]:
        links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        assert not [link for link in links if "scoreboard" in link or "fapws-worker" in link]
        return {link for link in links if link.startswith("socket:")}

    held = {pid: sockets(pid) for pid in (zygote, *workers(shared))}
    assert len(held[zygote]) == 1, "its channel alone: no listener, no worker's channel"
    for pid in workers(shared):
        assert len(held[pid]) == 2 and not held[pid] & held[zygote], "its channel and a listener"


def test_worker_whose_zygote_dies_before_it_tells_of_the_birth_leaves_and_another_comes(
    calm: House, until: Until
) -> None:
    """Nobody has told the master of that worker: it ends by itself."""
    [old] = zygotes(calm)
    victim = workers(calm)[0]
    calm.app.with_name(calm.app.name + ".dies").touch()
    os.kill(victim, signal.SIGKILL)
    calm.wait_log(rf"preload hello \(pid {old}\) exited with status 9")
    until(lambda: zygotes(calm) and full_without(calm, victim, 3), "the slot is filled again")
    [fresh] = zygotes(calm)
    assert fresh != old
    known = {*workers(calm), fresh, calm.pid}
    until(lambda: set(calm.processes()) == known, "the one that nobody knows has gone")


def test_workers_of_a_dead_zygote_serve_on_and_the_next_start_makes_another(
    calm: House, load: type[Load], until: Until
) -> None:
    [old] = zygotes(calm)
    before = workers(calm)
    with load(calm, calm.port()) as clients:
        os.kill(old, signal.SIGKILL)
        until(lambda: not zygotes(calm), "it is dead")
        clients.more(20)
        assert workers(calm) == before
    clients.check()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: full_without(calm, before[0], 3), "the slot is filled again")
    [fresh] = zygotes(calm)
    assert fresh != old and fresh in parents(calm)


def test_dead_zygote_whose_code_is_no_more_says_why(calm: House, until: Until) -> None:
    [old] = zygotes(calm)
    good = calm.app.read_text()
    calm.write_app("raise OSError('no database')\n")
    before = workers(calm)
    os.kill(old, signal.SIGKILL)
    until(lambda: not zygotes(calm), "it is dead")
    os.kill(before[0], signal.SIGKILL)
    calm.wait_log(r"preload hello:\n.*(.*\n)*.*OSError: no database")
    assert set(workers(calm)) == set(before[1:])
    assert b"pid" in calm.get(calm.port())
    calm.write_app(good)
    until(lambda: full_without(calm, before[0], 3), "it was mended")


def test_stopped_zygote_is_killed_and_its_workers_serve_on(calm: House, until: Until) -> None:
    [old] = zygotes(calm)
    before = workers(calm)
    os.kill(old, signal.SIGSTOP)
    calm.wait_log(rf"preload hello \(pid {old}\): stopped by SIGSTOP; it is killed in 2 s")
    os.kill(before[0], signal.SIGKILL)  # its end is not told by its parent
    until(lambda: full_without(calm, before[0], 3), "the slot is filled again")
    assert set(before[1:]) < set(workers(calm))
    until(lambda: old not in zygotes(calm), "it was killed")
    assert b"pid" in calm.get(calm.port())


def test_reload_that_cannot_import_leaves_everything(shared: House, load: type[Load], until: Until) -> None:
    before, old, good = set(workers(shared)), zygotes(shared), shared.app.read_text()
    with load(shared, shared.port()) as clients:
        shared.write_app("import not_there_at_all\n")
        said = shared.ctl("reload", expect=1)
        assert "ModuleNotFoundError: No module named 'not_there_at_all'" in said
        assert "fapws/worker" not in said
    clients.check()
    shared.write_app(good)
    assert set(workers(shared)) == before
    until(lambda: zygotes(shared) == old, "the new one has gone")


def test_reload_takes_a_new_zygote_and_loses_nothing(shared: House, load: type[Load], until: Until) -> None:
    old = set(zygotes(shared))
    with load(shared, shared.port()) as clients:
        shared.write_app(app("new"))
        shared.ctl("reload")
        clients.forget()
        clients.more(20)
        assert all(b"'new'" in content for content in clients.contents)
    clients.check()
    until(lambda: zygotes(shared) and not old & set(zygotes(shared)), "the old one has left")
    assert parents(shared) == set(zygotes(shared))


def test_reload_with_queues_of_their_own_loses_nothing(shared: House, load: type[Load], until: Until) -> None:
    """reuseport: a worker's queue comes to it with the order."""
    port, before = shared.port(), set(workers(shared))
    shared.configure(workers=3, pool="preload = yes\nreuseport = yes\n")
    with load(shared, port) as clients:
        shared.ctl("reload")
        clients.more(20)
        shared.ctl("reload")
        clients.more(20)
    clients.check()
    assert len(workers(shared)) == 3 and not before & set(workers(shared))
    until(lambda: parents(shared) == set(zygotes(shared)), "the old ones have left")


@linux
def test_upgrade_in_place_carries_zygotes_over_and_loses_nothing(
    shared: House, load: type[Load], until: Until
) -> None:
    shared.write_app(app() + TELLS_ITS_END)
    shared.ctl("reload")
    until(lambda: len(zygotes(shared)) == 1, "the one before has left")
    old, before, said = set(zygotes(shared)), set(workers(shared)), len(shared.log())
    with load(shared, shared.port()) as clients:
        shared.ctl("upgrade")
        clients.more(20)
    clients.check()
    assert "ended" not in shared.log()[said:] and before.isdisjoint(workers(shared))
    until(lambda: len(zygotes(shared)) == 1, "the old one has left")
    assert not old & set(zygotes(shared)) and parents(shared) == set(zygotes(shared))
    [zygote] = old
    shared.wait_log(rf"hello/preload\[{zygote}\]: the end of {zygote}\n")  # of it, not of a worker
