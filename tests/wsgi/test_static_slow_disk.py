"""static: a disk that is slow. Others wait for small pieces of its files only."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site

SLOW_DISK = Path(__file__).resolve().parents[1] / "bench" / "slow_disk.py"
MEGABYTES_A_SECOND = 1  # a piece of 1 MB takes a second
BOUND_SECONDS = 0.8
APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("a file system of our own needs root and /dev/fuse")
    folder = tmp_path / "slow"
    folder.mkdir()
    command = [sys.executable, str(SLOW_DISK), str(folder), str(MEGABYTES_A_SECOND)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        try:
            if process.stdout.readline() != b"mounted\n":
                pytest.skip("this system lets nobody mount here")
            yield folder
        finally:
            process.stdin.close()
            process.wait(30)


def test_others_wait_for_small_pieces_of_a_file_on_a_slow_disk(disk: Path) -> None:
    with Server(APP, options=f"static = /slow:{disk}") as server:
        site = Site(server, disk, disk)
        with site.connect() as sock:
            sock.sendall(b"GET /slow/cold.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(16)
            reader = threading.Thread(target=_read_to_the_end, args=(sock,))
            reader.start()
            try:
                waits = [_wait(site) for _ in range(15)]
            finally:
                sock.shutdown(socket.SHUT_RDWR)
                reader.join()
    assert statistics.median(waits[5:]) < BOUND_SECONDS, waits


def _read_to_the_end(sock: socket.socket) -> None:
    try:
        while sock.recv(65536):
            continue
    except OSError:
        return


def _wait(site: Site) -> float:
    began = time.monotonic()
    assert site.ask("/").content == b"ok"
    return time.monotonic() - began
