"""error_log_format = json, with a real master and its workers."""

from __future__ import annotations

import json
from pathlib import Path

from support.house import House, Until

APP = """\
import sys
print('from the "import"')

def application(environ, start_response):
    print("of a request", file=environ["wsgi.errors"])
    raise RuntimeError("on purpose")
"""


def master(house: House, form: str, log: str) -> str:
    place = f"pidfile = {house.pidfile}\ncontrol = {house.control}\n"
    return f"{place}error_log = {log}\nerror_log_format = {form}\n"


def messages(path: Path, source: str) -> list[str]:
    whole, _, _ = path.read_text().rpartition("\n")
    entries = [json.loads(line) for line in whole.splitlines()]
    return [entry["message"] for entry in entries if entry["source"].startswith(source)]


def test_all_of_the_log_is_json(house: House, until: Until) -> None:
    house.write_app(APP)
    listen = f"unix:{house.unix}"
    house.configure(listen=listen, master=master(house, "json", str(house.log_file)))
    house.start()
    assert b"Internal Server Error" in ask(house)
    until(lambda: "RuntimeError: on purpose" in messages(house.log_file, "hello/0["), "it is told")
    told = messages(house.log_file, "hello/0[")
    assert 'from the "import"' in told
    assert "of a request" in told
    house.write_app("import not_there_at_all\n")
    house.ctl("reload", expect=1)
    (failed,) = [text for text in messages(house.log_file, "master") if text.startswith("reload failed")]
    assert "\nModuleNotFoundError" in failed

    house.write_app(APP)
    house.configure(listen=listen, master=master(house, "text", str(house.log_file)))
    house.ctl("reload")
    assert "master: reload done" in house.log()
    house.ctl("stop")


def test_standard_error_is_json_too(house: House) -> None:
    house.write_app(APP)
    house.configure(listen=f"unix:{house.unix}", master=master(house, "json", "stderr"))
    output = house.directory / "output"
    with output.open("wb") as file:
        server = house.start_foreground(file.fileno())
        assert b"Internal Server Error" in ask(house)
        house.ctl("stop")
        server.wait(30)
    lines = [line for line in output.read_text().splitlines() if not line.startswith("fapws: ")]
    entries = [json.loads(line) for line in lines]
    assert any(entry["message"] == "RuntimeError: on purpose" for entry in entries)
    assert {entry["source"].partition("[")[0] for entry in entries} == {"master", "hello/0"}


def ask(house: House) -> bytes:
    from support.house import connect

    with connect(house, None) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(65536):
            received += piece
    return received
