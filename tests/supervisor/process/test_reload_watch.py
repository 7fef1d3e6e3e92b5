"""reload_watch: a reload goes on when its first new worker has served live traffic, and else goes back."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading

import pytest
from support.house import House, Load, Until, connect

APPLICATION = """
import itertools, os, time

NUMBER = itertools.count()

def application(environ, start_response):
    status = "200 OK"
    if environ["PATH_INFO"] != "/calm":
        BODY
    start_response(status, [("Content-Type", "text/plain")])
    return [b"GREETING %s %d" % (str(environ["wsgi.multiprocess"]).encode(), os.getpid())]
"""


def application(body: str = "pass", greeting: str = "old") -> str:
    return APPLICATION.replace("BODY", body).replace("GREETING", greeting)


class Crowd:
    """Clients that ask, one connection a request, until it is over, whatever becomes of them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(4)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                with connect(self._house, None) as sock:
                    sock.settimeout(2)
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    while sock.recv(65536):
                        pass
            except OSError:
                continue


class Loyal(Load):
    """Clients that open a connection anew only when they are told to, as a proxy's; an error is an answer."""

    statuses = (b"200", b"500")


def start(house: House, pool: str = "", workers: int = 2, watch: str = "30s") -> list[int]:
    house.write_app(application())
    house.configure(workers, f"unix:{house.unix}", f"reload_watch = {watch}\n{pool}")
    house.start()
    return house.workers()


@pytest.mark.parametrize(
    ("body", "pool", "told"),
    [
        (
            "status = '503 Busy' if next(NUMBER) % 3 == 0 else status",
            "",
            r"\d+ of \d+ answers were 5xx, before 0 of \d+",
        ),
        (
            "next(NUMBER) > 5 and os._exit(3)",
            "",
            r"exited with status 3 after \d+\.\d s, \d+ requests? served",
        ),
        ("time.sleep(600)", "request_timeout = 8s", r"no sign of life for \d+\.\d s in a request"),
    ],
)
def test_canary_that_is_worse_is_taken_back(house: House, body: str, pool: str, told: str) -> None:
    before = start(house, pool)
    house.write_app(application(body, "new"))
    with Crowd(house):
        answer = house.ctl("reload", expect=1)
    found = re.search(rf"reload failed: canary: {told}", answer)
    assert found, answer
    if "answers" in told:
        bad, of = map(int, re.findall(r"\d+", found[0])[:2])
        assert of >= 20 and 0.05 <= bad / of <= 0.5
    assert house.workers() == before
    assert house.status()["last_reload"]["ok"] is False
    assert house.get(None).startswith(b"old")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_clients_that_keep_their_connections_come_to_the_canary(house: House, until: Until) -> None:
    before = start(house)
    with Loyal(house, None, keep_alive=8, one_shot=0) as clients:
        house.write_app(application("status = '500 X'", "new"))
        answer = house.ctl("reload", expect=1)
        assert re.search(r"failed: canary: (\d+) of \1 answers were 5xx, before 0 of \d+", answer), answer
        assert {content[:3] for content in clients.contents} == {b"old", b"new"}

        def of_late() -> set[bytes]:
            clients.forget()
            clients.more(20)
            return {content[:3] for content in clients.contents}

        until(lambda: of_late() == {b"old"}, "they ask on")
    clients.check()
    assert house.workers() == before
    house.ctl("stop")


def test_two_serve_while_the_only_worker_of_a_pool_is_watched(
    house: House, load: type[Load], until: Until
) -> None:
    (before,) = start(house, workers=1, watch="8s")
    house.write_app(application(greeting="new"))
    with load(house, None) as clients:
        waiting = threading.Thread(target=house.ctl, args=("reload",))
        waiting.start()
        until(lambda: b"new" in {c[:3] for c in clients.contents}, "the new one responds")
        clients.forget()
        until(lambda: {c[:3] for c in clients.contents} == {b"old", b"new"}, "and so does the old one still")
        assert not [content for content in clients.contents if b" True " not in content]
        waiting.join(30)
        clients.forget()
        clients.more(20)
        assert {content[:3] for content in clients.contents} == {b"new"}
    clients.check()
    (after,) = house.workers()
    assert after != before
    house.ctl("stop")


def test_errors_that_the_old_workers_give_too_do_not_hold_a_reload_up(house: House) -> None:
    half = "status = '500 X' if next(NUMBER) % 2 else status"
    house.write_app(application(half))
    house.configure(2, f"unix:{house.unix}", "reload_watch = 2s")
    house.start()
    with Crowd(house):
        house.ctl("reload")
    house.ctl("stop")


def test_reload_that_brings_the_option_compares_nothing(house: House) -> None:
    house.write_app(application())
    house.configure(1, f"unix:{house.unix}")
    house.start()
    house.write_app(application("status = '500 X'"))
    house.configure(1, f"unix:{house.unix}", "reload_watch = 1s")
    with Crowd(house):
        house.ctl("reload")
    house.ctl("stop")


def test_steps_are_told_on_a_terminal_and_nowhere_else(house: House) -> None:
    start(house, workers=1, watch="1s")
    assert house.ctl("reload").count("\n") == 1
    outside, inside = os.openpty()
    try:
        told = subprocess.run(
            house.words("reload"), stdout=inside, env=house.environment(), timeout=60, check=True
        )
    finally:
        os.close(inside)
    said = b""
    with contextlib.suppress(OSError):  # how Linux tells the end of a terminal
        while piece := os.read(outside, 65536):
            said += piece
    lines = said.decode().splitlines()
    os.close(outside)
    assert told.returncode == 0
    assert lines[:5] == [
        "  reading the configuration",
        "  the configuration is good",
        "  worker hello/0 starts",
        "  worker hello/0 serves",
        "  watching the new worker of pool hello for 1 s",
    ]
    assert re.fullmatch(
        r"  pool hello: 0 of \d+ answers were 5xx, before 0 of \d+; the others follow", lines[6]
    )
    assert lines[-1].startswith("fapws: reload done: generation 3, 1 worker replaced")
    assert lines[-1].endswith("; canary: 0 answers only, nothing was compared")
    house.ctl("stop")


def test_frugal_reload_has_no_room_for_a_watch(house: House) -> None:
    house.configure(pool="reload = frugal\nreload_watch = 1m")
    told = house.ctl("configtest", expect=6)
    assert "reload_watch needs room for one worker more, which reload = frugal does not take" in told
