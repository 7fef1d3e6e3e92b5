"""HAProxy's agent-check: the master tells it, and a real HAProxy obeys."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.haproxy import haproxy, needs_haproxy
from support.house import House, Until
from support.monitor import OPTION, address, exchange, master_options

BROKEN = "import not_there_at_all\napplication = None\n"


def told(house: House) -> str:
    return exchange(address(house, "agent"), b"").decode()


def test_agent_tells_up_drain_and_down(house: House, until: Until) -> None:
    house.configure(workers=2, master=master_options(house, OPTION, "agent = 127.0.0.1:0"))
    house.start()
    assert told(house) == "up ready 100%\n"
    assert exchange(address(house, "agent"), b"anything\n") == b"up ready 100%\n", "agent-send"
    house.ctl("drain")
    assert told(house) == "drain\n"
    house.ctl("undrain")
    assert told(house) == "up ready 100%\n"
    house.write_app(BROKEN)
    os.kill(house.workers()[0], signal.SIGKILL)
    until(lambda: told(house) == "up ready 50%\n", "half of the workers serve")
    os.kill(house.workers()[0], signal.SIGKILL)
    until(lambda: told(house) == "down #hello: 0 of 2 workers serve\n", "no worker serves")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_agent_alone_needs_no_status_address(house: House) -> None:
    path = str(house.directory / "agent.sock")
    house.configure(master=master_options(house, f"agent = unix:{path}"))
    house.start()
    assert exchange(path, b"") == b"up ready 100%\n"
    assert house.status()["monitors"] == {"agent": f"unix:{path}"}
    house.ctl("stop")
    assert not os.path.exists(path)


@needs_haproxy
def test_haproxy_obeys_the_agent(house: House, tmp_path: Path, until: Until) -> None:
    house.configure(workers=2, master=master_options(house, OPTION, "agent = 127.0.0.1:0"))
    house.start()
    port = address(house, "agent")[1]
    asked = f"agent-check agent-addr 127.0.0.1 agent-port {port} agent-inter 100ms"
    words = f"weight 100 check inter 100ms {asked}"
    rules = ("stats enable", "stats uri /haproxy")
    with haproxy(("127.0.0.1", house.port()), tmp_path, *rules, words=words) as front:

        def seen() -> tuple[str, str]:
            lines = exchange(front, b"GET /haproxy;csv HTTP/1.0\r\n\r\n").decode().splitlines()
            head = next(line for line in lines if line.startswith("# pxname"))
            server = next(line for line in lines if line.startswith("back,fapws,"))
            row = dict(zip(head.split(","), server.split(",")))
            return row["status"], row["weight"]

        until(lambda: seen() == ("UP", "100"), "it is up")
        house.ctl("drain")
        until(lambda: seen()[0].startswith("DRAIN"), "it drains")
        house.ctl("undrain")
        until(lambda: seen() == ("UP", "100"), "it is up again")
        house.write_app(BROKEN)
        os.kill(house.workers()[0], signal.SIGKILL)
        until(lambda: seen() == ("UP", "50"), "it gets half")
        os.kill(house.workers()[0], signal.SIGKILL)
        until(lambda: seen()[0].startswith("DOWN"), "it is down, though its port still takes connections")
        house.greeting("well")
        house.ctl("reload")
        until(lambda: seen() == ("UP", "100"), "it is up again")
    house.ctl("stop")
