"""Pools that sleep until a client comes (min_workers = 0)."""

from __future__ import annotations

import socket

from support.house import House, Until


def test_pool_on_demand_sleeps_and_the_client_who_wakes_it_is_answered(house: House, until: Until) -> None:
    pool = "min_workers = 0\nidle_timeout = 1s"
    house.configure(listen=f"127.0.0.1:0, unix:{house.unix}", pool=pool)
    house.start()
    port = house.port()
    for knock in (port, None, port):
        until(lambda: not house.status()["workers"], "the worker has left")
        status = house.status()
        assert status["state"] == "running"
        assert status["pools"][0]["asleep"]
        assert house.get(knock).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_pool_on_demand_that_is_broken_is_told_at_the_start(house: House) -> None:
    house.write_app("import not_there_at_all\napplication = None\n")
    house.configure(listen=f"unix:{house.unix}", pool="min_workers = 0")
    assert "not_there_at_all" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


def test_reload_that_changes_the_listeners_of_a_pool_that_sleeps(house: House, until: Until) -> None:
    pool = "min_workers = 0\nidle_timeout = 1s"
    house.configure(listen="127.0.0.1:0", pool=pool)
    house.start()
    port = house.port()
    until(lambda: not house.status()["workers"], "the worker has left")
    house.configure(listen=f"unix:{house.unix}", pool=pool)
    house.ctl("reload")
    until(lambda: not house.status()["workers"], "the worker has left")
    assert house.get(None).startswith(b"hello")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    house.ctl("stop")
    house.assert_nothing_is_left()
