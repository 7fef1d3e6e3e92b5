"""A reload that lets each worker leave before its successor starts."""

from __future__ import annotations

from support.house import House, Load


def test_frugal_reload_loses_no_request(house: House, load: type[Load]) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}", pool="reload = frugal")
    house.start()
    with load(house, None) as clients:
        for word in ("one", "two"):
            house.greeting(word)
            assert "2 workers replaced" in house.ctl("reload")
            clients.forget()
            clients.more(20)
            assert {content.split()[0] for content in clients.contents} == {word.encode()}
    clients.check()
    house.ctl("stop")
    house.assert_nothing_is_left()
