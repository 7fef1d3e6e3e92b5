"""The landing stage of an upgrade: new code that fails after the exec, while the old workers serve on."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest
from support.house import House, Load, Until
from support.spoilt_code import FAILS, FAILS_LATE, LATE, WORKS, Code


@pytest.fixture
def code(house: House) -> Code:
    return Code(house)


def land(house: House, until: Until, times: int = 1) -> None:
    """An upgrade that fails; the reason is in the log then."""
    os.kill(house.pid, signal.SIGUSR2)
    until(lambda: house.log().count("RuntimeError: late") >= times, "the failure in the log")


@pytest.mark.parametrize(("works", "fails"), [(WORKS, FAILS), (LATE, FAILS_LATE)])
def test_any_number_of_attempts_keeps_all_that_was_handed_over(
    house: House, code: Code, until: Until, load: type[Load], works: str, fails: str
) -> None:
    house.configure(workers=2, listen=f"127.0.0.1:0, unix:{house.unix}", pool="access_log = access.log")
    house.start()
    port = house.port()
    code.spoil(works, fails)
    with load(house, port) as clients, load(house, None) as others:
        for attempt in range(1, 4):
            land(house, until, attempt)
        clients.more(20)
        others.more(20)
        code.mend()
        os.kill(house.pid, signal.SIGUSR2)
        house.wait_log("reload done: generation 2, 2 workers replaced")
        clients.more(20)
        others.more(20)
    clients.check()
    others.check()
    assert house.port() == port
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_log_that_cannot_be_opened_is_handed_over_open(house: House, code: Code) -> None:
    house.start()
    house.log_file.rename(house.directory / "log.0")
    house.log_file.symlink_to("missing/log")  # it cannot be opened
    pid = house.pid
    assert f"upgraded in place (pid {pid})" in house.ctl("upgrade")
    assert "upgraded in place to version" in (house.directory / "log.0").read_text()
    house.ctl("stop")


def test_a_worker_that_dies_meanwhile_is_replaced_by_the_next_attempt(
    house: House, code: Code, until: Until
) -> None:
    house.configure(workers=2)
    house.start()
    victim, _ = house.workers()
    code.spoil()
    land(house, until)
    os.kill(victim, signal.SIGKILL)
    code.mend()
    os.kill(house.pid, signal.SIGUSR2)
    until(lambda: len(house.workers()) == 2 and victim not in house.workers(), "two workers")
    house.wait_log("reload done")
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_a_stop_takes_no_longer_than_the_workers(
    house: House, code: Code, until: Until, numbers: list[int]
) -> None:
    house.start()
    code.spoil()
    land(house, until)
    pid, began = house.pid, time.monotonic()
    for number in numbers:
        os.kill(pid, number)
    until(lambda: not house.processes(), "the end")
    assert time.monotonic() - began < 20
    house.assert_nothing_is_left()


def test_a_fast_stop_does_not_wait_for_a_request(house: House, code: Code, until: Until) -> None:
    house.write_app("import time\ndef application(environ, start_response):\n    time.sleep(60)\n")
    house.start()
    code.spoil()
    with socket.create_connection(("127.0.0.1", house.port()), 30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["workers"][0]["request"], "the request is in hand")
        land(house, until)
        os.kill(house.pid, signal.SIGQUIT)
        until(lambda: not house.processes(), "the end", 20)  # drain_timeout is 25
    house.assert_nothing_is_left()


def test_a_foreign_pidfile_is_left_alone(house: House, code: Code, until: Until) -> None:
    house.start()
    code.spoil()
    land(house, until)
    pid = house.pid
    house.pidfile.unlink()
    house.pidfile.write_text("1\n")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not house.processes(), "the end")
    assert house.pidfile.read_text() == "1\n"


def test_systemd_gets_signs_of_life(house: House, code: Code, until: Until) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(house.directory / "notify"))
        systemd.settimeout(30)
        house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify", "WATCHDOG_USEC=4000000"]
        house.start()
        code.spoil()
        land(house, until)
        beats = 0
        while beats < 3:
            message = systemd.recv(4096)
            beats += message == b"WATCHDOG=1\nSTATUS=the upgrade failed; the old workers serve on"
        os.kill(house.pid, signal.SIGTERM)
        until(lambda: not house.processes(), "the end")


def test_the_failure_is_told_at_a_terminal(house: House, code: Code) -> None:
    house.configure(master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\n")
    process = house.foreground()
    code.spoil()
    process.send_signal(signal.SIGUSR2)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    assert any(line.startswith(b"fapws: the upgrade failed, the old workers serve on:") for line in lines)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    house.assert_nothing_is_left()
