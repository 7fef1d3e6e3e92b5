"""Slow, greedy and vanishing clients in small: counts and bounded memory, nothing by the clock.

The same with thousands of connections, and with latencies, is in tests/soak (``make soak``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import BadAnswer, Client, fetch, request
from support.server import ROOT, Server

APP = '''
import json
import os
import time

PIECE = 65536
COUNT = 160
SHARED = b"".join(bytes([number]) * PIECE for number in range(COUNT))
MADE = {}
CLOSED = []
REQUESTS = [0]


class Pieces:
    """A piece each time; tells how many were made, and when it is closed."""

    def __init__(self, label, make, count):
        self.label, self.make, self.count, self.number = label, make, count, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.number == self.count:
            raise StopIteration
        self.number += 1
        MADE[self.label] = self.number
        return self.make(self.number - 1)

    def close(self):
        CLOSED.append(self.label)


def large(number):
    return bytes([number]) * PIECE


def takes_its_time(number):
    time.sleep(0.003)
    return b"busy"


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    REQUESTS[0] += 1
    fields = [("Content-Type", "application/octet-stream")]
    if path == "/write":
        write = start_response("200 OK", fields)
        for number in range(COUNT):
            write(large(number))
        return []
    start_response("200 OK", fields)
    if path == "/stream":
        return Pieces(query, large, COUNT)
    if path == "/busy":
        return Pieces(query, takes_its_time, 100000)
    if path == "/shared":
        return [SHARED]
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(query, "rb"))
    if path == "/upload":
        return [json.dumps(len(environ["wsgi.input"].read())).encode()]
    said = {"pid": os.getpid(), "made": MADE, "closed": CLOSED, "requests": REQUESTS[0]}
    return [json.dumps(said).encode()]
'''
CONTENT = b"".join(bytes([number]) * 65536 for number in range(160))
MANY = 300
ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


TIME_FOR_CROWDS = "header_timeout = 60s\nbody_timeout = 60s\nwrite_timeout = 60s"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that nobody else uses, with the default limits but for those of time, and one worker."""
    with Server(APP, options=TIME_FOR_CROWDS) as running:
        yield running


@pytest.fixture
def crowd() -> Iterator[list[Client]]:
    """Clients that are closed at the end in any case."""
    clients: list[Client] = []
    yield clients
    for client in clients:
        client.close()


class Said:
    """What the application knows of itself."""

    def __init__(self, server: Server) -> None:
        said = json.loads(fetch(server.address, "/said", "Connection: close").body)
        self.pid: int = said["pid"]
        self.made: dict[str, int] = said["made"]
        self.closed: list[str] = said["closed"]
        self.requests: int = said["requests"]


def descriptors(pid: int) -> list[str]:
    """What a process holds open."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def comes_down(server: Server, pid: int, most: int) -> list[str]:
    """Descriptors of a worker after as many exchanges as it takes to come down to a number of them."""
    for _ in range(1000):
        fetch(server.address, "/said", "Connection: close")
        if len(descriptors(pid)) <= most:
            break
    return descriptors(pid)


def rss(pid: int) -> int:
    """KB of a process."""
    match = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1])


def stands_still(server: Server) -> dict[str, int]:
    """Pieces made by each stream, once no more are made over many exchanges."""
    before, still = Said(server).made, 0
    for _ in range(5000):
        now = Said(server).made
        still = still + 1 if now == before else 0
        before = now
        if still == 100:
            return now
    raise AssertionError("the streams do not stand still")


# ---- Slow requests ---------------------------------------------------------------------------------


def test_slow_heads_keep_nobody_out_and_are_answered_in_the_end(server: Server, crowd: list[Client]) -> None:
    whole = request("/said")
    for _ in range(MANY):
        crowd.append(Client(server.address))
        crowd[-1].send(whole[:20])
    assert Said(server).requests == 1
    for client in crowd:
        client.send(whole[20:-2])
    assert Said(server).requests == 2
    for client in crowd:
        client.send(whole[-2:])
    assert [client.read().status for client in crowd] == [200] * MANY


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_slow_contents_keep_nobody_out_and_reach_no_application_before_their_end(
    server: Server, crowd: list[Client], framing: str
) -> None:
    chunked = "chunked" in framing
    for _ in range(MANY):
        crowd.append(Client(server.address))
        crowd[-1].send(request("/upload", framing, method="POST"))
        crowd[-1].send(b"3e8\r\n" if chunked else b"")
        crowd[-1].send(b"c" * 10)
    assert Said(server).requests == 1
    for client in crowd:
        client.send(b"c" * 990 + (b"\r\n0\r\n\r\n" if chunked else b""))
    assert [client.read().body for client in crowd] == [b"1000"] * MANY


# ---- Slow readers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/stream?a", "/shared", "/write", "/file"])
def test_readers_that_pause_get_their_answers_whole(
    server: Server, crowd: list[Client], target: str, tmp_path: Path
) -> None:
    if target == "/file":
        (tmp_path / "content").write_bytes(CONTENT)
        target = f"/file?{tmp_path / 'content'}"
    for _ in range(8):
        crowd.append(Client(server.address, receive_buffer=4096))
        crowd[-1].send(request(target))
    heads = [client.read_head().status for client in crowd]
    assert heads == [200] * len(crowd)
    firsts = [client.read_until(1) for client in crowd]
    assert Said(server).requests == len(crowd) + 1
    for client, first in zip(crowd[::3], firsts[::3]):
        assert first + client.read_rest() == CONTENT


@ON_LINUX
@pytest.mark.parametrize("target", ["/stream?a", "/file"])
def test_slow_readers_hold_a_piece_each(
    server: Server, crowd: list[Client], target: str, tmp_path: Path
) -> None:
    if target == "/file":
        (tmp_path / "content").write_bytes(CONTENT)
        target = f"/file?{tmp_path / 'content'}"
    pid = Said(server).pid
    before = rss(pid)
    for _ in range(MANY):
        crowd.append(Client(server.address, receive_buffer=4096))
        crowd[-1].send(request(target))
    for client in crowd:
        client.read_head()
    stands_still(server)
    grown = rss(pid) - before
    assert grown < MANY * 130 + 4000, f"{grown} KB"


@ON_LINUX
def test_slow_readers_of_one_object_hold_no_copies_of_it(server: Server, crowd: list[Client]) -> None:
    pid = Said(server).pid
    before = rss(pid)
    for _ in range(30):
        crowd.append(Client(server.address, receive_buffer=4096))
        crowd[-1].send(request("/shared"))
    for client in crowd:
        client.read_head()
    grown = rss(pid) - before
    assert grown < 10_000, f"{grown} KB for 30 readers of one object of 10 MB"


@ON_LINUX
def test_a_crowd_of_slow_readers_does_not_fill_the_kernel(server: Server, crowd: list[Client]) -> None:
    for number in range(MANY):
        crowd.append(Client(server.address, receive_buffer=4096))
        crowd[-1].send(request(f"/stream?{number}"))
    for client in crowd:
        client.read_head()
    made = stands_still(server)
    assert len(made) == MANY
    few = [number for number in made.values() if number <= 4]
    # The first clients have taken what fits; the rest get a piece or two.
    assert len(few) >= MANY // 2, sorted(made.values())


def test_streams_that_always_have_more_let_requests_in(server: Server, crowd: list[Client]) -> None:
    streams = 60
    for number in range(streams):
        crowd.append(Client(server.address))
        crowd[-1].send(request(f"/busy?{number}"))
    for client in crowd:
        client.read_head()
    meanwhile = []
    with Client(server.address) as visitor:
        before = sum(json.loads(visitor.get("/said").body)["made"].values())
        for _ in range(10):
            now = sum(json.loads(visitor.get("/said").body)["made"].values())
            meanwhile.append(now - before)
            before = now
    # The least: a visitor whom the machine kept waiting proves nothing.
    assert min(meanwhile) < streams // 2, meanwhile


def test_streams_whose_readers_all_leave_at_once_are_closed_once(server: Server, crowd: list[Client]) -> None:
    labels = [str(number) for number in range(MANY)]
    for label in labels:
        crowd.append(Client(server.address, receive_buffer=4096))
        crowd[-1].send(request(f"/stream?{label}"))
    for client in crowd:
        client.read_head()
    for number, client in enumerate(crowd):
        if number % 2:
            client.reset()
        else:
            client.close()
    closed: list[str] = []
    for _ in range(1000):
        closed = Said(server).closed
        if len(closed) >= MANY:
            break
    assert sorted(closed) == sorted(labels)


# ---- Uploads and idle clients ----------------------------------------------------------------------


@ON_LINUX
def test_uploads_that_break_off_leave_nothing(server: Server, crowd: list[Client]) -> None:
    pid = Said(server).pid
    before = comes_down(server, pid, 0)
    block = bytes(100_000)
    for number in range(60):
        crowd.append(Client(server.address))
        framing = "Transfer-Encoding: chunked" if number % 2 else "Content-Length: 9000000"
        crowd[-1].send(request("/upload", framing, method="POST"))
        crowd[-1].send((b"%x\r\n" % (len(block) * 2) if number % 2 else b"") + block)
    blocks = 3  # of 9 MB fit into body_pool; those that had them before, and were slow, are in files
    spooled: list[str] = []
    until = time.monotonic() + 20  # one that finds no room waits for it a second, then gets a file
    while len(spooled) < 60 - blocks and time.monotonic() < until:
        fetch(server.address, "/said", "Connection: close")
        spooled = [name for name in descriptors(pid) if name.endswith("(deleted)")]
    # Deleted: no file has a name that somebody would have to remove.
    assert len(spooled) == 60 - blocks
    for number, client in enumerate(crowd):
        if number % 3:
            client.reset()
        else:
            client.close()
    after = comes_down(server, pid, len(before))
    assert len(after) <= len(before), after


@ON_LINUX
def test_idle_clients_that_all_leave_at_once_disturb_nobody(server: Server, crowd: list[Client]) -> None:
    pid = Said(server).pid
    before = comes_down(server, pid, 0)
    with Client(server.address) as other:
        for _ in range(MANY):
            crowd.append(Client(server.address))
            assert crowd[-1].get("/said").status == 200
        assert other.get("/said").status == 200
        for client in crowd:
            client.close()
        assert other.get("/said").status == 200
        # `other` is open still.
        after = comes_down(server, pid, len(before) + 1)
    assert len(after) <= len(before) + 1, after


def _full_disk_prefix() -> list[str]:
    """Words that give a command a /tmp of 1 MB of its own; none where that cannot be done."""
    words = ["unshare", "--mount", "sh", "-c"]
    mount = "mount -t tmpfs -o size=1m none /tmp"
    if shutil.which("unshare") is None or str(ROOT).startswith("/tmp/"):
        return []
    if subprocess.run([*words, mount], capture_output=True).returncode:
        return []
    return [*words, f'{mount} && exec "$@"', "sh"]


@pytest.mark.parametrize("framing", ["Content-Length: 9000000", "Transfer-Encoding: chunked"])
def test_a_spool_directory_without_room(framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = _full_disk_prefix()
    if not prefix:
        pytest.skip("needs root and unshare(1), to mount a tmpfs of its own, and a tree outside /tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    block = bytes(250_000)
    with Server(APP, prefix=prefix, options="body_memory = 0") as own:
        with Client(own.address) as client:
            client.send(request("/upload", framing, method="POST"))
            piece = b"%x\r\n%s\r\n" % (len(block), block) if "chunked" in framing else block
            client.send_pieces([piece] * 36)
            assert client.read().status == 503
        assert fetch(own.address, "/upload", method="POST", body=bytes(60_000)).body == b"60000"
        # What the refused request had written is free again.
        assert fetch(own.address, "/upload", method="POST", body=bytes(500_000)).body == b"500000"
        with Client(own.address, receive_buffer=4096) as client:
            client.send(request("/write"))
            client.read_head()
            with pytest.raises(BadAnswer, match="ended"):
                client.read_rest()
        assert Said(own).requests == 4
