"""What the application's children print goes into the error log whole: they wait for the log, the worker does
not."""

from __future__ import annotations

from typing import Any

APP = """\
import os, subprocess

def application(environ, start_response):
    status = subprocess.run(["seq", "1", "30000"]).returncode
    flags = [os.get_blocking(fd) for fd in (1, 2)]
    start_response("200 OK", [])
    return [repr((status, flags)).encode()]
"""


def test_children_that_print_much_lose_nothing(house: Any, until: Any) -> None:
    house.write_app(APP)
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    assert house.get() == b"(0, [True, True])"
    house.wait_log(r"hello/0.* 30000\n")
    numbers = [int(line.rpartition(" ")[2]) for line in house.log().splitlines() if line[-1:].isdigit()]
    assert [number for number in numbers if number <= 30000][-30000:] == list(range(1, 30001))
    assert "lines were lost" not in house.log()
    house.ctl("stop")
    house.assert_nothing_is_left()
