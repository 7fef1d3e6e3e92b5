"""fapwsctl rollback: the generation before is forked again from memory, though its files are gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from support.house import House, Load, Until
from support.preloading import kept, workers, zygotes

APP = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"WORD"]
"""


def deploy(house: House, word: str) -> None:
    """A release; the file of the one before is gone."""
    house.write_app(APP.replace("WORD", word))
    house.ctl("reload")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server of which each test leaves one generation in force, and one that is kept."""
    house = House(tmp_path_factory.mktemp("rollback"))
    try:
        house.write_app(APP.replace("WORD", "first"))
        house.configure(workers=2, pool="preload = yes\nrollback_window = 10m\n")
        house.start()
        yield house
        house.ctl("stop")
        house.assert_nothing_is_left()
    finally:
        house.clean()


def test_nothing_can_be_gone_back_to_before_a_reload(shared: House) -> None:
    told = shared.ctl("rollback", expect=1)
    assert told.startswith("fapws: rollback failed: nothing is kept that any pool could go back to")
    told = shared.ctl("rollback", "hello", expect=1)
    assert "that pool hello could go back to: no reload has replaced what ran with preload" in told
    assert "there is no pool 'nobody'" in shared.ctl("rollback", "nobody", expect=1)


def test_rollback_serves_the_former_code_from_memory_and_loses_nothing(
    shared: House, load: type[Load]
) -> None:
    house, port = shared, shared.port()
    deploy(house, "second")
    assert house.get(port) == b"second"
    house.write_app("raise OSError('a bad release')\n")
    [old] = kept(house)
    assert f"pid {old}, ready, generation 1," in house.ctl("status")
    assert "can be gone back to for 9m (rollback)" in house.ctl("status")
    with load(house, port) as clients:
        told = house.ctl("rollback", "hello")
        clients.forget()
        clients.more(20)
        assert clients.contents == {b"first"}
    clients.check()
    assert told.startswith("fapws: rollback done: generation 3, 2 workers replaced in ")
    assert told.rstrip().endswith("; pool hello is as in generation 1")
    assert "rollback done: generation 3" in house.log()
    victim = workers(house)[0]
    os.kill(victim, signal.SIGKILL)
    house.wait_log(rf"pid {victim}\) was killed by SIGKILL")
    assert {house.get(port) for _ in range(4)} == {b"first"}, "refilled from memory too"
    [new] = kept(house)
    assert new != old, "what was gone back from can be had again"
    house.ctl("rollback")
    assert house.get(port) == b"second"


def test_zygote_that_was_kept_and_dies_cannot_be_gone_back_to(shared: House, until: Until) -> None:
    house, port = shared, shared.port()
    deploy(house, "third")
    [old] = kept(house)
    os.kill(old, signal.SIGKILL)
    until(lambda: not kept(house), "it is not offered any more")
    house.wait_log(
        rf"preload hello \(pid {old}\) was killed by SIGKILL .*; what it kept cannot be gone back to"
    )
    house.ctl("rollback", expect=1)
    assert house.get(port) == b"third"


def test_zygote_that_was_gone_back_to_and_dies_is_told_of(shared: House) -> None:
    house, port = shared, shared.port()
    deploy(house, "fourth")
    [old] = kept(house)
    house.ctl("rollback")
    os.kill(old, signal.SIGKILL)
    house.wait_log(rf"preload hello \(pid {old}\) was killed by SIGKILL .*imports the files as they are now")
    assert house.get(port) == b"third", "its workers serve on"
    deploy(house, "fifth")


def test_upgrade_in_place_keeps_nothing(shared: House) -> None:
    house, port = shared, shared.port()
    deploy(house, "sixth")
    assert kept(house)
    house.ctl("upgrade")
    assert not kept(house)
    house.ctl("rollback", expect=1)
    assert house.get(port) == b"sixth"


def test_window_ends(house: House, until: Until) -> None:
    house.configure(pool="preload = yes\nrollback_window = 1s\n")
    house.write_app(APP.replace("WORD", "first"))
    house.start()
    deploy(house, "second")
    until(lambda: len(zygotes(house)) == 1, "it has left")
    assert not kept(house) and house.get(house.port()) == b"second"
