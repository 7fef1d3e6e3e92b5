"""The error log of a service: what comes into it, from whom, and that no process waits for it."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest
from support.house import HELLO, House, Until
from support.rooted import OTHER, needs_proc, needs_root
from support.syslogd import syslog_place, syslogd

PRINTS = """\
import os, sys

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/flood":
        for number in range(100_000):
            print("flood", number, "x" * 50)
    elif path == "/raw":
        os.write(2, b"half a ")
        os.write(2, b"line\\n")
    else:
        print("out", path)
        print("error", path, file=sys.stderr)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def ask(house: House, path: str, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_every_line_has_time_pool_and_worker(house: House) -> None:
    house.write_app(PRINTS)
    house.start()
    (pid,) = house.workers()
    ask(house, "/a", house.port())
    ask(house, "/raw", house.port())
    stamp = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} "
    for text in ("out /a", "error /a", "half a line"):
        house.wait_log(rf"{stamp}hello/0\[{pid}\]: {text}$")
    house.ctl("stop")
    assert re.search(rf"{stamp}master: stopped", house.log())


def test_last_words_of_a_crashed_worker_are_in_the_log(house: House) -> None:
    house.write_app(
        "import os\ndef application(environ, start_response):\n"
        "    os.write(2, b'last words')\n    os.kill(os.getpid(), 9)\n"
    )
    house.start()
    with socket.create_connection(("127.0.0.1", house.port()), 30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100) == b""
    house.wait_log(r"hello/0\[\d+\]: last words\n")
    house.ctl("stop")


def test_worker_serves_while_nobody_reads_its_output(house: House) -> None:
    house.write_app(PRINTS)
    house.start()
    port, master = house.port(), house.pid
    os.kill(master, signal.SIGSTOP)
    try:
        ask(house, "/flood", port)
        ask(house, "/after", port)
    finally:
        os.kill(master, signal.SIGCONT)
    house.wait_log(r"flood 0 x")
    ask(house, "/again", port)
    house.wait_log(r"\d+ log lines were lost here: there was no room for them")
    house.wait_log(r"out /again")
    house.ctl("stop")


def test_worker_writes_to_the_log_itself_when_the_master_is_dead(house: House, until: Until) -> None:
    house.write_app(
        "import atexit, sys\natexit.register(lambda: print('the end', file=sys.stderr))\n" + PRINTS
    )
    house.start()
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in house.log()


def test_reopen_gives_workers_the_new_log_too(house: House, until: Until) -> None:
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.start()
    old = house.log_file.with_suffix(".old")
    house.log_file.rename(old)
    assert house.ctl("reopen") == "fapws: log files opened again\n"
    ask(house, "/new", house.port())
    house.wait_log("out /new")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in house.log()
    assert "the end" not in old.read_text()


def test_reopen_that_cannot_be_done_says_why(house: House) -> None:
    directory = house.directory / "logs"
    directory.mkdir()
    house.configure(
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {directory}/e.log\n"
    )
    house.start()
    directory.rename(house.directory / "moved")
    assert "cannot reopen" in house.ctl("reopen", expect=1)
    assert "the old file stays in use" in (house.directory / "moved" / "e.log").read_text()
    house.ctl("stop")


def test_reload_moves_the_error_log_of_everybody(house: House, until: Until) -> None:
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.start()
    old, new = house.log_file, house.directory / "other.log"
    house.ini.write_text(house.ini.read_text().replace(str(old), str(new)))
    house.ctl("reload")
    assert old.read_text().endswith(f"master: the log goes on in {new}\n")
    house.log_file = new
    house.wait_log("reload done: generation 2")
    assert "not changed" not in house.log()
    ask(house, "/new", house.port())
    house.wait_log("out /new")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left")
    assert "the end\n" in new.read_text(), "what it writes itself, without a master"


def test_reload_that_fails_leaves_the_error_log_where_it_was(house: House) -> None:
    house.start()
    before = len(house.master_descriptors())
    good = house.ini.read_text()
    house.ini.write_text(good.replace(str(house.log_file), "/proc/1/none/error.log"))
    assert "there is no directory /proc/1/none" in house.ctl("reload", expect=1)
    house.ini.write_text(good.replace(str(house.log_file), f"{house.directory}/other.log"))
    house.write_app("raise RuntimeError('broken')\n")
    house.ctl("reload", expect=1)
    house.wait_log("reload failed:(.|\n)*RuntimeError: broken")
    assert "the log goes on" not in house.log()
    assert len(house.master_descriptors()) == before
    house.ctl("stop")


def test_reload_moves_the_error_log_from_the_terminal_to_a_file_and_back(house: House, until: Until) -> None:
    house.write_app(PRINTS)
    file = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
    house.configure(master=file.replace(str(house.log_file), "stderr"))
    process = house.foreground()
    house.configure(master=file)
    house.ctl("reload")
    ask(house, "/filed", house.port())
    house.wait_log(r"hello/0\[\d+\]: out /filed")
    house.configure(master=file.replace(str(house.log_file), "stderr"))
    house.ctl("reload")
    ask(house, "/seen", house.port())
    house.ctl("stop")
    shown = process.stdout.read().decode()
    assert "out /seen" in shown
    assert "out /filed" not in shown
    assert "/seen" not in house.log()


def test_reopen_without_a_control_socket_is_unconfirmed(house: House, until: Until) -> None:
    house.configure(master=f"pidfile = {house.pidfile}\nerror_log = {house.log_file}\n")
    house.start()
    house.log_file.unlink()
    assert "unconfirmed" in house.ctl("reopen", expect=1)
    until(house.log_file.exists, "the log is there again")
    house.ctl("stop")
    assert house.ctl("reopen") == "fapws: not running, so no log is open\n"


@needs_root
def test_log_is_reopened_for_workers_below_chroot(public_house: House, until: Until) -> None:
    house = public_house
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    house.write_app("import atexit\natexit.register(lambda: print('the end', flush=True))\n" + PRINTS)
    house.configure(pool=f"user = {OTHER}\nchroot = {house.directory}/jail")
    house.start()
    house.log_file.unlink()
    house.ctl("reopen")
    ask(house, "/inside", house.port())
    house.wait_log("out /inside")
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the worker has left, and nobody reads what it says")
    assert "the end" not in house.log()


@pytest.mark.parametrize(("option", "mode"), [("", 0o640), ("log_mode = 600", 0o600)])
def test_logs_are_made_for_few_eyes(house: House, option: str, mode: int) -> None:
    access = house.directory / "access.log"
    places = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
    house.configure(master=f"{places}{option}\n", pool=f"access_log = {access}")
    house.start()
    for log in (house.log_file, access):
        assert log.stat().st_mode & 0o777 == mode
        log.unlink()
    house.ctl("reopen")
    for log in (house.log_file, access):
        assert log.stat().st_mode & 0o777 == mode
    house.ctl("stop")


SEQUENCE = "\\x1b]0;owned\\x07\\x9b31m \\rmaster: caf\\u00e9"
"""In the source of an application: what renames a window, colours what follows, and begins the line anew."""
SHOWN = r"\x1b]0;owned\x07\x9b31m \x0dmaster: caf\u00e9".replace(r"\u00e9", "\u00e9")


def assert_harmless(text: str) -> None:
    """It has the sequence, made visible, and nothing that a terminal would obey."""
    assert SHOWN in text
    assert not [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]


@pytest.mark.parametrize("log", ["file", "stderr"])
def test_no_escape_sequence_of_an_application_reaches_log_or_terminal(
    house: House, log: str, until: Until
) -> None:
    log_file = house.log_file if log == "file" else "stderr"
    house.configure(master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {log_file}\n")
    house.write_app(f"raise RuntimeError('{SEQUENCE}')\n")
    assert_harmless(house.ctl("start", expect=1))
    house.write_app(
        f"import sys\n\ndef application(environ, start_response):\n    raise RuntimeError('{SEQUENCE}')\n"
    )
    process = house.foreground()
    with socket.create_connection(("127.0.0.1", house.port()), 30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 500 ")
    house.write_app(f"raise RuntimeError('{SEQUENCE}')\n")
    assert_harmless(house.ctl("reload", expect=1))
    assert_harmless(house.ctl("status"))
    house.ctl("stop")
    assert process.stdout is not None
    told = process.stdout.read().decode()
    assert_harmless(house.log() if log == "file" else told)


def test_no_escape_sequence_that_is_printed_reaches_the_log(house: House) -> None:
    house.write_app(f"print('{SEQUENCE}', flush=True)\nimport os; os.write(2, b'\\xff\\x1b[2J\\n')\n" + HELLO)
    house.start()
    house.wait_log(r"xff.x1b\[2J")
    assert_harmless(house.log())
    house.ctl("stop")


TAMPERS = """\
import os

def application(environ, start_response):
    done = []
    for name in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
            if path.endswith(".log"):
                done.append(path)
                os.ftruncate(int(name), 0)
        except OSError:
            continue
    os.write(2, b"2026-01-01 00:00:00+0000 master: forged\\n")
    start_response("200 OK", [])
    return [repr(done).encode()]
"""


@needs_proc
def test_worker_cannot_empty_the_error_log_or_speak_as_the_master(house: House) -> None:
    house.write_app(TAMPERS)
    house.start()
    before = house.log()
    assert house.get(house.port()) == b"[]"
    house.wait_log(r"hello/0\[\d+\]: 2026-01-01 00:00:00\+0000 master: forged")
    assert house.log().startswith(before)
    house.ctl("stop")


def test_error_log_to_syslog(house: House) -> None:
    house.write_app(PRINTS)
    house.configure(
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = syslog:local3\n"
    )
    with syslog_place():
        assert "no syslogd listens" in house.ctl("start", expect=1)
        with syslogd() as daemon:
            house.start()
            ask(house, "/a", house.port())
            received = b""
            while b"error /a" not in received:
                received = daemon.recv(65536)
            assert re.match(rb"<158>.* fapws\[%d\]: hello/0\[\d+\]: error /a$" % house.pid, received)
            house.ctl("stop")


def test_reopen_follows_a_renamed_log(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    old = house.log_file.rename(house.directory / "error.log.0")
    assert "opened again" in house.ctl("reopen")
    house.ctl("reload")
    house.wait_log("reload done")
    assert "reload done" not in old.read_text()
    house.ctl("stop")
    assert house.ctl("reopen") == "fapws: not running, so no log is open\n"
