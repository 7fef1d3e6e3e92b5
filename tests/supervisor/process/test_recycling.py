"""Workers that are replaced: after so many requests, grown too large, too old."""

from __future__ import annotations

import re

from support.house import House, Load, Until


def test_recycling_loses_no_request(house: House, load: type[Load], until: Until) -> None:
    pool = "max_requests = 50\nmax_requests_jitter = 10"
    house.configure(workers=2, listen=f"unix:{house.unix}", pool=pool)
    house.start()
    first = set(house.workers())
    with load(house, None) as clients:
        until(lambda: not first & set(house.workers()) or clients.lost, "both were replaced")
        clients.more(50)
    clients.check()
    assert re.search(r"is replaced after \d+ requests \(max_requests\)", house.log())
    assert house.status()["last_deaths"] == []
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_has_grown_is_replaced(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="max_rss = 1m")
    house.start()
    first = house.workers()
    until(lambda: house.workers() not in (first, []), "it was replaced")
    assert re.search(r"is replaced after [\d.]+ MB \(max_rss\)", house.log())
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_old_worker_is_replaced(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="max_lifetime = 1s")
    house.start()
    first = house.workers()
    until(lambda: house.workers() not in (first, []), "it was replaced")
    house.wait_log(r"is replaced after \d s \(max_lifetime\)")
    house.ctl("stop")
    house.assert_nothing_is_left()
