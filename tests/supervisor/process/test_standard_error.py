"""error_log = stderr, the default: whatever becomes of its reader, requests are answered, orders obeyed."""

from __future__ import annotations

import array
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.house import wait_until

from fapws.outlet import Outlet

APP = """
import sys, subprocess

def application(environ, start_response):
    line = environ["PATH_INFO"] + "x" * 1000
    if environ["PATH_INFO"] == "/child":
        done = subprocess.run(["sh", "-c", "echo from a child; echo from its stderr >&2"])
        assert done.returncode == 0
    for _ in range(20):
        print(line)
        print(line, file=sys.stderr)
        print(line, file=sys.__stderr__)
        environ["wsgi.errors"].write(line + "\\n")
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError(line)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
FULL_AFTER = 30
"""Requests whose lines fill every pipe, socket and terminal there is."""


LAST_BUFFER = 4095 if sys.platform == "linux" else 1
"""Bytes that a terminal which is full has for its reader, at least; others have more."""
PATIENCE = 20.0


class Ends(NamedTuple):
    """Of a stream: what the server gets, and what somebody may read; -1: nobody can."""

    writer: int
    reader: int


def full_disk() -> Ends:
    return Ends(os.open("/dev/full", os.O_WRONLY), -1)


def unread_pipe() -> Ends:
    reader, writer = os.pipe()
    return Ends(writer, reader)


def pipe_without_reader() -> Ends:
    reader, writer = os.pipe()
    os.close(reader)
    return Ends(writer, -1)


def unread_socket() -> Ends:
    """As systemd gives it for the journal."""
    ours, theirs = socket.socketpair()
    return Ends(theirs.detach(), ours.detach())


def unread_terminal() -> Ends:
    """Ctrl-S, or a program that shows a terminal and hangs."""
    master, slave = pty.openpty()
    return Ends(slave, master)


def stopped_terminal() -> Ends:
    """Ctrl-S at the very beginning."""
    ends = unread_terminal()
    termios.tcflow(ends.writer, termios.TCOOFF)
    return ends


STREAMS = [full_disk, unread_pipe, pipe_without_reader, unread_socket, unread_terminal, stopped_terminal]


@pytest.fixture
def run(house: Any) -> Iterator[Callable[[Ends], subprocess.Popen[bytes]]]:
    """Starts a server whose standard output and error are a stream's end, and waits until it serves."""
    house.write_app(APP)
    house.configure(listen=f"unix:{house.unix}", master=f"pidfile = {house.pidfile}\ncontrol={house.control}")
    opened: list[Ends] = []

    def start(ends: Ends) -> subprocess.Popen[bytes]:
        opened.append(ends)
        started: subprocess.Popen[bytes] = house.start_foreground(ends.writer)
        return started

    yield start
    for ends in opened:
        for fd in ends:
            if fd >= 0:
                os.close(fd)


def ask(house: Any, path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(house.unix))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("stream", STREAMS)
def test_no_request_fails_and_no_command_hangs(house: Any, run: Any, stream: Callable[[], Ends]) -> None:
    ends = stream()
    process = run(ends)
    for _ in range(FULL_AFTER):
        assert ask(house, "/").startswith(b"HTTP/1.1 200")
    assert ask(house, "/raise").startswith(b"HTTP/1.1 500")
    house.ctl("reload")  # the master has lines of its own now
    os.kill(house.workers()[0], signal.SIGKILL)
    house.ctl("upgrade")
    house.ctl("reopen")
    assert ask(house, "/").startswith(b"HTTP/1.1 200")
    assert os.get_blocking(ends.writer)
    house.ctl("stop")
    assert process.wait(30) == 0
    house.assert_nothing_is_left()


def readable(fd: int) -> int:
    """Bytes that can be read at once."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def fill(ends: Ends) -> None:
    """Leaves no room for a byte."""
    outlet = Outlet(ends.writer)
    until = time.monotonic() + PATIENCE
    idle = 0
    # A terminal's bytes are moved from one buffer to another by the kernel, whenever it finds the time, and
    # then it takes more: not before the second is full, too.
    while idle < 20 or readable(ends.reader) < LAST_BUFFER:
        took = sum(max(outlet.put(b"\n" * size), 0) for size in (1000, 1))
        idle = 0 if took else idle + 1
        if not took:
            time.sleep(0.01)
        assert time.monotonic() < until
    outlet.close()


def empty(fd: int) -> bytes:
    """What is there."""
    os.set_blocking(fd, False)
    said = bytearray()
    try:
        while piece := os.read(fd, 65536):
            said.extend(piece)
    except BlockingIOError:
        pass
    return bytes(said)


def hear(fd: int, *texts: bytes) -> None:
    """Reads until all of them have come, and all that is there then."""
    said = bytearray()

    def heard() -> bool:
        said.extend(empty(fd))
        return all(text in said for text in texts)

    wait_until(heard, f"{texts} in what was said")


@pytest.mark.parametrize("stream", [unread_pipe, unread_socket, unread_terminal])
def test_lines_that_were_lost_are_told_once_there_is_room(
    house: Any, run: Any, stream: Callable[[], Ends]
) -> None:
    ends = stream()
    run(ends)
    house.ctl("reload")
    hear(ends.reader, b"reload done")
    fill(ends)
    ask(house, "/lost")
    house.write_app("nonsense(\n")
    house.ctl("reload", expect=1)  # the master has something to say, and the worker stays
    assert empty(ends.reader).strip() == b""
    house.ctl("reload", expect=1)
    hear(ends.reader, b" master: 2 lines before this one could not be written")
    ask(house, "/again")
    hear(ends.reader, b"fapws: 80 log lines were lost here: there was no room for them", b"/againx")
    house.ctl("stop")


def test_lines_of_children_arrive(house: Any, run: Any, until: Any) -> None:
    ends = unread_pipe()
    run(ends)
    assert ask(house, "/child").startswith(b"HTTP/1.1 200")
    house.ctl("stop")
    said = os.read(ends.reader, 65536)
    assert b"from a child\n" in said
    assert b"from its stderr\n" in said
    assert said.count(b"/childx") == 60  # what a pipe holds, whatever the reader does; the rest is counted


def test_a_file_as_standard_error_gets_every_line_in_order(house: Any, run: Any, tmp_path: Path) -> None:
    """One that was not opened for appending."""
    place = tmp_path / "stderr"
    run(Ends(os.open(place, os.O_WRONLY | os.O_CREAT), -1))
    for number in range(5):
        ask(house, f"/number{number}")
    house.ctl("stop")
    lines = place.read_bytes().split(b"\n")
    numbers = [line.partition(b"x")[0] for line in lines if line.startswith(b"/number")]
    assert numbers == [b"/number%d" % number for number in range(5) for _ in range(80)]


def test_output_of_the_application_goes_where_it_has_put_its_descriptor(
    house: Any, run: Any, tmp_path: Path
) -> None:
    house.write_app(
        "import os\n"
        f"fd = os.open({str(tmp_path / 'other')!r}, os.O_WRONLY | os.O_CREAT)\nos.dup2(fd, 1)\n"
        "print('put elsewhere')\n" + APP
    )
    ends = unread_pipe()
    run(ends)
    house.ctl("stop")
    assert (tmp_path / "other").read_bytes() == b"put elsewhere\n"
