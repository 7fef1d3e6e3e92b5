"""Another number of workers, by `fapwsctl scale` and by signals."""

from __future__ import annotations

import os
import signal

from support.house import House, Load, Until


def test_scale_waits_until_the_pool_has_its_workers_and_loses_no_request(
    house: House, load: type[Load]
) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    with load(house, None) as clients:
        for workers, text in ((3, "3 workers"), (1, "1 worker")):
            assert house.ctl("scale", "hello", str(workers)) == f"fapws: pool hello has {text}\n"
            assert len(house.workers()) == workers
            clients.more(20)
    clients.check()
    house.ctl("scale", "hello", "2")
    house.ctl("reload")
    assert len(house.workers()) == 1, "the configuration's number"
    assert "no pool 'shop'; known: hello" in house.ctl("scale", "shop", "2", expect=1)
    assert "from 1 to 1024" in house.ctl("scale", "hello", "0", expect=1)
    house.ctl("scale", "hello", expect=2)
    house.ctl("stop")
    house.assert_nothing_is_left()
    house.ctl("scale", "hello", "2", expect=7)


def test_after_scaling_up_no_worker_believes_to_be_alone(house: House, until: Until) -> None:
    house.write_app(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(environ['wsgi.multiprocess']).encode()]\n"
    )
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    assert house.get() == b"False"
    house.ctl("scale", "hello", "2")
    assert {house.get() for _ in range(50)} == {b"True"}
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_scale_tells_why_a_worker_cannot_start(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.write_app("import not_there_at_all\napplication = None\n")
    assert "not_there_at_all" in house.ctl("scale", "hello", "2", expect=1)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_ttin_and_ttou_change_the_number_of_workers(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    for number, workers in ((signal.SIGTTIN, 2), (signal.SIGTTIN, 3), (signal.SIGTTOU, 2)):
        os.kill(house.pid, number)
        until(lambda wanted=workers: len(house.workers()) == wanted, f"{workers} serve")
    house.ctl("stop")
    house.assert_nothing_is_left()
