"""`fapwsctl why`: one page on what has failed last."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from support.house import LONGER_GRACE, House, Until, connect

APP = """\
import os, signal

def crash_here():
    os.kill(os.getpid(), signal.SIGSEGV)

def hang_here():
    while True:
        pass

def application(environ, start_response):
    if environ["PATH_INFO"] == "/crash":
        crash_here()
    if environ["PATH_INFO"] == "/hang":
        hang_here()
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\\n"]
"""


def ask(house: House, *paths: str) -> None:
    """Each is answered, but the last, which ends its worker."""
    with connect(house, None) as client:
        for path in paths:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.recv(65536)


def begin(house: House, pool: str = "") -> None:
    house.write_app(APP)
    house.configure(listen=f"unix:{house.unix}", pool=pool)
    house.start()


def test_page_follows_what_fails(house: House, until: Until) -> None:
    begin(house)
    assert "nothing has failed that the master knows of" in house.ctl("why")
    ask(house, "/first", "/second", "/crash")
    until(lambda: house.status()["last_deaths"], "it has died")
    page = house.ctl("why")
    assert re.search(r"^fapws: the last failure, \d+s ago, was a worker that died in pool hello$", page, re.M)
    assert re.search(r"^  worker hello/0 .* was killed by SIGSEGV .*, in hand: GET /crash$", page, re.M)
    assert re.search(r"^stack:\n  Fatal Python error: .*\n(  .*\n)*  .* in crash_here$", page, re.M)
    assert re.search(
        r"latest at the end:\n  GET /first: 200, \d+ ms\n  GET /second: 200, \d+ ms$", page, re.M
    )
    assert re.search(
        rf"^  {house.ini}:\d+: \[app:hello\]\n  {house.ini}:\d+: script = {house.app}$", page, re.M
    )
    assert "SIGSEGV comes from C code" in page

    house.write_app("import not_there_at_all\n")
    told = house.ctl("reload", expect=1)
    page = house.ctl("why")
    assert "was a reload that failed in pool hello" in page
    assert "  ModuleNotFoundError: No module named 'not_there_at_all'" in page
    assert "not_there_at_all" in told
    assert re.search(r"^failures before:\n  \d+s ago: worker hello/0 .* SIGSEGV", page, re.M)

    assert "reload failed: ModuleNotFoundError: No module named 'not_there_at_all'" in page
    assert re.search(r"^traceback:\n  Traceback \(most.*\n(  .*\n)+  ModuleNotFoundError", page, re.M)
    assert "or put the old files back, at once" in page and "boot_timeout" not in page

    house.write_app(APP)
    house.ctl("reload")
    page = house.ctl("why")
    assert re.search(
        r"^fapws: the last .* in pool hello; a later reload has succeeded, \d+s ago$", page, re.M
    )
    assert "or put the old files back" not in page
    house.write_app("import not_there_at_all\n")

    os.kill(house.workers()[0], signal.SIGKILL)
    until(lambda: "could not start" in house.ctl("why"), "the next one cannot boot")
    page = house.ctl("why")
    assert "before it was ready: ModuleNotFoundError: " in page
    assert "a later reload" not in page.partition("\n")[0], "it was before that"
    assert re.search(r"^traceback:\n(  .*\n)+  ModuleNotFoundError", page, re.M)

    first, *others = json.loads(house.ctl("-j", "why"))["failures"]
    assert first["kind"] == "boot"
    assert {other["kind"] for other in others} >= {"crash", "reload"}
    house.ctl("stop")
    assert house.ctl("why", expect=7).startswith("fapws: not running; the end of ")

    log = house.log_file
    log.rename(f"{log}.1")
    told = f"fapws: not running; {log} has no lines: those before its rotation are in {log}.1"
    assert house.ctl("why", expect=7).strip() == told
    log.touch()
    assert house.ctl("why", expect=7).strip() == told


def test_hang_is_told_with_its_stack_and_request(house: House, until: Until) -> None:
    house.change(LONGER_GRACE)
    begin(house, "request_timeout = 3s")
    ask(house, "/before", "/hang")
    until(lambda: house.status()["last_deaths"], "it was killed")
    page = house.ctl("why")
    assert "was a worker that hung in pool hello" in page
    assert re.search(r"no sign of life for .*request_timeout.*in hand: GET /hang$", page, re.M)
    assert re.search(r"^stack:\n(  .*\n)*  .*in hang_here", page, re.M)
    assert re.search(rf"^  {house.ini}:\d+: request_timeout = 3s$", page, re.M)
    assert "  GET /before: 200" in page
    house.ctl("stop")


def test_storm_of_refusals_is_told_with_its_reasons(house: House) -> None:
    begin(house, "request_timeout = 0")  # nothing else looks at the scoreboard
    bad = b"GET / HTTP/1.1\r\n\r\n", *(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",) * 4
    for number in range(150):
        with connect(house, None) as client:
            client.sendall(bad[number % 5])
            client.recv(65536)
    page = house.ctl("why")
    assert "storm of refused requests in pool hello" in page
    refused = "150 requests were refused by the server itself"
    reasons = re.search(rf"{refused} \((\w+) 120, (\w+) 30\), 0 were answered", page)
    assert reasons, page
    table = (Path(__file__).resolve().parents[3] / "docs" / "refusals.md").read_text()
    assert all(f"`{token}`" in table for token in reasons.groups())
    assert "docs/refusals.md" in page
    house.ctl("stop")


def test_what_a_worker_says_cannot_pass_for_the_page(house: House, until: Until) -> None:
    begin(house)
    forged = "failures before:\\nnow: running\\x1b[2J"
    house.write_app(f"raise RuntimeError({forged!r})\n".replace("\\\\", "\\"))
    house.ctl("reload", expect=1)
    page = house.ctl("why")
    assert "\x1b" not in page
    assert len(re.findall("^now: ", page, re.M)) == 1
    assert "failures before:" not in page.splitlines()
    house.ctl("stop")
