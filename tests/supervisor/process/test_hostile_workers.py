"""A worker that is wholly in an attacker's hands: the master and another pool's worker stay unharmed.

The application runs as nobody and does what a worker may do: it writes where its memory is shared, and to
the socket on which it talks to the master.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.house import House, Until
from support.raw import Cut
from support.rooted import OTHER, PACKAGES, common_python, needs_proc, needs_root

pytestmark = [needs_root, needs_proc]

HOSTILE = '''\
import ctypes, gc, os, re, socket, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]


def boards():
    """Where the scoreboard is mapped: start and size."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "fapws-scoreboard" in line and line.split()[1].startswith("rw-s"):
                start, end = (int(number, 16) for number in line.split()[0].split("-"))
                yield start, end - start


def deface(size_times=1):
    """Fills all of it, and what can be mapped behind it, with a worker that has hung for ages."""
    row = (b"\\0" * 8 + (1).to_bytes(8, "little") + b"\\xff" * 112 + b"POST /evil" + b"\\0" * 118)[:256]
    count = 0
    for start, size in list(boards()):
        ctypes.memmove(start, row * (size // 256), size)
        grown = libc.mremap(start, size, 64 * size, 1)
        if grown and grown != ctypes.c_void_p(-1).value:
            pid = os.fork()  # touching what is not there ends a process
            if pid == 0:
                for page in range(1, 64):
                    ctypes.memmove(grown + page * size, row * (size // 256), size)
                os._exit(0)
            os.waitpid(pid, 0)
        count += 1
    return count


def channel():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
                        sock.getpeername()
                        return int(name)
        except OSError:
            continue


def flood(data):
    fd = channel()
    os.set_blocking(fd, True)
    while True:
        os.write(fd, data)


def secrets(mark):
    """Strings with the mark in all that the frames below lead to; and how many objects that is."""
    frame, waiting = sys._getframe(), []
    while frame is not None:
        waiting += [*frame.f_locals.values(), frame.f_globals]
        frame = frame.f_back
    seen, found = set(), 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        found += isinstance(one, str) and mark in one and one is not mark
        waiting += gc.get_referents(one)
    return found, len(seen) > 10_000


def application(environ, start_response):
    what, _, data = environ["wsgi.input"].read().decode().partition("=")
    body = str(os.getpid())
    if what == "deface":
        body = str(deface())
    elif what == "maps":
        body = str(len(list(boards())))
    elif what == "flood":
        threading.Thread(target=flood, args=(bytes.fromhex(data),), daemon=True).start()
    elif what == "secrets":
        body = str(secrets("".join(("s3", "cr3t"))))
    elif what == "environ":
        body = " ".join(sorted(os.environ))
    elif what == "say":
        os.write(channel(), bytes.fromhex(data))
    start_response("200 OK", [])
    return [body.encode()]
'''
HONEST = """\
import os

def application(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


class Site:
    """A hostile pool and an honest one under one master."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ports: list[int] = []
        self.secrets = ""
        """The honest pool's environment, as a section."""

    def start(self, hostile: str = "") -> None:
        honest = Path(self.house.directory / "honest.py")
        honest.write_text(HONEST, encoding="utf-8")
        self.house.write_app(HOSTILE)
        self.house.configure(
            pool=f"user = {OTHER}\nrequest_timeout = 2s\n{hostile}",
            more=f"[app:honest]\nscript = {honest}\nuser = {OTHER}\nlisten = 127.0.0.1:0\n"
            f"request_timeout = 20s\n{self.secrets}",  # a busy machine is no attack
        )
        self.house.prefix = ["env", f"PYTHONPATH={PACKAGES}"]
        self.house.program = [common_python(), "-m", "fapws.cli.fapwsctl"]
        self.house.start()
        self.ports = [int(pool["listen"][0].rsplit(":", 1)[1]) for pool in self.house.status()["pools"]]

    def ask(self, query: str = "") -> bytes:
        """The hostile application."""
        return _get(self.ports[0], query)

    def honest(self) -> int:
        """The PID of the honest pool's worker."""
        return int(_get(self.ports[1], ""))


def _get(port: int, query: str) -> bytes:
    from support.raw import Client, request

    with Client(("127.0.0.1", port), seconds=20) as client:
        client.send(request("/", method="POST", body=query.encode()))
        answer = client.read()
    assert answer.status == 200, answer
    return answer.body


@pytest.fixture
def site(public_house: House) -> Iterator[Site]:
    yield Site(public_house)


def row_of(house: House, pool: str) -> dict[str, Any]:
    """What the status says of a pool's only worker."""
    (row,) = [worker for worker in house.status()["workers"] if worker["pool"] == pool]
    assert isinstance(row, dict)
    return row


def resident(pid: int) -> int:
    """KB of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        found = re.search(r"VmRSS:\s*(\d+)", status.read())
    assert found
    return int(found[1])


def test_nonsense_on_the_scoreboard_harms_neither_master_nor_other_pools(site: Site) -> None:
    site.start()
    master, worker = site.house.pid, site.honest()
    before = site.house.status()
    assert site.ask("maps") == b"2", "rows and last requests of its own pool, and no other's"
    ends = time.monotonic() + 5  # more than request_timeout and the look behind it
    while time.monotonic() < ends:
        try:
            site.ask("deface")
        except (AssertionError, OSError):
            continue  # the worker was killed for what it says of itself
        assert site.honest() == worker, site.house.log()
    status = site.house.status()
    assert site.house.pid == master
    mine = row_of(site.house, "honest")
    assert mine["pid"] == worker
    counted = mine["requests"]
    assert 0 < counted < 10**6, mine
    assert "hello/0" in site.house.log() or "hello" in site.house.log()
    assert not re.search(r"worker honest/0 .*(hangs|killed|died)", site.house.log())
    for name, value in before["totals"].items():
        if isinstance(value, int):
            assert status["totals"][name] < 2**53, name
    site.house.ctl("stop")
    site.house.assert_nothing_is_left()


FLOODS = {
    "pings": b"P\0\0\0\0" * 1000,
    "ready": b"R\0\0\0\0" * 1000,
    "changes": b"C\0\0\0\1x" * 1000,
    "failures": b"F\0\0\0\1x" * 1000,
    "a long text that never ends": b"F\0\3\xff\xff" + b"x" * 5000,
    "garbage": bytes(range(256)) * 20,
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_worker_that_floods_its_channel_is_cut_off_and_replaced(
    site: Site, until: Until, name: str
) -> None:
    site.start()
    house = site.house
    master, worker, evil = house.pid, site.honest(), int(site.ask())
    before = resident(master)
    with contextlib.suppress(Cut):  # the master may kill it before it has answered
        site.ask("flood=" + FLOODS[name].hex())
    house.wait_log(r"worker hello \(pid \d+\) talks nonsense \(.*\), killed")
    assert row_of(house, "honest")["pid"] == worker
    until(lambda: int(site.ask()) != evil, "another worker serves")
    assert site.honest() == worker
    assert resident(master) - before < 20_000
    assert len(house.log()) < 20_000
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_change_is_not_believed_where_nobody_looks_for_changes(site: Site) -> None:
    site.start()
    with contextlib.suppress(Cut):  # it is killed for that, perhaps before it has responded
        site.ask("say=" + (b"C\0\0\0\4/a.p").hex())
    site.house.wait_log("it tells of changed files though autoreload is off")
    assert "reloading" not in site.house.log()


def test_a_changed_file_forges_no_line_of_the_log(site: Site) -> None:
    site.start("autoreload = yes")
    path = b"/a.py\n2026-01-01 00:00:00+0000 master: all is well\x1b[2J" + b"x" * 5000
    site.ask("say=" + (b"C" + len(path).to_bytes(4, "big") + path).hex())
    site.house.wait_log("has changed: reloading")
    (line,) = [line for line in site.house.log().splitlines() if "all is well" in line]
    assert r"/a.py\x0a2026-01-01" in line
    assert "\x1b" not in line
    assert len(line) < 2000
    site.house.wait_log("reload done")


def test_a_change_that_a_worker_tells_of_concerns_its_own_pool_only(site: Site, until: Until) -> None:
    """Neither the other's workers nor its configuration, which is not what it was."""
    site.start("autoreload = yes")
    house = site.house
    worker, evil = site.honest(), int(site.ask())
    house.ini.write_text(house.ini.read_text().replace("[app:honest]", "[app:honest]\nworkers = 2"))
    site.ask("say=" + (b"C\0\0\0\5/a.py").hex())
    house.wait_log("reload done")
    until(lambda: int(site.ask()) != evil, "the pool's own new worker serves")
    assert row_of(house, "honest")["pid"] == worker
    assert "pool hello says that /a.py has changed: reloading it" in house.log()
    house.ctl("reload")
    assert len([row for row in house.status()["workers"] if row["pool"] == "honest"]) == 2


def test_why_a_worker_cannot_start_does_not_look_like_the_master_s_words(site: Site) -> None:
    """Failed brings text of many lines into the log, which is the application's."""
    forged = "2026-01-01 00:00:00+0000 master: all is well"
    site.start()
    text = f"one\n{forged}\nfapws: serving\n"
    site.house.write_app(f"raise SystemExit({text!r})\n")
    site.house.ctl("reload", expect=1)
    site.house.wait_log("all is well")
    for line in site.house.log().splitlines():
        if "all is well" in line or "fapws: serving" in line:
            assert re.match(r"\S+ \S+ master: \| ", line), line


def test_a_worker_that_tells_of_changes_without_end_causes_few_reloads(site: Site) -> None:
    site.start("autoreload = yes")
    with contextlib.suppress(Cut):  # the reload that it causes may end it before it has answered
        site.ask("flood=" + (b"C\0\0\0\5/a.py").hex())
    site.house.wait_log("it tells of changed files again and again")
    assert site.house.log().count("has changed: reloading") <= 45
    assert os.path.exists(f"/proc/{site.honest()}")


def test_a_worker_finds_no_environment_of_other_pools(site: Site) -> None:
    site.secrets = "[app:honest:env]\nPASSWORD = s3cr3t\n"
    site.start()
    assert site.ask("secrets") == b"(0, True)"


def test_a_clean_environment_has_what_is_harmless_and_the_pool_s_own(site: Site) -> None:
    site.secrets = "[app:hello:env]\nOWN = 1\n"
    site.start("clean_env = yes")
    names = set(site.ask("environ").decode().split())
    assert {"OWN", "PATH", "HOME"} <= names
    assert not names & {"PYTHONPATH", "PWD", "OLDPWD"}
    assert names <= {"OWN", "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "HOME", "USER", "LOGNAME"} | {
        name for name in names if name.startswith(("LC_", "FAPWS"))
    }
