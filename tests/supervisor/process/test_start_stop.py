"""Starting, stopping and asking, with real processes: what is printed, what is left, the exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.house import House, Until


def test_start_says_where_it_serves_and_every_command_has_its_exit_code(house: House) -> None:
    house.configure(workers=2, listen=f"127.0.0.1:0, unix:{house.unix}")
    assert house.ctl("status", expect=3) == "fapws: stopped\n"
    assert house.ctl("stop") == "fapws: not running\n"
    house.ctl("reload", expect=7)
    line = house.start()
    match = re.fullmatch(
        rf"fapws: serving hello on http://127\.0\.0\.1:(\d+), unix:{house.unix} \(pid (\d+), 2 workers\)\n",
        line,
    )
    assert match, line
    assert int(match[2]) == house.pid
    assert house.get(int(match[1])).startswith(b"hello ")
    assert house.get(None).startswith(b"hello ")
    assert house.start() == f"fapws: already running (pid {house.pid})\n"
    assert "2 of 2 serving" in house.ctl("status")
    assert house.ctl("reload").startswith("fapws: reload done: generation 2, 2 workers replaced")
    assert house.ctl("stop").startswith("fapws: stopped (pid ")
    house.assert_nothing_is_left()
    house.ctl("status", expect=3)


def test_restart_is_another_process(house: House) -> None:
    house.start()
    before = house.pid
    house.ctl("restart")
    assert house.pid != before
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_restart_with_a_mistake_in_the_configuration_stops_nothing(house: House) -> None:
    house.start()
    before = house.pid
    house.configure(pool="workrs = 2")
    assert "workrs" in house.ctl("restart", expect=6)
    assert "workrs" in house.ctl("configtest", expect=6)
    assert house.ctl("status").startswith("fapws: running"), "it is found all the same"
    assert house.pid == before
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_port_in_use(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        house.configure(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert "ddress already in use" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


def test_second_start_of_a_foreground_master_fails_and_leaves_the_first_alone(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    first = house.foreground()
    done = subprocess.run(
        house.words("start", "-F"), env=house.environment(), stdout=subprocess.PIPE, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"fapws: already running (pid {first.pid})\n")
    assert house.get(None).startswith(b"hello")
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    house.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_foreground_master_ends_cleanly(house: House, number: signal.Signals) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}", master=f"pidfile = {house.pidfile}\n")
    process = house.foreground()
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.read() == b"", "not a word on the terminal"
    assert process.wait(30) == 0
    house.assert_nothing_is_left()


def test_ctrl_c_does_not_wait_for_a_client_that_is_idle(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    process = house.foreground()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(house.unix))
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(9) == b"HTTP/1.1 "
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0  # drain_timeout is 25 s
    house.assert_nothing_is_left()


def test_dead_master_leaves_a_pidfile_that_nobody_believes(house: House, until: Until) -> None:
    house.start()
    pid = house.pid
    assert "ended without stopping" not in house.log()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not house.processes(), "workers notice that the master is dead")
    assert "dead" in house.ctl("status", expect=1)
    left = f"its pidfile {house.pidfile} (pid {pid}) is still there\n"
    assert f"fapws: not running: the master ended without stopping, for {left}" in house.ctl("why", expect=7)
    assert house.ctl("stop") == "fapws: not running (stale pidfile)\n"
    house.start()
    told = f"the last master (pid {pid}, by its pidfile {house.pidfile}) ended without stopping: it was"
    assert re.search(rf" starting: version .* \(pid {house.pid}\)\n.*{re.escape(told)}", house.log())
    page = house.ctl("why")
    assert f"  {told}" in page and "have systemd or the like start it again" in page
    house.ctl("stop")
    assert "ended without stopping" not in house.ctl("why", expect=7).partition("\n")[0]
    house.assert_nothing_is_left()


def test_foreign_pid_in_a_pidfile_is_never_signalled(house: House) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        house.pidfile.write_text(f"{stranger.pid}\n")
        house.ctl("stop")
        house.ctl("reload", expect=7)
        house.ctl("status", expect=1)
        house.start()
        house.ctl("stop")
        assert stranger.poll() is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0


@pytest.mark.parametrize("with_control", [True, False])
def test_pid_written_into_the_file_of_a_living_master_is_never_signalled(
    house: House, with_control: bool
) -> None:
    if not with_control:
        if not os.path.exists("/proc/locks"):
            pytest.skip("without a control socket only Linux tells whose lock it is")
        house.configure(master=f"pidfile = {house.pidfile}\nerror_log = {house.log_file}\n")
    house.start()
    pid = house.pid
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        for text in (f"{stranger.pid}\n", ""):
            house.pidfile.write_text(text)
            assert f"(pid {pid}" in house.ctl("status")
        house.pidfile.write_text(f"{stranger.pid}\n")
        assert house.ctl("stop") == f"fapws: stopped (pid {pid})\n"
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    house.assert_nothing_is_left()


def test_without_a_control_socket_reload_is_unconfirmed_and_status_is_short(house: House) -> None:
    house.configure(master=f"pidfile = {house.pidfile}\nerror_log = {house.log_file}\n")
    house.start()
    assert "unconfirmed" in house.ctl("reload", expect=1)
    house.wait_log("reload done: generation 2")
    assert house.ctl("status").startswith(f"fapws: running (pid {house.pid})")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stopped_service_whose_runtime_directory_is_gone_is_stopped_and_well_configured(house: House) -> None:
    """systemd removes it at the stop; /etc/rc of OpenBSD empties /var/run at boot."""
    runtime = house.directory / "run"
    house.pidfile, house.control, house.unix = runtime / "pid", runtime / "control", runtime / "s"
    house.configure(listen=f"unix:{house.unix}")
    missing = f"fapws: there is no directory {runtime}; it must exist before the start\n"
    assert house.ctl("status", expect=3) == "fapws: stopped\n"
    assert house.ctl("configtest") == missing + f"fapws: {house.ini} is good\n"
    assert house.ctl("stop") == "fapws: not running\n"
    assert house.ctl("start", expect=6) == missing
    assert house.ctl("start", "-F", expect=6) == missing
    assert "not running" in house.ctl("reload", expect=7)
    runtime.mkdir()
    house.start()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_without_a_pidfile_the_control_socket_is_enough(house: House) -> None:
    house.configure(master=f"control = {house.control}\n")
    house.ctl("status", expect=3)
    house.start()
    assert house.start().startswith("fapws: already running")
    house.ctl("reload")
    assert house.status()["state"] == "running"
    house.ctl("stop")
    house.assert_nothing_is_left()
    house.ctl("status", expect=3)


def test_server_is_found_by_its_control_socket_when_the_pidfile_was_removed_or_moved(house: House) -> None:
    house.start()
    pid = house.pid
    house.pidfile.unlink()
    assert house.ctl("start") == f"fapws: already running (pid {pid})\n"
    house.pidfile = house.directory / "moved.pid"
    house.configure()
    assert "not changed, because that takes a restart: pidfile" in house.ctl("reload")
    assert house.status()["pid"] == pid
    house.ctl("restart")
    assert house.pid != pid
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.parametrize("command", ["reload", "reopen", "upgrade"])
def test_where_the_control_socket_does_not_answer_the_signal_is_sent(house: House, command: str) -> None:
    house.start()
    house.control.unlink()
    answer = json.loads(house.ctl("-j", command, expect=1))
    assert answer["exit_status"] == 1
    assert f"signalled (pid {house.pid}), unconfirmed: nobody answers" in answer["text"]
    # A reload makes it anew; until then the server can only be seen.
    assert f"(pid {house.pid})" in house.ctl("status", expect=None)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_daemon_without_a_log_says_so(house: House) -> None:
    house.configure(master=f"control = {house.control}\n")
    assert "nothing will be logged: error_log is stderr" in house.start()
    house.ctl("stop")


def test_reader_who_has_enough_is_no_error(house: House) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            house.words("status"),
            env=house.environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.parametrize("words", [["start"], ["start", "-F"]])
def test_start_with_all_streams_closed(house: House, until: Until, words: list[str]) -> None:
    line = " ".join(shlex.quote(word) for word in house.words(*words))
    closed = f"exec 0<&- 1>&- 2>&-; exec {line}"
    process = subprocess.Popen(["/bin/sh", "-c", closed], env=house.environment(), cwd=house.directory)
    try:
        house.wait_log("serving hello")
        assert house.get(house.port()).startswith(b"hello")
        house.ctl("stop")
    finally:
        assert process.wait(30) == 0
    house.assert_nothing_is_left()


def test_errors_are_json_too(house: House) -> None:
    assert json.loads(house.ctl("-j", "reload", expect=7)) == {
        "ok": False,
        "exit_status": 7,
        "text": "fapws: not running",
    }


def test_with_neither_nothing_can_be_found(house: House) -> None:
    house.configure(master="")
    house.ctl("status", expect=4)
    house.ctl("stop", expect=6)


def test_status_as_json_has_the_promised_names(house: House) -> None:
    house.configure(workers=2)
    house.start()
    port = house.port()
    for _ in range(3):
        house.get(port)
    answer = house.status()
    assert answer["state"] == "running"
    assert answer["generation"] == 1
    assert answer["totals"]["requests"] == 3
    assert answer["last_reload"] is None
    assert answer["last_deaths"] == []
    assert answer["pools"] == [
        {
            "name": "hello",
            "listen": [f"http://127.0.0.1:{port}"],
            "workers": 2,
            "serving": 2,
            "asleep": False,
        }
    ]
    for slot, worker in enumerate(answer["workers"]):
        assert worker["slot"] == slot
        assert set(worker) == {
            *("pool", "slot", "pid", "state", "age", "generation"),
            *("requests", "in_flight", "connections", "rss", "cpu", "request", "request_age"),
            *("preloaded", "private", "shared"),
        }
        assert (worker["preloaded"], worker["private"], worker["shared"]) == (False, None, None)
        assert worker["rss"] > 10**6
        assert 0.0 <= worker["cpu"] < 60.0
    house.ctl("reload")
    assert house.status()["totals"]["requests"] == 3, "those of workers that have gone count"
    house.ctl("stop")


def test_worker_that_waits_has_no_request_in_hand(house: House, until: Until) -> None:
    house.write_app(
        "def application(environ, start):\n    start('200 OK', [])\n    yield b'a'\n    yield b'stream'\n"
    )
    house.start()
    assert b"stream" in house.get(house.port())
    until(lambda: house.status()["totals"]["responses"] == 1, "it has been counted")
    until(lambda: house.status()["workers"][0]["request"] is None, "nothing is in hand")
    house.ctl("stop")


def test_control_socket_is_private_and_survives_nonsense(house: House) -> None:
    house.start()
    assert house.control.stat().st_mode & 0o777 == 0o600
    for line in (b"nonsense\n", b"[]\n", b'{"v": 1}\n', b'{"v": 99, "command": "ping"}\n', b"x" * 9000):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(house.control))
            client.sendall(line)
            assert json.loads(client.recv(65536))["ok"] is False
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(house.control))
        client.sendall(b'{"v": 1, "command": "explode"}\n{"v": 1, "command": "ping"}\n')
        first, _, _ = client.recv(65536).partition(b"\n")  # the next may have come with it
        assert "known: drain, ping, " in json.loads(first)["error"]
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_unix_socket_file_has_its_mode_and_is_removed_only_if_it_is_ours(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}?mode=660")
    house.start()
    assert house.unix.stat().st_mode & 0o777 == 0o660
    house.unix.unlink()
    house.unix.write_text("somebody else's")
    house.ctl("stop")
    assert house.unix.read_text() == "somebody else's"


def test_stale_unix_socket_file_is_replaced(house: House) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(house.unix))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_inherited_socket(house: House) -> None:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        given.listen()
        port = given.getsockname()[1]
        fd = given.fileno()
        house.configure(listen=f"fd:{fd}")
        done = subprocess.run(
            house.words("start"),
            env=house.environment(),
            pass_fds=[fd],
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert f"http://127.0.0.1:{port}" in done.stdout
    assert house.get(port).startswith(b"hello")
    house.ctl("reload")
    assert house.get(port).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_error_log_is_reopened_on_usr1(house: House, until: Until) -> None:
    house.start()
    house.log_file.rename(house.directory / "error.log.0")
    os.kill(house.pid, signal.SIGUSR1)
    until(house.log_file.exists, "the log is open again")
    house.ctl("reload")
    assert "reload done" in house.log()
    house.ctl("stop")


def test_what_the_application_prints_is_in_the_error_log(house: House) -> None:
    house.write_app("import os\nos.write(1, b'to one\\n')\nprint('printed')\n" + house.app.read_text())
    house.start()
    house.ctl("stop")
    assert "to one\n" in house.log()
    assert "printed\n" in house.log()


def test_log_in_a_missing_directory_is_refused(house: House) -> None:
    house.configure(master=f"pidfile = {house.pidfile}\nerror_log = {house.directory}/no/error.log\n")
    printed = house.ctl("start", expect=None)
    assert "no/error.log" in printed
    house.assert_nothing_is_left()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see descriptors")
def test_worker_holds_no_descriptor_of_the_master(house: House) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    for pid in house.workers():
        held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [name for name in held if name == str(house.pidfile)]
        # The channel and the listener; the master alone has the control socket and the others' ends.
        assert len([name for name in held if name.startswith("socket:")]) == 2, held
    house.ctl("stop")


@pytest.mark.parametrize(
    "words",
    [[], ["explode"], ["start", "stop"], ["-t", "x", "start"], ["-c"], ["-F", "stop"], ["-t", "-1", "stop"]],
)
def test_usage_errors(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from fapws.cli import fapwsctl

    assert fapwsctl.main(words) == 2
    assert "usage: fapwsctl" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from fapws import __version__
    from fapws.cli import fapwsctl

    assert fapwsctl.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fapwsctl {__version__}\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    from fapws.cli import fapwsctl

    assert fapwsctl.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: fapwsctl")


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux's /proc/net/tcp")
def test_a_port_that_is_taken_is_told_with_its_holder(house: House) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        house.configure(listen=f"127.0.0.1:{other.getsockname()[1]}")
        told = house.ctl("start", expect=1)
    assert f"Address already in use by pid {os.getpid()}, " in told
    house.assert_nothing_is_left()
