"""preload: starts that fail, rights, chroot, isolation, sleep, and systems without pidfd. A server each."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from support.house import HALF_THE_TIME_FOR_A_STACK, House, Until
from support.preloading import (
    PRELOAD,
    app,
    full_without,
    started,
    workers,
    zygotes,
)
from support.rooted import OTHER, needs_root, other, proc_status

EVWSGI = """
import fapws._evwsgi as evwsgi
from fapws import base
evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", lambda environ, start_response: "x"))
evwsgi.run()
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc and pidfd")


def test_start_that_cannot_import_tells_why_and_leaves_nothing(house: House) -> None:
    house.write_app("raise OSError('no database')\n")
    house.configure(workers=4, pool=PRELOAD)
    said = house.ctl("start", expect=1)
    assert said.count("OSError: no database") == said.count("Traceback") and "OSError" in said
    house.assert_nothing_is_left()


def test_import_that_hangs_is_told_with_its_stack(house: House) -> None:
    house.write_app("import time\ndef sleeps_for_ever():\n    time.sleep(1000)\nsleeps_for_ever()\n")
    house.change(HALF_THE_TIME_FOR_A_STACK)
    house.configure(pool=PRELOAD + "boot_timeout = 10s\n")
    began = time.monotonic()
    said = house.ctl("start", expect=1)
    assert time.monotonic() - began < 40
    assert "was not ready after" in said and "boot_timeout" in said
    assert "in sleeps_for_ever" in said and "in sleeps_for_ever" in house.log()
    house.assert_nothing_is_left()


def test_first_client_of_a_sleeping_pool_is_answered_from_memory(house: House, until: Until) -> None:
    imports = house.directory / "imports"
    house.write_app(app() + f"with open({str(imports)!r}, 'a') as file:\n    file.write('x')\n")
    house.configure(pool=PRELOAD + "min_workers = 0\nidle_timeout = 1s\n")
    house.start()
    port = house.port()
    until(lambda: not house.told()["workers"], "the pool sleeps")
    assert len(zygotes(house)) == 1, "the zygote stays"
    before = imports.read_text()
    assert b"hello" in house.get(port)
    assert before == imports.read_text() != "", "it was not imported again"


def test_master_that_is_killed_leaves_nothing(house: House, until: Until) -> None:
    started(house)
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "all have gone")


def test_warmup_is_done_once_by_the_zygote(house: House) -> None:
    house.write_app(
        app()
        + """
inner = application
def application(environ, start_response):
    if environ["PATH_INFO"] == "/warm":
        print("warmed by", os.getpid(), flush=True)
    return inner(environ, start_response)
"""
    )
    house.configure(workers=3, pool=PRELOAD + "warmup = GET http://x/warm\n")
    house.start()
    [zygote] = zygotes(house)
    house.wait_log("warmed by")
    assert re.findall(r"hello/preload\[(\d+)\]: warmed by (\d+)", house.log()) == [(str(zygote), str(zygote))]


def test_program_that_serves_by_itself_is_refused(house: House) -> None:
    house.write_app(EVWSGI)
    house.configure(pool=PRELOAD)
    said = house.ctl("start", expect=1)
    assert "preload: the script serves by itself (run()), and a process that serves cannot fork" in said


def test_what_is_printed_goes_to_the_log_under_each_name(house: House, until: Until) -> None:
    house.write_app("""
import logging, os, sys
logging.basicConfig(stream=sys.stderr, format="%(message)s")
print("imported", flush=True)
def application(environ, start_response):
    logging.warning("logged by %d", os.getpid())
    os.write(1, b"written by %d\\n" % os.getpid())
    start_response("200 OK", [])
    return [b"x"]
""")
    house.configure(pool=PRELOAD)
    house.start()
    house.get(house.port())
    [pid], [zygote] = workers(house), zygotes(house)
    house.wait_log(rf"hello/0\[{pid}\]: written by {pid}")
    house.wait_log(rf"hello/0\[{pid}\]: logged by {pid}")
    house.wait_log(rf"hello/preload\[{zygote}\]: imported")


@needs_root
@linux
def test_zygote_drops_rights_as_workers_do_and_goes_into_chroot_before_it_forks(
    public_house: House,
) -> None:
    house = public_house
    root = house.directory / "root"
    root.mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o777)
    house.write_app(app())
    house.configure(
        workers=2, pool=f"{PRELOAD}user = {OTHER}\nchroot = {root}\nspool_directory = {root}/tmp\n"
    )
    house.start()
    [zygote] = zygotes(house)
    for pid in (zygote, *workers(house)):
        assert set(proc_status(pid)["Uid"]) == {str(other().pw_uid)}
        assert os.readlink(f"/proc/{pid}/root") == str(root)
    assert b"hello" in house.get(house.port())


def memory_of(pid: int) -> bytes:
    """What a process has written, or could have. Guards of stacks are mapped alike, and cannot be read."""
    found = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "rw-p" in line:
                first, last = (int(place, 16) for place in line.split()[0].split("-"))
                while first < last:
                    try:
                        piece = os.pread(memory.fileno(), last - first, first)
                    except OSError:
                        piece = b""
                    found += piece
                    first += len(piece) or mmap.PAGESIZE
    assert b"hello" in found and len(found) > 2_000_000
    return bytes(found)


@linux
def test_zygote_of_one_of_two_pools_is_a_python_of_its_own(house: House) -> None:
    """isolate: neither it nor its workers know anything of the other pool."""
    house.write_app(app())
    second = (
        f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0\n[app:second:env]\nWORD = x-{'secret'}-y\n"
    )
    house.configure(pool=PRELOAD, more=second)
    house.start()
    [pid] = [w["pid"] for w in house.told()["workers"] if w["pool"] == "hello"]
    [its] = [w["pid"] for w in house.told()["workers"] if w["pool"] == "second"]
    assert b"x-secret-y" in memory_of(its), "it would be found"
    for one in (pid, *zygotes(house)):
        mapped = re.findall(r"(\d+)\s+/memfd:fapws-scoreboard", Path(f"/proc/{one}/maps").read_text())
        assert len(set(mapped)) == 1
        assert b"x-secret-y" not in memory_of(one)
    house.ctl("reload")
    assert b"hello" in house.get(house.port())


def test_where_there_is_no_pidfd_the_zygote_sends_the_signals(house: House, until: Until) -> None:
    house.write_app(app())
    house.configure(workers=2, pool=PRELOAD)
    house.change("import os; vars(os).pop('pidfd_open', None)")
    house.start()
    [old] = zygotes(house)
    stopped, killed = workers(house)
    os.kill(stopped, signal.SIGSTOP)  # it is to be killed by its master
    until(lambda: full_without(house, stopped, 2), "the slot is filled again")
    os.kill(killed, signal.SIGKILL)
    until(lambda: full_without(house, killed, 2), "the slot is filled again")
    os.kill(old, signal.SIGKILL)
    before = workers(house)
    house.ctl("reload")
    assert not set(before) & set(workers(house))
    house.ctl("stop")
    house.assert_nothing_is_left()


@linux
def test_max_rss_counts_what_is_a_worker_s_own(house: House, until: Until) -> None:
    """What all share is more than it; one that fills memory of its own is replaced, the other is not."""
    house.change("from fapws.supervisor.core import upkeep; upkeep.RSS_AFTER = 0.0")
    grows = "\nSHARED = b'x' * 2**26\ninner = application\nOWN = []\n"
    grows += "def application(*given):\n    OWN.append(b'y' * 2**26)\n    return inner(*given)\n"
    port = started(house, workers=2, pool="max_rss = 60m\n", text=app() + grows)
    both = workers(house)
    grown = eval(house.get(port))["pid"]
    house.wait_log(rf"worker hello/\d \(pid {grown}\) is replaced after \S+ MB \(max_rss\)")
    until(lambda: full_without(house, grown, 2), "it was replaced")
    assert set(both) - {grown} < set(workers(house)), "the other was looked at too"
    assert house.log().count("(max_rss)") == 1


def test_autoreload_takes_a_new_zygote(house: House, until: Until) -> None:
    port = started(house, workers=1, pool="autoreload = yes\n")
    [old] = zygotes(house)
    house.write_app(app("changed"))
    until(lambda: b"'changed'" in house.get(port), "it was seen")
    until(lambda: len(zygotes(house)) == 1, "the old one has left")
    assert zygotes(house) != [old]


def test_reload_that_brings_preload_after_the_installation_was_removed_is_refused(
    house: House, tmp_path: Path
) -> None:
    tree, clone = tmp_path / "installed", house.tree
    tree.mkdir()
    shutil.copytree(clone / "fapws", tree / "fapws", symlinks=False)
    house.tree = tree
    house.write_app(app())
    house.configure()
    house.start()
    master, port = house.pid, house.port()
    shutil.rmtree(tree)
    house.tree = clone
    house.configure(pool=PRELOAD + "rollback_window = 1m\n")
    assert "No module named" in house.ctl("reload", expect=1)
    assert b"hello" in house.get(port) and house.pid == master
