"""preload: a zygote imports the application, and forks the workers. What becomes of it, and of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import House, Load, Until
from support.rooted import OTHER, needs_root, other, proc_status

PRELOAD = "preload = yes\n"
APP = """
import os, random, sys

IMPORTED_BY = os.getpid()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = {"pid": os.getpid(), "parent": os.getppid(), "imported by": IMPORTED_BY, "word": "GREETING",
            "number": random.random(), "zygote": "fapws.worker.zygote" in sys.modules}
    return [repr(told).encode()]
"""
EVWSGI = """
import fapws._evwsgi as evwsgi
from fapws import base
evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", lambda environ, start_response: "x"))
evwsgi.run()
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc and pidfd")


def app(word: str = "hello") -> str:
    return APP.replace("GREETING", word)


def title(pid: int) -> str:
    """As ps shows it; empty: there is no such process."""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def zygotes(house: House) -> list[int]:
    """PIDs of processes that preload."""
    return [pid for pid in house.processes() if "preload hello" in title(pid)]


def parents(house: House) -> set[int]:
    """Of the workers that serve."""
    said = (
        subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False)
        for pid in house.workers()
    )
    return {int(one.stdout) for one in said}


def started(house: House, workers: int = 2, pool: str = "") -> int:
    """A server that preloads; its port."""
    house.write_app(app())
    house.configure(workers=workers, pool=PRELOAD + pool)
    house.start()
    return house.port()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with three workers, which each test leaves as it was."""
    house = House(tmp_path_factory.mktemp("preload"))
    try:
        house.write_app(app() + "\nimport signal\nsignal.signal(signal.SIGUSR1, lambda *_: os._exit(7))\n")
        house.configure(workers=3, pool=PRELOAD)
        house.start()
        yield house
        house.ctl("stop")
        house.assert_nothing_is_left()
    finally:
        house.clean()


def test_workers_are_forked_by_the_one_that_imported(shared: House) -> None:
    house, port = shared, shared.port()
    [zygote] = zygotes(house)
    assert "fapws: preload hello" in title(zygote)
    told = [eval(house.get(port)) for _ in range(8)]
    assert {one["imported by"] for one in told} == {zygote} == {one["parent"] for one in told}
    assert all(one["zygote"] for one in told)
    firsts = {one["pid"]: one["number"] for one in reversed(told)}
    assert len(set(firsts.values())) == len(firsts), "random was not seeded anew"
    workers = house.status()["workers"]
    assert [w["state"] for w in workers] == ["serving"] * 3, "the zygote is none of them"
    assert all(f"worker hello/{w['slot']}" in title(w["pid"]) for w in workers)


@pytest.mark.parametrize(
    ("how", "told"), [("KILL", "was killed by SIGKILL"), ("USR1", "exited with status 7")]
)
def test_crash_is_refilled_by_the_same_zygote_and_told(
    shared: House, until: Until, how: str, told: str
) -> None:
    zygote = zygotes(shared)
    victim = shared.workers()[0]
    os.kill(victim, getattr(signal, f"SIG{how}"))
    until(lambda: shared.live_without(victim) == 3, "the slot is filled again")
    assert parents(shared) == set(zygote)
    shared.wait_log(rf"worker hello/\d \(pid {victim}\) {told} after")


@linux
def test_worker_that_is_stopped_is_killed_by_its_master(shared: House, until: Until) -> None:
    victim = shared.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    until(lambda: shared.live_without(victim) == 3, "the slot is filled again")
    shared.wait_log(rf"\(pid {victim}\) was killed by SIGKILL: stopped by SIGSTOP")


def test_scaling_up_and_down(shared: House, until: Until) -> None:
    shared.ctl("scale", "hello", "12")
    assert len(shared.workers()) == 12
    assert parents(shared) == set(zygotes(shared))
    shared.ctl("scale", "hello", "3")
    until(lambda: len(shared.status()["workers"]) == 3, "the others have left")


@linux
def test_worker_holds_nothing_of_its_zygote(shared: House) -> None:
    [zygote] = zygotes(shared)

    def sockets(pid: int) -> set[str]:
        links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        assert not [link for link in links if "scoreboard" in link or "fapws-worker" in link]
        return {link for link in links if link.startswith("socket:")}

    held = {pid: sockets(pid) for pid in (zygote, *shared.workers())}
    assert len(held[zygote]) == 1, "its channel alone: no listener, no worker's channel"
    for pid in shared.workers():
        assert len(held[pid]) == 2 and not held[pid] & held[zygote], "its channel and a listener"


def test_reload_takes_a_new_zygote_and_loses_nothing(house: House, load: type[Load], until: Until) -> None:
    port = started(house, workers=2)
    [old] = zygotes(house)
    with load(house, port) as clients:
        house.write_app(app("new"))
        house.ctl("reload")
        clients.forget()
        clients.more(20)
        assert all(b"'new'" in content for content in clients.contents)
    clients.check()
    until(lambda: zygotes(house) not in ([], [old]) and old not in zygotes(house), "the old one has left")
    assert parents(house) == set(zygotes(house))


def test_reload_that_cannot_import_leaves_everything(house: House, load: type[Load], until: Until) -> None:
    port = started(house, workers=2)
    before, old = set(house.workers()), zygotes(house)
    with load(house, port) as clients:
        house.write_app("import not_there_at_all\n")
        told = house.ctl("reload", expect=1)
        assert "ModuleNotFoundError: No module named 'not_there_at_all'" in told
        assert "fapws/worker" not in told
    clients.check()
    assert set(house.workers()) == before
    until(lambda: zygotes(house) == old, "the new one has gone")


def test_start_that_cannot_import_tells_why_and_leaves_nothing(house: House) -> None:
    house.write_app("raise OSError('no database')\n")
    house.configure(workers=4, pool=PRELOAD)
    told = house.ctl("start", expect=1)
    assert told.count("OSError: no database") == told.count("Traceback") and "OSError" in told
    house.assert_nothing_is_left()


def test_workers_of_a_dead_zygote_serve_on_and_the_next_start_makes_another(
    house: House, load: type[Load], until: Until
) -> None:
    port = started(house)
    [old] = zygotes(house)
    before = house.workers()
    with load(house, port) as clients:
        os.kill(old, signal.SIGKILL)
        until(lambda: old not in house.processes(), "it is dead")
        clients.more(20)
        assert house.workers() == before
    clients.check()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: house.live_without(before[0]) == 2, "the slot is filled again")
    [fresh] = zygotes(house)
    assert fresh != old and fresh in parents(house)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_dead_zygote_whose_code_is_no_more_says_why(house: House, until: Until) -> None:
    port = started(house)
    [old] = zygotes(house)
    victim, other_one = house.workers()
    house.write_app("raise OSError('no database')\n")
    os.kill(old, signal.SIGKILL)
    until(lambda: old not in house.processes(), "it is dead")
    os.kill(victim, signal.SIGKILL)
    house.wait_log(r"preload hello:\n.*(.*\n)*.*OSError: no database")
    assert house.workers() == [other_one]
    assert b"hello" in house.get(port)


def test_stopped_zygote_is_killed_and_its_workers_serve_on(house: House, until: Until) -> None:
    port = started(house)
    [old] = zygotes(house)
    before = house.workers()
    os.kill(old, signal.SIGSTOP)
    house.wait_log(rf"preload hello \(pid {old}\): stopped by SIGSTOP; it is killed in 2 s")
    os.kill(before[0], signal.SIGKILL)  # its end is not told by its parent
    until(lambda: house.live_without(before[0]) == 2, "the slot is filled again")
    assert before[1] in house.workers()
    until(lambda: old not in zygotes(house), "it was killed")
    assert b"hello" in house.get(port)


def test_import_that_hangs_is_told_with_its_stack(house: House) -> None:
    house.write_app("import time\ndef sleeps_for_ever():\n    time.sleep(1000)\nsleeps_for_ever()\n")
    house.configure(pool=PRELOAD + "boot_timeout = 1s\n")
    began = time.monotonic()
    told = house.ctl("start", expect=1)
    assert time.monotonic() - began < 10
    assert "was not ready after" in told and "boot_timeout" in told
    assert "in sleeps_for_ever" in house.log()
    house.assert_nothing_is_left()


def test_first_client_of_a_sleeping_pool_is_answered_from_memory(house: House, until: Until) -> None:
    house.write_app("import time\ntime.sleep(0.5)\n" + app())
    house.configure(pool=PRELOAD + "min_workers = 0\nidle_timeout = 1s\n")
    house.start()
    port = house.port()
    until(lambda: not house.status()["workers"], "the pool sleeps")
    assert len(zygotes(house)) == 1, "the zygote stays"
    began = time.monotonic()
    assert b"hello" in house.get(port)
    assert time.monotonic() - began < 0.5, "it was imported again"


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
    told = house.ctl("start", expect=1)
    assert "preload: the script serves by itself (run()), and a process that serves cannot fork" in told


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
    [pid], [zygote] = house.workers(), zygotes(house)
    house.wait_log(rf"hello/0\[{pid}\]: written by {pid}")
    house.wait_log(rf"hello/0\[{pid}\]: logged by {pid}")
    house.wait_log(rf"hello/preload\[{zygote}\]: imported")


@needs_root
@linux
def test_zygote_drops_rights_as_workers_do_and_goes_into_chroot_before_it_forks(house: House) -> None:
    root = house.directory / "root"
    root.mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o777)
    for folder in (house.directory, *house.directory.parents[:3]):
        folder.chmod(0o755)
    house.write_app(app())
    house.configure(
        workers=2, pool=f"{PRELOAD}user = {OTHER}\nchroot = {root}\nspool_directory = {root}/tmp\n"
    )
    house.start()
    [zygote] = zygotes(house)
    for pid in (zygote, *house.workers()):
        assert set(proc_status(pid)["Uid"]) == {str(other().pw_uid)}
        assert os.readlink(f"/proc/{pid}/root") == str(root)
    assert b"hello" in house.get(house.port())


@linux
def test_zygote_of_one_of_two_pools_is_a_python_of_its_own(house: House) -> None:
    """isolate: neither it nor its workers know anything of the other pool."""
    house.write_app(app())
    second = (
        f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0\n[app:second:env]\nWORD = x-{'secret'}-y\n"
    )
    house.configure(pool=PRELOAD, more=second)
    house.start()
    [pid] = [w["pid"] for w in house.status()["workers"] if w["pool"] == "hello"]
    for one in (pid, *zygotes(house)):
        mapped = re.findall(r"(\d+)\s+/memfd:fapws-scoreboard", Path(f"/proc/{one}/maps").read_text())
        assert len(set(mapped)) == 1
        with open(f"/proc/{one}/mem", "rb") as memory:
            for line in Path(f"/proc/{one}/maps").read_text().splitlines():
                if "rw-p" in line:
                    first, last = (int(place, 16) for place in line.split()[0].split("-"))
                    memory.seek(first)
                    assert b"x-secret-y" not in memory.read(last - first)
    house.ctl("reload")
    assert b"hello" in house.get(house.port())


@linux
def test_upgrade_in_place_carries_zygotes_over_and_loses_nothing(house: House, load: type[Load]) -> None:
    port = started(house)
    [old], before = zygotes(house), set(house.workers())
    with load(house, port) as clients:
        house.ctl("upgrade")
        clients.more(20)
    clients.check()
    assert "ended" not in house.log() and before.isdisjoint(house.workers())
    [fresh] = zygotes(house)
    assert fresh != old and parents(house) == {fresh}
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_where_there_is_no_pidfd_the_zygote_sends_the_signals(house: House, until: Until) -> None:
    house.write_app(app())
    house.configure(workers=2, pool=PRELOAD)
    blind = "import os, sys; vars(os).pop('pidfd_open', None)"
    house.program = [sys.executable, "-c", f"{blind}; from fapws.cli.fapwsctl import main; sys.exit(main())"]
    house.start()
    [old] = zygotes(house)
    stopped, killed = house.workers()
    os.kill(stopped, signal.SIGSTOP)  # it is to be killed by its master
    until(lambda: house.live_without(stopped) == 2, "the slot is filled again")
    os.kill(killed, signal.SIGKILL)
    until(lambda: house.live_without(killed) == 2, "the slot is filled again")
    os.kill(old, signal.SIGKILL)
    before = house.workers()
    house.ctl("reload")
    assert not set(before) & set(house.workers())
    house.ctl("stop")
    house.assert_nothing_is_left()
