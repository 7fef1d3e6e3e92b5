"""The status address: the master answers about itself, whatever its workers and its clients do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

import pytest
from support.house import PATIENCE, House, Until
from support.monitor import OPTION, address, ask, exchange, master_options

STUCK = """\
import time

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/stuck":
        end = time.monotonic() + 60
        while time.monotonic() < end:  # it computes: it keeps the interpreter and a processor
            pass
    return [b"hello"]
"""
BROKEN = "import not_there_at_all\napplication = None\n"


def test_probes_programs_and_people_are_answered(house: House) -> None:
    house.configure(workers=2, master=master_options(house, OPTION))
    house.start()
    where = address(house)
    assert f"status on http://127.0.0.1:{where[1]}\n" in house.ctl("status")
    assert ask(where, "/livez")[::2] == (200, "ok\n")
    assert ask(where, "/readyz")[::2] == (200, "healthy\n")
    assert ask(where, "/readyz/hello")[::2] == (200, "healthy\n")
    assert ask(where, "/readyz/other").status == 404
    assert ask(where, "/nothing").status == 404
    assert ask(where, "/livez", "HEAD")[::2] == (200, "")
    assert ask(where, "/livez", "POST").status == 405
    assert exchange(where, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert exchange(where, b"rubbish\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    page = ask(where, "/")
    assert "Content-Type: text/html" in page.head
    assert "2 of 2 serving" in page.content
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_page_shows_a_path_whose_bytes_are_no_text(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    name = os.fsencode(house.ini) + b"\xe9"
    try:
        os.rename(house.ini, name)
    except OSError:
        pytest.skip("the file system takes no such name")
    house.ini = type(house.ini)(os.fsdecode(name))
    house.start()
    page = ask(address(house), "/")
    assert page.status == 200, house.log()
    assert str(house.ini).encode("utf-8", "backslashreplace").decode() in page.content


def test_json_says_what_fapwsctl_says(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    told = json.loads(ask(address(house), "/status.json").content)
    said = json.loads(house.ctl("-j", "status"))
    changing = ("uptime", "workers")
    assert {k: v for k, v in told.items() if k not in changing} == {
        k: v for k, v in said.items() if k not in changing
    }
    assert [set(worker) for worker in told["workers"]] == [set(worker) for worker in said["workers"]]
    assert told["workers"][0]["pid"] == said["workers"][0]["pid"]
    house.ctl("stop")


def test_readiness_says_the_sentence_of_health(house: House, until: Until) -> None:
    house.configure(
        master=master_options(house, OPTION), more=f"[app:second]\nscript = {house.app}\nlisten = 127.0.0.1:0"
    )
    house.start()
    where = address(house)
    house.write_app(BROKEN)
    victim = next(w["pid"] for w in house.status()["workers"] if w["pool"] == "second")
    os.kill(victim, signal.SIGKILL)
    until(lambda: ask(where, "/readyz").status == 503, "a pool without a worker is not ready")
    told = ask(where, "/readyz/second").content
    assert told == "pool second: 0 of 1 workers serve\n"
    assert house.ctl("health", expect=1) == f"fapws: {told}"
    assert ask(where, "/readyz/hello").status == 200
    assert ask(where, "/livez").status == 200
    house.ctl("stop")


def test_unix_socket_has_its_mode_and_goes_with_the_master(house: House) -> None:
    path = str(house.directory / "status.sock")
    house.configure(master=master_options(house, f"status = unix:{path}?mode=600"))
    house.start()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert ask(path, "/readyz").status == 200
    house.ctl("stop")
    assert not os.path.exists(path)
    house.assert_nothing_is_left()


def test_worker_busy_in_python_delays_no_probe(house: House, until: Until) -> None:
    house.write_app(STUCK)
    house.configure(master=master_options(house, OPTION))
    house.start()
    where = address(house)
    with socket.create_connection(("127.0.0.1", house.port()), PATIENCE) as client:
        client.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["workers"][0]["request"] == "GET /stuck", "the worker is busy")
        times = []
        for path in ("/livez", "/readyz", "/readyz/hello") * 10:
            began = time.monotonic()
            assert ask(where, path).status == 200
            times.append(time.monotonic() - began)
        # The median, because the machine of the test may be busy with others; the worker's request lasts on.
        assert sorted(times)[len(times) // 2] < 1
        assert house.status()["workers"][0]["request"] == "GET /stuck"
    os.kill(house.workers()[0], signal.SIGKILL)
    house.ctl("stop")


def test_bad_clients_hold_up_neither_the_loop_nor_a_probe(house: House, until: Until) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    where = address(house)
    stop = threading.Event()
    made = 0

    def lives() -> bool:
        """Among so many new ones a probe that is slow to speak may have to go; then it asks again."""
        try:
            return ask(where, "/livez").status == 200
        except (OSError, IndexError):
            return False

    def bother() -> None:
        nonlocal made
        held: list[socket.socket] = []
        while not stop.is_set():
            with contextlib.suppress(OSError):
                sock = socket.create_connection(where, PATIENCE)
                held.append(sock)
                sock.sendall((b"GET / HT", b"\0\0", b"", b"GET /" + b"x" * 5000)[made % 4])
                made += 1
            for sock in held[: max(0, len(held) - 40)]:
                sock.close()
            del held[: max(0, len(held) - 40)]
        for sock in held:
            sock.close()

    threads = [threading.Thread(target=bother, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: made > 500, "they bother")
        (victim,) = house.workers()
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: f"pid {victim}) was killed" in house.log(), "the death is seen")
        seen = time.monotonic() - began
        until(lives, "a probe is answered")
        until(lambda: made > 2000, "they go on")
        until(lives, "a probe is answered still")
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert seen < 20  # each of so many clients would hold it up for 5 s, if one could
    until(lambda: house.live_without(victim), "its successor serves")
    assert len([name for name in house.master_descriptors() if "socket" in name]) < 40
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_clients_that_come_while_the_master_cannot_look_are_kept_in_the_queue(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    where, pid = address(house), house.pid
    os.kill(pid, signal.SIGSTOP)
    try:  # a queue that is full would leave them waiting
        clients = [socket.create_connection(where, PATIENCE / 10) for _ in range(100)]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ask(where, "/livez").status == 200
    for client in clients:
        client.close()
    house.ctl("stop")


def test_client_that_says_nothing_is_told_so_after_five_seconds(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    began = time.monotonic()
    assert exchange(address(house), b"GET /livez HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")
    assert 4.0 < time.monotonic() - began < 20.0
    house.ctl("stop")


def test_reload_brings_moves_and_removes_the_address(house: House) -> None:
    house.start()
    assert house.status()["monitors"] == {}
    house.configure(master=master_options(house, OPTION))
    house.ctl("reload")
    first = address(house)
    house.ctl("reload")
    assert address(house) == first, "what is not changed stays open"
    path = str(house.directory / "status.sock")
    house.configure(master=master_options(house, f"status = unix:{path}"))
    house.ctl("reload")
    assert ask(path, "/livez").status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(first, "/livez")
    house.configure()
    house.ctl("reload")
    assert house.status()["monitors"] == {}
    assert not os.path.exists(path)
    house.ctl("stop")


def test_reload_with_a_taken_address_changes_nothing(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    first = address(house)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house.configure(master=master_options(house, f"status = 127.0.0.1:{port}"))
        assert f"cannot listen on 127.0.0.1:{port}" in house.ctl("reload", expect=1)
    assert address(house) == first
    assert ask(first, "/readyz").status == 200
    house.write_app(BROKEN)
    house.configure(master=master_options(house, f"status = 127.0.0.1:{port}"))
    house.ctl("reload", expect=1)  # prepared, and taken back
    assert address(house) == first
    with pytest.raises(ConnectionRefusedError):
        ask(("127.0.0.1", port), "/livez")
    house.ctl("stop")


def test_start_with_a_taken_address_starts_nothing(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house.configure(master=master_options(house, f"status = 127.0.0.1:{port}"))
        assert f"cannot listen on 127.0.0.1:{port}" in house.ctl("start", expect=1)
    house.assert_nothing_is_left()


def test_address_survives_an_upgrade_in_place(house: House) -> None:
    house.configure(master=master_options(house, OPTION))
    house.start()
    where = address(house)
    house.ctl("upgrade")
    assert address(house) == where
    assert ask(where, "/readyz").status == 200
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_workers_hold_nothing_of_the_status_address(house: House) -> None:
    if not os.path.isdir("/proc/self/fd"):
        return
    house.configure(master=master_options(house, OPTION))
    house.start()
    where = address(house)
    (worker,) = house.workers()
    with socket.create_connection(where, PATIENCE):
        listening = _inode_of_listener(where[1])
        held = [os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")]
    assert f"socket:[{listening}]" not in held
    assert any(name.startswith("socket:") for name in held)
    house.ctl("stop")


def _inode_of_listener(port: int) -> str:
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    (inode,) = (row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A")
    return inode


def test_page_obeys_no_character_of_a_client(house: House, until: Until) -> None:
    house.write_app(STUCK)
    house.configure(master=master_options(house, OPTION))
    house.start()
    with socket.create_connection(("127.0.0.1", house.port()), PATIENCE) as client:
        client.sendall(b"GET /stuck?<script>alert('x')</script>\"&amp; HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["workers"][0]["request"], "the worker is busy")
        page = ask(address(house), "/").content
    assert "<script" not in page
    assert "/stuck?&lt;script&gt;" in page
    os.kill(house.workers()[0], signal.SIGKILL)
    house.ctl("stop")


def test_systemd_and_status_say_the_same_words(house: House, until: Until) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(PATIENCE)
        systemd.bind(str(house.directory / "notify"))
        house.prefix = ["env", f"NOTIFY_SOCKET={house.directory}/notify"]
        house.configure(workers=2, master=master_options(house, OPTION))
        house.foreground()

        def told(state: str) -> str:
            while True:
                found = re.search("^STATUS=(.*)$", systemd.recv(65536).decode(), re.MULTILINE)
                if found and found[1].startswith(state):
                    return found[1]

        def said(state: str) -> None:
            """At some time: a broken worker that is tried again changes them, and that is told as well."""
            while True:
                words = told(state)
                text = house.ctl("status")
                if house.status()["summary"] == words and all(part in text for part in words.split("; ")):
                    return

        said("running; pool hello: 2 of 2 serving")
        house.write_app(BROKEN)
        house.ctl("reload", expect=1)
        said("running; pool hello: 2 of 2 serving; last reload: failed")
        os.kill(house.workers()[0], signal.SIGKILL)
        said("degraded; pool hello: 1 of 2 serving")
        os.kill(house.pid, signal.SIGTERM)
        assert told("stopping")
    house.assert_nothing_is_left()
