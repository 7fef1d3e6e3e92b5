"""Pools that sleep: a client that waits is noticed at the right pool, and not after it has woken."""

from __future__ import annotations

import socket
from pathlib import Path

from fapws.settings.model import Address, Config, Pool
from fapws.supervisor.listen.listeners import Listeners
from fapws.supervisor.listen.sleeping_pools import SleepingPools
from fapws.supervisor.waiting import make_waiter


def test_client_that_waits_is_noticed_where_it_waits(tmp_path: Path) -> None:
    pools = tuple(
        Pool(name, listen=(Address(name, "unix", path=str(tmp_path / name)),)) for name in ("blog", "shop")
    )
    listeners, waiter = Listeners(), make_waiter()
    listeners.prepare(Config("", pools))
    sleeping = SleepingPools(listeners, waiter)
    for pool in pools:
        sleeping.watch(pool)
    try:
        assert waiter.wait(0.0) == []
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "shop"))
            (ready,) = waiter.wait(10.0)
            assert sleeping.at(ready.fd) == "shop"
            sleeping.unwatch("shop")
            assert waiter.wait(0.0) == []
            assert sleeping.at(ready.fd) is None
        sleeping.unwatch_all()
        assert sleeping.at(listeners.of_pool(pools[0])[0].fd) is None
    finally:
        listeners.close()
        listeners.remove_files()
