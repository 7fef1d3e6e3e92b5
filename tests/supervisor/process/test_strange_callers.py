"""A server in odd hands: a killed master, a job in the background, a journal, too many who ask at once."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.ports import unused_port

from fapws.cli.control_client import Conversation

SLOW = """
import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open(FILE, "w").close()
        time.sleep(SECONDS)
    if environ["PATH_INFO"] == "/print":
        print("printed by the application")
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\\n"]
"""


def ask(house: Any, path: str = "/", port: int | None = None) -> socket.socket:
    """A client that has asked and not read yet."""
    sock = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port) if port else str(house.unix))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return sock


def connect_to_control(house: Any) -> socket.socket:
    """Waits while the queue is full."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    until = time.monotonic() + 60
    while True:
        try:
            sock.connect(str(house.control))
            return sock
        except BlockingIOError:
            assert time.monotonic() < until
            time.sleep(0.01)


def answer(sock: socket.socket) -> bytes:
    with sock:
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("tcp", [True, False])
def test_a_start_waits_for_the_workers_of_a_master_that_was_killed(house: Any, until: Any, tcp: bool) -> None:
    began = house.directory / "began"
    house.write_app(SLOW.replace("FILE", repr(str(began))).replace("SECONDS", "4"))
    port = unused_port() if tcp else None
    listen = f"127.0.0.1:{port}" if port else f"unix:{house.unix}"
    house.configure(listen=listen, pool="drain_timeout = 20s")
    house.start()
    client = ask(house, "/slow", port)
    until(began.exists, "the worker is busy")
    os.kill(house.pid, signal.SIGKILL)
    assert "serving hello" in house.ctl("start")
    assert answer(client).endswith(b"hello\n")
    assert answer(ask(house, "/", port)).endswith(b"hello\n")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_start_does_not_wait_for_a_stranger(house: Any) -> None:
    house.configure(pool="drain_timeout = 600s")
    house.start()
    os.kill(house.pid, signal.SIGKILL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        house.configure(listen=f"127.0.0.1:{taken.getsockname()[1]}", pool="drain_timeout = 600s")
        assert f"Address already in use by pid {os.getpid()}" in house.ctl("start", expect=1)


def test_clients_that_say_nothing_lock_nobody_out(house: Any) -> None:
    house.start()
    silent = []
    for _ in range(200):
        silent.append(connect_to_control(house))
    try:
        assert house.status()["state"] == "running"
        house.ctl("reload")
        assert b"" in {sock.recv(1) for sock in silent[:1]}, "the oldest has had to go"
    finally:
        for sock in silent:
            sock.close()
    house.ctl("stop")


def test_many_reloads_at_one_time_are_all_told_how_theirs_ended(house: Any) -> None:
    house.start()
    outcomes = []

    def reload() -> None:
        conversation = Conversation(str(house.control), 60)
        outcomes.append(conversation.ask("reload"))
        conversation.close()

    threads = [threading.Thread(target=reload) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 100
    done = [outcome for outcome in outcomes if outcome["ok"]]
    rest = {outcome["error"] for outcome in outcomes if not outcome["ok"]}
    assert len(done) >= 16
    assert rest <= {"64 commands are under way already; ask again later"}
    house.ctl("stop")


def test_a_scale_that_another_overtakes_does_not_say_that_it_is_done(house: Any, until: Any) -> None:
    gate = house.directory / "gate"
    gate.touch()
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
    house.write_app(waits + house.app.read_text())
    house.start()
    gate.unlink()
    first = subprocess.Popen(
        house.words("scale", "hello", "3"),
        env=house.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until(lambda: house.status()["pools"][0]["workers"] == 3, "the first has been heard")
    second = subprocess.Popen(house.words("scale", "hello", "2"), env=house.environment())
    until(lambda: house.status()["pools"][0]["workers"] == 2, "and so has the second")
    gate.touch()
    assert second.wait(60) == 0
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 1, said
    assert b"overtaken by another order: pool hello has 2 workers" in said
    house.ctl("stop")


def test_output_that_is_a_socket_can_be_a_log_by_its_name(house: Any) -> None:
    """As under systemd, whose journal gives a socket."""
    house.write_app(SLOW)
    master = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = /dev/stdout\n"
    house.configure(listen=f"unix:{house.unix}", master=master, pool="access_log = /dev/stdout")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = house.start_foreground(theirs.fileno())
        answer(ask(house, "/print"))
        house.ctl("reopen")
        house.ctl("reload")
        answer(ask(house, "/again"))
        house.ctl("stop")
        assert process.wait(30) == 0
        assert theirs.getblocking()
        theirs.close()
        said = b"".join(iter(lambda: ours.recv(65536), b"")).decode()
    assert "printed by the application" in said
    assert "master: reload done" in said
    assert '"GET /print HTTP/1.1" 200 6' in said
    assert '"GET /again HTTP/1.1" 200 6' in said


CLOSES = """
import os
os.close(1)
os.close(2)

def application(environ, start_response):
    print("printed into nowhere", flush=True)
    try:
        os.write(1, b"by a library of C")
        os.write(2, b"by a library of C")
    except OSError:
        pass
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("FAILED")
    data = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(data)))])
    return [data]
"""


def test_what_is_printed_by_who_has_closed_its_output_reaches_no_client(house: Any) -> None:
    house.write_app(CLOSES)
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    large = b"x" * 3_000_000  # in a temporary file
    clients = []
    for _ in range(5):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(house.unix))
        clients.append(sock)
    for sock in clients:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(large)}\r\n\r\n"
        sock.sendall(head.encode() + large)
        said = answer(sock)
        assert said.startswith(b"HTTP/1.1 200")
        assert said.partition(b"\r\n\r\n")[2] == large
    assert answer(ask(house, "/fail")).startswith(b"HTTP/1.1 500")
    house.wait_log("RuntimeError: FAILED")
    house.ctl("stop")
    house.assert_nothing_is_left()


BACKGROUND = """
import os, signal, subprocess, sys

os.setsid()
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first that a leader opens becomes its terminal
import termios
settings = termios.tcgetattr(terminal)
settings[3] |= termios.TOSTOP
termios.tcsetattr(terminal, termios.TCSANOW, settings)
child = subprocess.Popen(sys.argv[2:], stdin=terminal, stdout=terminal, stderr=terminal, process_group=0)
print(child.pid, flush=True)
sys.stdin.read()
child.wait()
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the test makes a job with process_group")
def test_a_job_in_the_background_is_not_stopped_by_what_it_says(house: Any, until: Any) -> None:
    house.write_app(SLOW)
    house.configure(
        workers=2,
        listen=f"unix:{house.unix}",
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\n",
    )
    outside, inside = pty.openpty()
    command = [sys.executable, "-c", BACKGROUND, os.ttyname(inside), *house.words("start", "-F")]
    shell = subprocess.Popen(command, env=house.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    house._processes.append(shell)
    try:
        assert termios.tcgetattr(inside)
        until(house.control.exists, "it takes commands")
        until(lambda: house.status()["state"] == "running", "it serves")
        for _ in range(5):
            assert answer(ask(house, "/print")).startswith(b"HTTP/1.1 200")
        house.ctl("reload")
        assert len(house.workers()) == 2
        os.set_blocking(outside, False)
        said = bytearray()

        def all_said() -> bool:
            # The kernel moves a terminal's bytes when it finds the time.
            with contextlib.suppress(BlockingIOError):
                said.extend(os.read(outside, 65536))
            return b"printed by the application" in said and b"reload done" in said

        until(all_said, "both are seen on the terminal")
        house.ctl("stop")
    finally:
        assert shell.stdin is not None
        shell.stdin.close()
        shell.wait(30)
        os.close(outside)
        os.close(inside)
    house.assert_nothing_is_left()


def test_an_installation_that_is_removed_goes_on_serving_and_obeys(house: Any, tmp_path: Path) -> None:
    tree, clone = tmp_path / "installed", house.tree
    tree.mkdir()
    shutil.copytree(clone / "fapws", tree / "fapws", symlinks=False)
    house.tree = tree
    house.program = [sys.executable, "-m", "fapws.cli.fapwsctl"]
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    master = house.pid
    shutil.rmtree(tree)
    assert answer(ask(house)).startswith(b"HTTP/1.1 200")
    os.kill(master, signal.SIGHUP)
    house.wait_log("reload failed")
    os.kill(master, signal.SIGUSR2)
    house.wait_log("upgrade failed")
    house.tree = clone
    for question in (("stack", "hello/0"), ("top", "-b", "-n", "1"), ("profile", "hello/0", "1")):
        assert "no longer installed" in house.ctl(*question, expect=1), question
    assert "reload" in house.ctl("why")
    house.ctl("reload", expect=1)
    assert answer(ask(house)).startswith(b"HTTP/1.1 200")
    assert house.pid == master
    os.kill(master, signal.SIGTERM)
    house.assert_nothing_is_left()
