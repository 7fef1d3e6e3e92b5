"""When something runs out: the disk, descriptors, processes. The service goes on, or says why it cannot
start; and a worker holds the descriptors that docs/architecture.md lists, no more."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import House, Until
from support.rooted import PACKAGES, common_python, needs_proc, needs_root, ordinary, other

ROOT = Path(__file__).resolve().parents[3]
PRINTS = """\
def application(environ, start_response):
    print("said", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def ask(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")


# ---- Descriptors ----------------------------------------------------------------------------------


def listed(listeners: int) -> Counter[str]:
    """How many descriptors of which kind the document gives a worker."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\|[^|]*\| `([^`]*)` \| (\d+|one each) \|$", text, re.M)
    assert rows
    found: Counter[str] = Counter()
    for kind, count in rows:
        found[kind] += listeners if count == "one each" else int(count)
    return found


def held(pid: int) -> Counter[str]:
    """How many descriptors of which kind a process has, without the one that only newer libuvs open."""
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    with contextlib.suppress(ValueError):
        links.remove("anon_inode:[io_uring]")
    return by_kind(links)


def by_kind(links: list[str]) -> Counter[str]:
    kinds = ("pipe:", "socket:", "anon_inode:", "/dev/null")
    return Counter(next((kind for kind in kinds if link.startswith(kind)), "/path") for link in links)


@needs_proc
def test_worker_holds_the_descriptors_of_the_document_and_no_more(house: House, until: Until) -> None:
    house.configure(
        workers=2,
        listen=f"127.0.0.1:0, unix:{house.unix}",
        pool=f"access_log = {house.directory}/access.log",
    )
    house.start()
    master = by_kind(house.master_descriptors())
    assert [held(pid) for pid in house.workers()] == [listed(2)] * 2
    for _ in range(3):
        house.ctl("reload")
        house.ctl("reopen")
    # They are told of the new logs, and take them when they next look.
    until(lambda: [held(pid) for pid in house.workers()] == [listed(2)] * 2, "they hold what they held")
    assert by_kind(house.master_descriptors()) == master, "the master has not gathered any either"
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_without_descriptors_says_so(house: House) -> None:
    """Whatever the step at which they run out: a sentence, never a signal. The last limit is enough."""
    said = []
    for limit in range(5, 40):
        house.configure(pool=f"rlimit_nofile = {limit}")
        said.append(house.ctl("start", expect=None))
        if "serving" in said[-1]:
            house.ctl("stop")
            break
    house.assert_nothing_is_left()
    *refused, started = said
    assert "serving" in started
    assert any("the C core cannot be set up: Too many open files" in text for text in refused)
    for text in refused:
        assert re.search(r"cannot|Too many open files", text), text
        assert "was killed by" not in text


def test_nothing_is_left_but_the_logs(house: House) -> None:
    house.configure(
        listen=f"127.0.0.1:0, unix:{house.unix}", pool=f"access_log = {house.directory}/access.log"
    )
    house.start()
    house.get()
    house.ctl("stop")
    house.assert_nothing_is_left()
    assert {path.name for path in house.directory.iterdir()} - {"__pycache__"} == {
        "fapws.ini",
        "hello.py",
        "error.log",
        "access.log",
    }


# ---- Processes ------------------------------------------------------------------------------------


@needs_root
@needs_proc
def test_fork_that_fails_refuses_the_start_or_costs_workers(
    public_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = public_house
    python = common_python()
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setenv("PYTHONPATH", PACKAGES)
    entry = other()
    os.chown(house.directory, entry.pw_uid, entry.pw_gid)
    house.configure(workers=8)
    served = refused = 0
    for count in (1, 2, 3, 4, 6, 40):
        house.prefix = [python, "-c", ordinary(count)]
        text = house.ctl("start", expect=None)
        house.prefix = []
        assert "Traceback" not in text
        if text.startswith("fapws: serving"):
            served += 1
            assert house.get(house.port()).startswith(b"hello ")
            assert len(house.log().splitlines()) < 200, "nothing loops"
            house.ctl("stop")
        else:
            refused += 1
            assert "Resource temporarily unavailable" in text or "no thread can be started" in text, text
        house.assert_nothing_is_left()
        house.log_file.unlink(missing_ok=True)
    assert served
    assert refused


# ---- The disk -------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)], stderr=subprocess.DEVNULL
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Takes all room there is."""
    path = disk / "filling"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


@needs_root
def test_full_disk_under_the_logs_costs_lines_and_no_request(house: House, disk: Path, until: Until) -> None:
    house.write_app(PRINTS)
    house.log_file = disk / "error.log"
    access = disk / "access.log"
    house.configure(pool=f"access_log = {access}\naccess_format = $request_uri")
    house.start()
    port = house.port()
    ask(port, "/before")
    house.wait_log("said /before")
    filling = fill(disk)
    line = "/" + "x" * 1000
    for _ in range(60):
        ask(port, line)
    house.ctl("reload")
    assert house.get(port) == b"ok"
    filling.unlink()
    ask(port, "/after")
    house.wait_log("said /after")
    house.wait_log(r"\d+ lines before this one could not be written")
    until(lambda: "/after" in access.read_text(), "the access log goes on")
    ask(port, "/again")
    house.wait_log(r"\d+ lines of the access log were lost; it is written again|said /again")
    lines = access.read_text().splitlines()
    assert set(lines) <= {"/before", line, "/", "/after", "/again"} | {line[:n] for n in range(len(line))}
    assert len(house.log().splitlines()) < 200
    house.ctl("stop")
    house.assert_nothing_is_left()


@needs_root
def test_full_disk_under_the_pidfile_refuses_the_start(house: House, disk: Path) -> None:
    fill(disk)
    house.pidfile = disk / "fapws.pid"
    house.configure()
    text = house.ctl("start", expect=1)
    assert f"cannot make the pidfile {house.pidfile}: No space left on device" in text
    house.assert_nothing_is_left()


@needs_root
def test_application_may_fill_the_file_limit_without_ending_the_log(house: House) -> None:
    """RLIMIT_FSIZE: a write beyond it is refused like one to a full disk, and its signal ends nobody."""
    house.write_app(PRINTS)
    house.prefix = ["/bin/sh", "-c", 'ulimit -f 8; exec "$0" "$@"']
    house.configure(pool=f"access_log = {house.directory}/access.log")
    house.start()
    port, workers = house.port(), house.workers()
    for number in range(40):
        ask(port, f"/{number:01000d}")
    assert house.workers() == workers
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != 0
    os.kill(house.pid, signal.SIGUSR1)
    ask(port, "/after")
    house.prefix = []
    house.ctl("stop")
    house.assert_nothing_is_left()
