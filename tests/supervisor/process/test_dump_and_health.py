"""`fapwsctl dump` and `fapwsctl health`."""

from __future__ import annotations

import json
import os
import signal

from support.house import House, Until


def test_dump_shows_values_with_their_origin(house: House) -> None:
    house.configure(workers=3, master=f"pidfile = {house.pidfile}\nkeepalive_timeout = 7s\n")
    lines = house.ctl("dump").splitlines()
    assert any(line.startswith("workers = 3 ") and line.endswith(":8") for line in lines), lines
    assert any(line.startswith("keepalive_timeout = 7s ") and line.endswith(":3") for line in lines), lines
    assert any(line.startswith("max_uri = 8k ") and line.endswith("; default") for line in lines), lines
    answer = json.loads(house.ctl("-j", "dump"))["configuration"]
    assert answer["app:hello"]["workers"] == {"value": "3", "origin": f"{house.ini}:8"}
    assert answer["fapws"]["control"] == {"value": "", "origin": "default"}


def test_health_tells_well_from_degraded(house: House, until: Until) -> None:
    assert "not running" in house.ctl("health", expect=7)
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    assert house.ctl("health") == "fapws: healthy\n"
    house.write_app("import not_there_at_all\napplication = None\n")
    os.kill(house.workers()[0], signal.SIGKILL)
    until(lambda: house.status()["state"] == "degraded", "nobody serves")
    assert "0 of 1 workers serve" in house.ctl("health", expect=1)
    assert json.loads(house.ctl("-j", "health", expect=1))["healthy"] is False
    house.ctl("stop")
