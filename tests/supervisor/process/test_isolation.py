"""What a worker finds in its process of other pools of its master: nothing, by whatever way it looks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.house import House, Until
from support.raw import Client, request
from support.rooted import PACKAGES, common_python, needs_proc, needs_root

CURIOUS = r'''
import ctypes, gc, json, os, re, sys, types

MARK = "zq[m]ark[a-z_.]*"  # is no example of itself


def beginnings():
    """Everything that Python leads to without being asked for by name."""
    frame = sys._getframe()
    while frame is not None:
        yield from (frame.f_locals, frame.f_globals, frame.f_builtins, frame.f_code)
        frame = frame.f_back
    yield from (sys.modules, *sys.modules.values(), vars(sys))
    getattr(gc, "unfreeze", lambda: None)()
    for one in gc.get_objects():
        yield one
    yield from gc.get_referrers(sys.modules, os.environ)


def objects():
    wanted, seen, found = re.compile(MARK), set(), set()
    waiting = [*beginnings()]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if type(one) in (bytes, bytearray):
            one = bytes(one).decode("latin-1")
        if isinstance(one, str):
            found.update(wanted.findall(one))
        else:
            waiting += gc.get_referents(one)
            waiting += [kept for kept in (getattr(one, "__dict__", None),) if type(kept) is dict]
    return len(seen), sorted(found)


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def memory():
    """All that is mapped and readable, byte by byte."""
    read = ctypes.CDLL(None, use_errno=True).process_vm_readv
    wanted, found, total = re.compile(MARK.encode()), set(), 0
    with open("/proc/self/maps") as maps:
        areas = [line.split()[:2] for line in maps if line.split()[1].startswith("r")]
    for place, _ in areas:
        start, end = (int(number, 16) for number in place.split("-"))
        for at in range(start, end, 1 << 20):
            size = min(end - at, (1 << 20) + 100)
            here = ctypes.create_string_buffer(size)
            mine, there = Piece(ctypes.addressof(here), size), Piece(at, size)
            got = read(os.getpid(), ctypes.byref(mine), 1, ctypes.byref(there), 1, 0)
            if got > 0:
                total += got
                found.update(wanted.findall(here.raw[:got]))
    return total, sorted(text.decode() for text in found)


def depth():
    frame, names = sys._getframe(), []
    while frame is not None:
        names.append(frame.f_code.co_filename)
        frame = frame.f_back
    return names, []


def application(environ, start_response):
    what = {"objects": objects, "memory": memory, "frames": depth}[environ["PATH_INFO"][1:]]
    looked_at, found = what()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([looked_at, found, os.getpid()]).encode()]
'''
OTHER = """
[app:zqmark_pool]
script = {place}/zqmark_folder/program.py:zqmark_callable
directory = {place}/zqmark_folder
listen = unix:{place}/zqmark.sock?mode=666
access_log = {place}/zqmark_access.log
script_name = /zqmark_name
server_header = zqmark_server
{more}
[app:zqmark_pool:env]
zqmark_variable = zqmark_value
"""
PROGRAM = """
def zqmark_callable(environ, start_response):
    start_response("200 OK", [])
    return [b"the other"]
"""


class Site:
    """A curious pool, and another one whose every setting bears a mark."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._place = house.directory / "other"  # Python lists the folders that it imports from
        folder = self._place / "zqmark_folder"
        folder.mkdir(parents=True)
        (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        house.write_app(CURIOUS)
        house.prefix = ["env", f"PYTHONPATH={PACKAGES}"]
        house.program = [common_python(), "-m", "fapws.cli.fapwsctl"] if os.geteuid() == 0 else []

    def configure(self, both: bool = True, master: str = "", other: str = "", pool: str = "") -> None:
        house = self.house
        own = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
        more = OTHER.format(place=self._place, more=other) if both else ""
        house.configure(listen=f"unix:{house.unix}?mode=666", master=own + master, more=more, pool=pool)

    def look(self, way: str) -> tuple[Any, list[str]]:
        """How much the curious application has looked at, and what it has found."""
        looked_at, found, _ = self._ask(way)
        return looked_at, found

    def pid(self) -> int:
        """Of its worker."""
        return int(self._ask("frames")[2])

    def _ask(self, way: str) -> list[Any]:
        with Client(str(self.house.unix), seconds=60) as client:
            client.send(request(f"/{way}"))
            answer = client.read()
        assert answer.status == 200, self.house.log()
        answered = json.loads(answer.body)
        assert isinstance(answered, list)
        return answered


@pytest.fixture
def site(public_house: House) -> Iterator[Site]:
    yield Site(public_house)


def test_no_object_leads_to_anything_of_another_pool(site: Site) -> None:
    site.configure()
    site.house.start()
    looked_at, found = site.look("objects")
    assert looked_at > 10_000
    assert found == []


@needs_proc
def test_no_byte_of_memory_is_of_another_pool(site: Site) -> None:
    site.configure()
    site.house.start()
    looked_at, found = site.look("memory")
    assert looked_at > 2_000_000
    assert found == []


@needs_root
@needs_proc
def test_a_pool_of_another_user_leaves_no_trace_either(site: Site) -> None:
    site.configure(pool="user = nobody", other="user = 54321\ngroup = 54321")
    site.house.start()
    for way in ("objects", "memory"):
        assert site.look(way)[1] == []


@needs_proc
def test_workers_that_share_the_master_s_memory_can_find_what_it_knows(site: Site) -> None:
    site.configure(master="isolate = no\n")
    site.house.start()
    for way in ("objects", "memory"):
        assert "zqmark_folder" in site.look(way)[1], "the search finds what is there"
    assert "zqmark_value" not in site.look("objects")[1], "environments are emptied nevertheless"


LOOKED_AT = """

SERVER = ":".join(("", "0"))  # no constant: whoever wants to know it has to run this
with open({place!r}, "a") as told:
    print(json.dumps([objects()[1], memory()[1], os.getpid()]), file=told)
"""


@needs_proc
def test_look_at_a_script_finds_nothing_of_another_pool(site: Site) -> None:
    """A script is run for what it says of the server, before there is any worker."""
    told = site.house.directory / "told"
    site.house.write_app(CURIOUS + LOOKED_AT.format(place=str(told)))
    site.configure()
    site.house.start()
    found = [json.loads(line) for line in told.read_text().splitlines()]
    assert len(found) >= 2, "a look, and a worker"
    assert found[0][2] != site.pid(), "the first was the look"
    assert [line[:2] for line in found] == [[[], []]] * len(found)


def test_frames_of_an_isolated_worker_begin_with_the_worker(site: Site) -> None:
    site.configure()
    site.house.start()
    files = {Path(name).name for name in site.look("frames")[0]}
    assert "fresh_worker.py" in files
    assert not files & {"master.py", "workers.py", "daemon.py", "fapwsctl.py"}


def test_only_pool_of_a_master_is_forked(site: Site) -> None:
    site.configure(both=False)
    site.house.start()
    assert "master.py" in {Path(name).name for name in site.look("frames")[0]}


@needs_proc
def test_a_pool_that_comes_and_goes_by_reload_leaves_nothing_in_later_workers(
    site: Site, until: Until
) -> None:
    site.configure(both=False)
    site.house.start()
    for both in (True, False):
        before = site.pid()
        site.configure(both=both)
        site.house.ctl("reload")
        until(lambda before=before: site.pid() != before, "the new worker serves")
        for way in ("objects", "memory"):
            assert site.look(way)[1] == []


def test_worker_without_a_python_of_its_own_is_told_plainly(site: Site, until: Until) -> None:
    house = site.house
    python = house.directory / "python"
    python.symlink_to(os.path.realpath(common_python() if os.geteuid() == 0 else "/usr/bin/python3"))
    house.program = [str(python), "-m", "fapws.cli.fapwsctl"]
    given = "max_body_size = 1m"  # with listen, nothing is left that a look would have to run the script for
    site.configure(pool=given, other=given)
    house.start()
    python.unlink()
    house.program = []
    text = house.ctl("reload", expect=1)
    assert f"a worker needs a Python of its own, and {python} cannot be run: No such file" in text
    assert site.pid() in house.workers()


