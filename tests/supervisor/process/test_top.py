"""`fapwsctl top` on a real terminal and for scripts, with a real server under load."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest
from support.house import PATIENCE, House, Load, Until

APP = """\
import os

def application(environ, start_response):
    while environ["PATH_INFO"] == "/wait" and not os.path.exists("GATE"):
        pass
    body = b"hello %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Terminal:
    """A pseudo terminal with fapwsctl top in it, and what is to be seen there."""

    def __init__(self, house: House, *words: str, columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.former = termios.tcgetattr(theirs)
        environment = {**house.environment(), "TERM": "vt100"}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            house.words("top", *words),
            env=environment,
            cwd=house.directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # Ctrl-C works on a terminal, also where whoever runs the tests ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._theirs = theirs
        self._seen = b""
        self.screens: list[list[str]] = []

    def resize(self, columns: int, rows: int) -> None:
        """As a window does."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, key: str) -> None:
        """A key."""
        os.write(self._ours, key.encode())

    def wait(self, pattern: str) -> list[str]:
        """The lines of the next screen that has this in it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for screen in self._read():
                if re.search(pattern, "\n".join(screen)):
                    return screen
        raise AssertionError(f"no screen with {pattern!r}, but {self._seen[-3000:]!r}")

    def end(self) -> int:
        """Its exit status; the terminal is what it was."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            self._read()
        assert termios.tcgetattr(self._theirs) == self.former
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> list[list[str]]:
        if not select.select([self._ours], [], [], 0.1)[0]:
            return []
        self._seen += os.read(self._ours, 65536)
        *whole, self._seen = self._seen.split(b"\x1b[J")
        plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.decode()) for screen in whole]
        return [[line.rstrip("\r") for line in screen.split("\n")] for screen in plain]


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def serve(house: House, counted: bool = True, workers: int = 2) -> None:
    house.write_app(APP.replace("GATE", str(house.directory / "gate")))
    master = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
    if counted:
        master += f"status = unix:{house.directory / 'st'}\n"
    other = f"[app:other]\nscript = {house.app}\nlisten = unix:{house.directory / 'o'}\n"
    house.configure(listen=f"unix:{house.unix}", workers=workers, master=master, more=other)
    house.start()


def test_screen_shows_what_workers_do_under_load_and_obeys_its_keys(
    house: House, load: type[Load], terminals: list[Terminal]
) -> None:
    serve(house)
    with load(house, None, keep_alive=1, one_shot=1):
        screen = Terminal(house, "-d", "0.3")
        terminals.append(screen)
        lines = screen.wait(r"hello/\d +serving +[1-9]\d* +\d+% +<\d+ms +<\d+m?s ")
        assert all(len(line) <= 80 for line in lines) and len(lines) == 24
        assert lines[0].startswith("fapws: running (pid ")
        assert [line.split()[:1] for line in lines[4:10]] == [
            *(["hello/0"], ["hello/1"], ["other/0"], []),
            *(["hello"], ["other"]),
        ]
        screen.press("p")
        lines = screen.wait(r"pool hello; by worker")
        assert not any(line.startswith("other") for line in lines)
        screen.press("s")
        lines = screen.wait(r"by requests")
        screen.resize(140, 40)
        lines = screen.wait(r"worker +pid +state")
        assert len(lines) == 40
        screen.press("q")
        assert screen.end() == 0


def test_request_in_hand_and_the_worker_that_is_busy_with_it_are_seen(
    house: House, terminals: list[Terminal], until: Until
) -> None:
    serve(house)
    from support.house import connect

    with connect(house, None) as client:
        client.sendall(b"GET /wait?this HTTP/1.1\r\nHost: x\r\n\r\n")
        screen = Terminal(house, "-d", "0.3", columns=100)
        terminals.append(screen)
        screen.wait(r"hello/\d +\d+ +serving .* (9\d|100)% .* \d+s GET /wait\?this")
        os.kill(screen.process.pid, signal.SIGTERM)
        assert screen.end() == 128 + signal.SIGTERM
        (house.directory / "gate").write_text("")


def test_end_of_the_server_is_told_and_its_return_seen(house: House, terminals: list[Terminal]) -> None:
    serve(house)
    screen = Terminal(house, "-d", "0.3")
    terminals.append(screen)
    screen.wait("hello/0")
    house.ctl("stop")
    screen.wait("fapws: not running")
    house.start()
    screen.wait(r"^fapws: running")
    os.kill(screen.process.pid, signal.SIGINT)
    assert screen.end() == 0


def test_scripts_get_screens_without_escapes_and_percentiles_only_where_they_are_counted(
    house: House,
) -> None:
    serve(house, counted=False)
    told = house.ctl("top", "-b", "-n", "2", "-d", "0.1")
    assert "\x1b" not in told and told.count("worker ") == 2
    assert re.search(r"hello/0 .*serving +0 +- +- +- ", told)
    assert "p50, p99 and busy: counted only with `status` in [fapws]" in told
    assert "needs a terminal" in house.ctl("top", expect=2)
    assert "go with top only" in house.ctl("-b", "status", expect=2)
    assert "has the figures" in house.ctl("-j", "top", "-b", expect=2)
    house.ctl("stop")
    assert "not running" in house.ctl("top", "-b", "-n", "1", expect=7)
