"""conf/samples/small-box.ini, and the defaults, on a small box under attack."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import House, wait_until
from support.raw import fetch
from support.samples import SAMPLES
from support.server import ROOT, Server

from fapws.settings.ini import read
from fapws.settings.model import Limits

INI = SAMPLES / "small-box.ini"
MB = 2**20
UPLOADS = 100
SIZE = 9 * MB
"""Of each; below max_body_size."""
BOX = 2**30
"""Bytes of memory that the box has."""
OTHERS = BOX // 2
"""What its system and other programs may have; the rest is ours."""
APPLICATION = """
def application(environ, start_response):
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    start_response("200 OK", [])
    return [b"%d" % size]
"""


def test_each_line_is_explained() -> None:
    lines = INI.read_text(encoding="utf-8").splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert len(settings) >= 14
    assert [lines[number] for number in settings if not lines[number - 1].startswith("; ")] == []


def test_it_bounds_what_it_says_it_bounds() -> None:
    (pool,) = read(str(INI)).pools
    assert (pool.workers, pool.reload, pool.limits.max_spool) == (1, "frugal", 64 * MB)
    assert 0 < pool.limits.max_connections < Limits().max_connections
    assert 0 < pool.max_rss < OTHERS
    most = pool.limits.max_connections * (pool.limits.max_header_size + 65536) + pool.limits.max_spool
    assert most + pool.max_rss < BOX // 2


def sample(house: House) -> None:
    """The file as it stands, but for the port; where a house looks for what is its own."""
    shutil.copytree(SAMPLES / "hello", house.directory / "hello")
    text = INI.read_text(encoding="utf-8").replace("127.0.0.1:8888", "127.0.0.1:0")
    lines = f"[fapws]\npidfile = {house.pidfile}\nerror_log = {house.log_file}\n"
    house.control = house.directory / "small-box.sock"
    house.ini.write_text(text.replace("[fapws]\n", lines), encoding="utf-8")


def test_it_passes_configtest_and_serves_and_reloads(house: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fapws.cli.fapwsctl", "-c", str(INI), "configtest"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sample(house)
    house.start()
    for _ in range(2):
        assert fetch(("127.0.0.1", house.port())).text == "Hello world!!"
        house.ctl("reload")
    house.ctl("stop")
    house.assert_nothing_is_left()


# ---- Under attack ----------------------------------------------------------------------------------


def spooled(pid: int) -> int:
    """Bytes that a process has in temporary files without a name."""
    total = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{name}").endswith(" (deleted)"):
                total += os.stat(f"/proc/{pid}/fd/{name}").st_size
    return total


def resident(pids: list[int]) -> int:
    """Bytes, all processes together."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


class Upload:
    """A client that sends all of its content but the last byte, as fast as it goes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.left = SIZE - 1
        self.socket = socket.create_connection(address, 30)
        self.socket.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        self.socket.setblocking(False)

    def go_on(self) -> None:
        """Sends what the socket takes now."""
        try:
            self.left -= self.socket.send(PIECE[: self.left])
        except BlockingIOError:
            return
        except OSError:  # refused, and closed
            self.left = 0

    def end(self) -> str:
        """Sends the last byte; the status of the response, empty if the connection was cut."""
        self.socket.settimeout(30)
        try:
            self.socket.send(b"x")
            return self.socket.recv(4096)[9:12].decode()
        except OSError:
            return ""


PIECE = bytes(256 * 1024)


@contextlib.contextmanager
def uploads(address: tuple[str, int]) -> Iterator[list[Upload]]:
    """All at once, side by side, until each has sent all but its last byte, or is refused."""
    clients: list[Upload] = []
    try:
        clients += (Upload(address) for _ in range(UPLOADS))
        while any(client.left for client in clients):
            readable, writable, _ = select.select(
                [client.socket for client in clients if client.left],
                [client.socket for client in clients if client.left],
                [],
                30,
            )
            assert readable or writable, "no upload goes on"
            for client in clients:
                if client.left and client.socket in readable:
                    client.left = 0  # the response has come: it is refused
                elif client.left and client.socket in writable:
                    client.go_on()
        yield clients
    finally:
        for client in clients:
            client.socket.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="runs where /proc tells descriptors")
@pytest.mark.parametrize("which", ["defaults", "small box"])
def test_a_hundred_uploads_stay_within_the_bound_and_the_memory_of_the_box(which: str) -> None:
    # Whose last byte has to wait for all others is not too slow, however long they take.
    options = "workers = 1\nmin_body_rate = 0"
    bound = Limits().max_spool
    if which == "small box":
        found = re.findall(r"^(max_\w+|backlog|reload) = (.+)$", INI.read_text(), re.MULTILINE)
        options = "min_body_rate = 0\n" + "\n".join(f"{name} = {value}" for name, value in found)
        bound = read(str(INI)).pools[0].limits.max_spool
    assert bound <= BOX // 4
    with Server(APPLICATION, options=options) as server:
        assert isinstance(server.address, tuple)
        assert fetch(server.address).text == "0"
        (worker,) = [pid for pid in server.processes() if pid != server.pid]
        with uploads(server.address) as clients:
            # What clients have sent may still be on its way.
            wait_until(lambda: spooled(worker) > bound - SIZE, "as many as there is room for")
            held = spooled(worker)
            assert held <= bound, "and no more"
            assert held + resident([server.pid, worker]) < BOX - OTHERS
            assert fetch(server.address).text == "0", "who uploads nothing is served as ever"
            server.wait_log("content is refused with 503: max_spool is reached")
            statuses = []
            for client in clients:
                statuses.append(client.end())
                assert spooled(worker) <= bound
        # Content that still waited in its socket finds the room that others left when they ended.
        assert bound // SIZE <= statuses.count("200") < UPLOADS // 2
        assert set(statuses) <= {"200", "503", ""} and statuses.count("503") > 0
        wait_until(lambda: spooled(worker) == 0, "no temporary file is left")
        assert fetch(server.address, method="POST", body=bytes(SIZE)).text == str(SIZE)
