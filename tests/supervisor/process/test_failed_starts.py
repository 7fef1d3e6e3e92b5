"""Starts that fail, in part or in time: what is told, what is left, the exit codes."""

from __future__ import annotations

import os
import re

import pytest
from support.house import HALF_THE_TIME_FOR_A_STACK, House, Until


@pytest.mark.parametrize("words", [["start"], ["start", "-F"]])
def test_syntax_error_in_the_application_is_shown_and_nothing_is_left(house: House, words: list[str]) -> None:
    house.configure(listen=f"127.0.0.1:0, unix:{house.unix}")
    house.write_app("def application(:\n")
    printed = house.ctl(*words, expect=1)
    assert "SyntaxError" in printed
    assert str(house.app) in printed
    assert "fapws/worker/life.py" not in printed
    house.assert_nothing_is_left()


def test_worker_that_dies_while_booting_is_a_failed_start(house: House) -> None:
    house.write_app("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert "was killed by SIGKILL before it was ready" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


@pytest.mark.parametrize("hangs", ["time.sleep(60)", "while True: pass"], ids=["sleeps", "computes"])
def test_worker_that_never_gets_ready_is_a_failed_start_that_says_where(house: House, hangs: str) -> None:
    # Both to get where it hangs and to tell its stack may take a busy machine some seconds.
    house.change(HALF_THE_TIME_FOR_A_STACK)
    house.configure(pool="boot_timeout = 10s")
    house.write_app(f"import time\ndef connect():\n    {hangs}\nconnect()\n")
    said = house.ctl("start", expect=1)
    assert re.search(
        r'\(most recent call first.*\):\n  File ".*hello\.py", line \d+ in connect\n  File .* in <module>\n'
        r"worker hello/0 was not ready after \d+ s \(boot_timeout\) and was killed\n",
        said,
    ), said
    house.assert_nothing_is_left()


SECOND_FAILS = """
import os, time
for number in range(3):
    try:
        os.close(os.open(f"{PLACE}.{number}", os.O_CREAT | os.O_EXCL))
        break
    except FileExistsError:
        continue
if number == 1:
    raise LookupError("no place for a second")
if number == 2:
    REST
def application(environ, start_response):
    start_response("200 OK", [])
    return []
"""


def test_start_says_how_many_workers_serve_and_why_not_all(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}", workers=2)
    place = str(house.directory / "taken")
    house.write_app(SECOND_FAILS.replace("{PLACE}", place).replace("REST", 'raise LookupError("nor this")'))
    said = house.ctl("start")
    assert f"(pid {house.pid}, 1 of 2 workers)\n" in said
    why = "exited with status 1 before it was ready: LookupError: no"
    assert re.search(rf"fapws: worker hello/1 \(pid \d+\) {why}", said)
    assert "1 of 2 workers)" in house.log()
    house.ctl("stop")


def test_start_that_waits_in_vain_tells_what_has_failed_so_far(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}", workers=2, pool="drain_timeout = 1s")  # it sleeps
    place = str(house.directory / "taken")
    house.write_app(SECOND_FAILS.replace("{PLACE}", place).replace("REST", "time.sleep(60)"))
    said = house.ctl("-t", "6", "start", expect=1)
    assert "fapws: not serving after 6 s; it may still finish\nfapws: now: " in said
    assert "pool hello: 1 of 2 serving" in said
    assert re.search(
        r"fapws: the last failure, \d+s ago: worker hello/1 \(pid \d+\) exited with status", said
    )
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_start_that_is_not_waited_for_may_still_finish(house: House, until: Until) -> None:
    gate = house.directory / "gate"
    os.mkfifo(gate)
    house.write_app(f"open({str(gate)!r}).close()\n" + house.app.read_text())
    assert "may still finish" in house.ctl("-t", "0.2", "start", expect=1)
    gate.open("w").close()
    until(lambda: "serving hello" in house.log(), "it serves")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_second_pool_that_cannot_boot_takes_the_first_along(house: House) -> None:
    bad = house.directory / "bad.py"
    bad.write_text("import not_there_at_all\napplication = None\n")
    house.configure(more=f"[app:bad]\nscript = {bad}\nlisten = 127.0.0.1:0\n")
    printed = house.ctl("start", expect=1)
    assert "not_there_at_all" in printed
    assert "pool bad cannot start" in printed
    house.assert_nothing_is_left()
