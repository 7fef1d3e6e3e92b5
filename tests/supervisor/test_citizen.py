"""What init systems and people are told: sd_notify, passed sockets, dump, health, reopen."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import Any

import pytest

from fapws.supervisor.process.systemd import Notifier, Service, take_environment


class Systemd:
    """Listens where NOTIFY_SOCKET says."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(30)
        self.sock.bind(path)

    def hear(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.sock.recv(65536).decode().splitlines())


def test_systemd_is_told_of_every_step(house: Any, until: Any) -> None:
    systemd = Systemd(str(house.directory / "notify"))
    house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify"]
    house.write_app(
        "import os\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr('NOTIFY_SOCKET' in os.environ).encode()]\n"
    )
    house.configure(listen=f"unix:{house.unix}")
    process = house.foreground()
    told = systemd.hear()
    assert (told["READY"], told["MAINPID"]) == ("1", str(process.pid))
    assert "serving hello on unix:" in told["STATUS"]
    assert house.get(None) == b"False", "no worker talks in the master's name"
    house.ctl("reload")
    told = systemd.hear()
    assert told["RELOADING"] == "1"
    assert int(told["MONOTONIC_USEC"]) > 0
    told = systemd.hear()
    assert told["READY"] == "1"
    assert "1 worker replaced" in told["STATUS"]
    house.write_app("broken(\n")
    house.ctl("reload", expect=1)
    assert systemd.hear()["RELOADING"] == "1"
    assert "failed" in systemd.hear()["STATUS"]
    process.send_signal(signal.SIGTERM)
    assert systemd.hear()["STOPPING"] == "1"
    systemd.sock.close()
    house.assert_nothing_is_left()


def test_watchdog_is_fed_at_half_its_interval(house: Any) -> None:
    systemd = Systemd(str(house.directory / "notify"))
    house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify", "WATCHDOG_USEC=400000"]
    house.configure(listen=f"unix:{house.unix}")
    house.foreground().poll()
    beats = 0
    while beats < 5:
        beats += "WATCHDOG" in systemd.hear()
    systemd.sock.close()
    house.ctl("stop")


def test_nobody_is_told_without_a_socket(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    service = take_environment()
    assert service == Service(str(tmp_path / "gone"), 0.0), "the watchdog is somebody else's"
    assert "NOTIFY_SOCKET" not in os.environ
    notifier = Notifier(service)
    notifier.ready("x")  # nobody is there, and nothing happens
    assert notifier.beat(0.0) == float("inf")
    Notifier(Service()).stopping()


def test_socket_that_systemd_passes_is_served(house: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        house.configure(listen="fd:3")
        script = 'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        house.prefix = ["sh", "-c", script, "sh"]
        done = subprocess.run(
            house.words("start"), env=house.environment(), stdin=sock, stdout=subprocess.PIPE
        )
    house.prefix = []
    assert done.returncode == 0, done.stdout
    assert house.get(port).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_dump_shows_values_with_their_origin(house: Any) -> None:
    house.configure(workers=3, master=f"pidfile = {house.pidfile}\nkeepalive_timeout = 7s\n")
    lines = house.ctl("dump").splitlines()
    assert any(line.startswith("workers = 3 ") and line.endswith(":8") for line in lines), lines
    assert any(line.startswith("keepalive_timeout = 7s ") and line.endswith(":3") for line in lines), lines
    assert any(line.startswith("max_uri = 8k ") and line.endswith("; default") for line in lines), lines
    answer = json.loads(house.ctl("-j", "dump"))["configuration"]
    assert answer["app:hello"]["workers"] == {"value": "3", "origin": f"{house.ini}:8"}
    assert answer["fapws"]["control"] == {"value": "", "origin": "default"}


def test_health_tells_well_from_degraded(house: Any, until: Any) -> None:
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


def test_reopen_follows_a_renamed_log(house: Any) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    old = house.log_file.rename(house.directory / "error.log.0")
    assert "opened again" in house.ctl("reopen")
    house.ctl("reload")
    house.wait_log("reload done")
    assert "reload done" not in old.read_text()
    house.ctl("stop")
    assert "not running" in house.ctl("reopen", expect=7)
