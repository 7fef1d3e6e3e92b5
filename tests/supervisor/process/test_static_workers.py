"""Static files in the hands of master and worker: users and chroot, drain, timeouts, figures, shortage."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from support.house import House, Until
from support.monitor import OPTION, address, ask, master_options
from support.rooted import OTHER, needs_root

SIZE = 32 << 20


def _ask(port: int, target: str, *fields: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.sendall("\r\n".join((f"GET {target} HTTP/1.1", "Host: x", *fields, "", "")).encode())
    return sock


def _rest(sock: socket.socket) -> bytes:
    with sock:
        return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def _sparse(path: Path, size: int = SIZE) -> None:
    with path.open("wb") as file:
        file.truncate(size)


@needs_root
def test_folder_below_chroot_without_rights(public_house: House) -> None:
    house = public_house
    jail = house.directory / "jail"
    for name in ("tmp", "files"):
        (jail / name).mkdir(parents=True)
    (jail / "files" / "a.0123abcd.own").write_bytes(b"inside")
    (jail / "files" / "closed.txt").write_bytes(b"for root alone")
    os.chmod(jail / "files" / "closed.txt", 0o600)
    (jail / "files" / "up").symlink_to("../tmp")
    (jail / "types").write_text("text/x-own own\n")
    more = "static_immutable = *.[0-9a-f]{8}.*\nstatic_symlinks = owner"
    place = f"static = /files:{jail}/files\nstatic_types = {jail}/types"
    house.configure(pool=f"user = {OTHER}\nchroot = {jail}\n{place}\n{more}")
    house.start()
    reply = _rest(_ask(house.port(), "/files/a.0123abcd.own", "Connection: close"))
    assert reply.endswith(b"\r\n\r\ninside")
    assert b"Content-Type: text/x-own; charset=utf-8\r\n" in reply
    assert b"max-age=31536000, immutable" in reply
    for path in ("closed.txt", "up/", "../types"):
        assert b" 404 " in _rest(_ask(house.port(), f"/files/{path}", "Connection: close"))[:20]
    house.ctl("reload")
    assert _rest(_ask(house.port(), "/files/a.0123abcd.own", "Connection: close")).endswith(b"inside")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_what_lies_outside_of_chroot_is_told(house: House) -> None:
    jail = house.directory / "jail"
    (jail / "tmp").mkdir(parents=True)
    (house.directory / "files").mkdir()
    types = house.directory / "types"
    types.write_text("text/x-own own\n")
    house.configure(pool=f"user = {OTHER}\nchroot = {jail}\nstatic = /:{jail}\nstatic_types = {types}")
    assert f"static_types: {types} must lie inside chroot" in house.ctl("configtest", expect=6)


def test_file_under_way_is_sent_whole_by_a_worker_that_leaves(house: House, until: Until) -> None:
    _sparse(house.directory / "large.bin")
    house.configure(pool=f"static = /files:{house.directory}\ndrain_timeout = 20s")
    house.start()
    (pid,) = house.workers()
    sock = _ask(house.port(), "/files/large.bin", "Range: bytes=1-")
    first = sock.recv(100)
    reload = threading.Thread(target=house.ctl, args=("reload",))
    reload.start()
    until(lambda: house.status()["workers"][-1]["pid"] != pid, "the next one is there")
    with _ask(house.port(), "/files/large.bin", "Range: bytes=0-0", "Connection: close") as other:
        assert other.recv(100).startswith(b"HTTP/1.1 206 ")
    whole = first + _rest(sock)
    reload.join(30)
    assert house.workers() != [pid] and len(house.workers()) == 1
    head, _, content = whole.partition(b"\r\n\r\n")
    assert b"206 Partial Content" in head
    assert len(content) == SIZE - 1
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_client_that_does_not_read_is_given_up(house: House, until: Until) -> None:
    _sparse(house.directory / "large.bin")
    house.configure(pool=f"static = /files:{house.directory}\nwrite_timeout = 300ms")
    house.start()
    sock = _ask(house.port(), "/files/large.bin")
    sock.settimeout(30)
    with _ask(house.port(), "/files/large.bin", "Range: bytes=0-0", "Connection: close") as other:
        assert other.recv(100).startswith(b"HTTP/1.1 206 ")
    until(lambda: house.status()["workers"][0]["connections"] == 0, "the client was given up")
    assert house.status()["workers"][0]["requests"] == 2, "it had asked"
    received = 0
    try:
        while piece := sock.recv(1 << 20):
            received += len(piece)
    except ConnectionResetError:
        pass
    sock.close()
    assert received < SIZE
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_figures_count_files(house: House) -> None:
    (house.directory / "a.txt").write_bytes(b"0123456789")
    house.configure(master=master_options(house, OPTION), pool=f"static = /files:{house.directory}")
    house.start()
    for target, fields in (
        ("a.txt", ()),
        ("a.txt", ("Range: bytes=1-3",)),
        ("a.txt", ("Range: bytes=10-",)),
        ("a.txt", ("If-None-Match: *",)),
        ("none", ()),
    ):
        _rest(_ask(house.port(), f"/files/{target}", "Connection: close", *fields))
    families = text_string_to_metric_families(ask(address(house), "/metrics").content)
    samples = [sample for family in families for sample in family.samples]
    codes = {
        sample.labels["code"]: sample.value for sample in samples if sample.name == "fapws_responses_total"
    }
    assert {code: count for code, count in codes.items() if count} == {"2xx": 2, "3xx": 1, "4xx": 2}
    (timed,) = (s.value for s in samples if s.name == "fapws_request_duration_seconds_count")
    assert timed == 5
    assert house.status()["workers"][0]["requests"] == 5
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_files_when_descriptors_run_short(house: House, until: Until) -> None:
    """More ask for files at once than there are descriptors for: nothing is lost for good."""
    _sparse(house.directory / "large.bin")
    (house.directory / "a.txt").write_bytes(b"small")
    limits = "rlimit_nofile = 40\nreserved_descriptors = 4"
    house.configure(pool=f"static = /files:{house.directory}\n{limits}")
    house.start()
    (pid,) = house.workers()
    socks = [_ask(house.port(), "/files/large.bin") for _ in range(24)]
    assert socks[0].recv(100).startswith(b"HTTP/1.1 200 ")
    for sock in socks:
        sock.close()
    reply = _rest(_ask(house.port(), "/files/a.txt", "Connection: close"))
    assert reply.endswith(b"\r\n\r\nsmall")
    until(lambda: house.status()["workers"][0]["connections"] == 0, "all have left")
    assert house.workers() == [pid]
    house.ctl("stop")
    house.assert_nothing_is_left()
