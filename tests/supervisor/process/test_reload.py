"""Reload with real processes, under load: no request is lost, whatever the new state is."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import HELLO, PATIENCE, House, Load, Until
from support.ports import unused_port

from fapws.cli.control_client import ask
from fapws.supervisor.core import rolling

BROKEN = "def application(:\n"


@pytest.fixture(params=["tcp", "unix"])
def served(request: pytest.FixtureRequest, house: House) -> House:
    """A started server with two workers; ``served.at`` is its port, or None for the unix socket."""
    unix = request.param == "unix"
    house.configure(workers=2, listen=f"unix:{house.unix}" if unix else "127.0.0.1:0")
    house.start()
    house.at = None if unix else house.port()
    return house


def words(contents: set[bytes]) -> set[bytes]:
    """The greetings among the contents, without the PIDs."""
    return {content.split()[0] for content in contents}


def test_reload_under_load_loses_no_request(served: House, load: type[Load]) -> None:
    with load(served, served.at) as clients:
        for number in range(10):
            served.greeting(f"hello{number}")
            served.ctl("reload")
            clients.forget()
            clients.more(20)
            assert words(clients.contents) == {b"hello%d" % number}, "the old application is gone"
    clients.check()
    assert served.status()["generation"] == 11
    served.ctl("stop")
    served.assert_nothing_is_left()


def test_reload_to_a_broken_application_loses_no_request_and_tells_why(
    served: House, load: type[Load]
) -> None:
    with load(served, served.at) as clients:
        before = set(served.workers())
        for _ in range(5):
            served.write_app(BROKEN)
            told = served.ctl("reload", expect=1)
            assert "SyntaxError" in told
            assert told.endswith("\nfapws: the old workers serve on\n")
            clients.more(20)
        assert served.log().rstrip().endswith("master: the old workers serve on")
        assert set(served.workers()) == before
        last = served.status()["last_reload"]
        assert last["ok"] is False
        assert "SyntaxError" in last["text"]
        served.greeting("mended")
        served.ctl("reload")
        clients.forget()
        clients.more(20)
    clients.check()
    assert words(clients.contents) == {b"mended"}
    served.ctl("stop")
    served.assert_nothing_is_left()


def test_reload_of_a_broken_configuration_changes_nothing(served: House, load: type[Load]) -> None:
    text = served.ini.read_text()
    with load(served, served.at) as clients:
        before = set(served.workers())
        served.ini.write_text(text.replace("workers = 2", "workrs = 2"))
        told = served.ctl("reload", expect=1)
        assert "did you mean workers" in told and told.endswith("\nfapws: the old workers serve on\n")
        clients.more(20)
        assert set(served.workers()) == before
        served.ini.write_text(text)
        served.ctl("reload")
    clients.check()
    served.ctl("stop")
    served.assert_nothing_is_left()


def test_reload_whose_new_socket_cannot_be_bound_changes_nothing(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    before = house.workers()
    other = house.directory / "other"
    (house.directory / "file").write_text("no socket")
    house.configure(listen=f"unix:{house.unix}, unix:{other}, unix:{house.directory}/file")
    assert "not a socket" in house.ctl("reload", expect=1)
    assert house.workers() == before
    assert not other.exists(), "what the reload had bound already is closed again"
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_reload_with_a_canary_that_hangs_is_given_up(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    before = house.workers()
    house.configure(listen=f"unix:{house.unix}", pool="boot_timeout = 1s")  # too short for a start
    house.write_app("import time\ntime.sleep(60)\n")
    assert "boot_timeout" in house.ctl("reload", expect=1)
    assert house.workers() == before
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_reload_changes_workers_listeners_and_pools(house: House, load: type[Load]) -> None:
    more = house.directory / "more"
    house.configure(workers=1, listen=f"unix:{house.unix}")
    house.start()
    pool = f"[app:more]\nscript = {house.app}\nlisten = unix:{more}\n"
    with load(house, None) as clients:
        house.configure(workers=3, listen=f"unix:{house.unix}, 127.0.0.1:0", more=pool)
        house.ctl("reload")
        answer = house.status()
        assert [(p["name"], p["serving"]) for p in answer["pools"]] == [("hello", 3), ("more", 1)]
        port = int(answer["pools"][0]["listen"][1].rsplit(":", 1)[1])
        assert house.get(port).startswith(b"hello")
        assert more.exists()
        clients.more(20)
        house.configure(workers=1, listen=f"unix:{house.unix}")
        house.ctl("reload")
        clients.more(20)
    clients.check()
    with pytest.raises(ConnectionRefusedError):
        house.get(port)
    assert not more.exists()
    assert len(house.workers()) == 1
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems let both listen: runs on Linux")
@pytest.mark.parametrize(("before", "after"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])
def test_address_that_takes_in_one_of_ours_is_refused_with_the_reason(
    house: House, before: str, after: str
) -> None:
    port = unused_port()
    house.configure(listen=f"{before}:{port}")
    house.start()
    house.configure(listen=f"{after}:{port}")
    told = house.ctl("reload", expect=1)
    assert f"cannot listen on {after}:{port}: Address already in use by {before}:{port} of this" in told
    assert house.get(port).startswith(b"hello")
    house.ctl("restart")
    assert house.status()["pools"][0]["listen"] == [f"http://{after}:{port}"]
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_reload_makes_sockets_anew_whose_files_were_removed(house: House, load: type[Load]) -> None:
    house.configure(workers=2, listen=f"127.0.0.1:0, unix:{house.unix}")
    house.start()
    port, good = house.port(), house.app.read_text()
    before = len(house.master_descriptors())
    with load(house, port) as clients:
        house.unix.unlink()
        house.write_app(BROKEN)
        house.ctl("reload", expect=1)
        assert not house.unix.exists(), "nobody would answer there"
        house.write_app(good)
        house.control.unlink()
        assert "unconfirmed" in house.ctl("reload", expect=1)
        house.wait_log("reload done: generation 3")
        clients.more(20)
    clients.check()
    assert house.get(None).startswith(b"hello")
    assert house.status()["generation"] == 3
    assert house.control.stat().st_mode & 0o777 == 0o600
    house.ctl("reload")
    assert house.get(None).startswith(b"hello")
    assert len(house.master_descriptors()) == before
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_what_only_a_restart_can_change_is_named(house: House) -> None:
    house.start()
    pid = house.pid
    old = house.control
    moved = house.directory / "moved"
    text = house.ini.read_text()
    house.ini.write_text(text.replace(str(old), str(moved)))
    os.kill(pid, signal.SIGHUP)
    house.wait_log("reload done")
    assert "not changed, because that takes a restart: control" in house.log()
    house.ini.write_text(text)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_hups_of_a_whole_second_are_two_reloads(house: House, load: type[Load]) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    pid = house.pid
    with load(house, None) as clients:
        began = time.monotonic()
        # Until the first has had its effect, too: those before that are one, to a master that did not run.
        while time.monotonic() - began < 1.0 or "reload done: generation 2" not in house.log():
            os.kill(pid, signal.SIGHUP)
            clients.more(1)
        seconds = time.monotonic() - began
        house.wait_log("reload done: generation 3")
        house.ctl("reload")
        clients.more(20)
    clients.check()
    done = re.findall("reload done: generation", house.log())
    # Two, and ours; more only if this machine has taken longer than a second to send them.
    assert 3 <= len(done) <= 3 + int(seconds / rolling.STORM), house.log()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_request_that_is_being_answered_survives_the_reload(house: House, until: Until) -> None:
    import threading

    go = house.directory / "go"
    house.configure(listen=f"unix:{house.unix}")
    house.write_app(
        f"import os\nos.path.exists({str(go)!r}) or os.mkfifo({str(go)!r})\n"
        "def application(environ, start_response):\n"
        f"    open({str(go)!r}).close()\n"
        "    start_response('200 OK', [])\n"
        "    return [b'slow']\n"
    )
    house.start()
    answers: list[bytes] = []
    client = threading.Thread(target=lambda: answers.append(house.get(None)), daemon=True)
    client.start()
    until(lambda: house.status()["totals"]["in_flight"] == 1, "the request is with the application")
    house.greeting("new")
    os.kill(house.pid, signal.SIGHUP)
    until(
        lambda: "draining" in [worker["state"] for worker in house.status()["workers"]],
        "the old worker drains",
    )
    assert house.get(None).startswith(b"new"), "the new one serves"
    go.open("w").close()
    client.join(30)
    assert answers == [b"slow"]
    house.ctl("reload")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_changed_source_file_reloads(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="autoreload = yes")
    house.start()
    house.greeting("edited")
    house.wait_log("hello.py has changed: reloading")
    house.wait_log("reload done")
    assert house.get(None).startswith(b"edited")
    house.write_app(BROKEN)
    house.wait_log("reload failed")
    assert house.get(None).startswith(b"edited")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_mended_file_reloads_though_only_the_failed_reload_had_loaded_it(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="autoreload = yes")
    house.start()
    helper = house.directory / "helper_of_this_test.py"
    helper.write_text("import not_there_at_all\n")
    house.write_app("import helper_of_this_test\n" + house.app.read_text())
    house.wait_log("reload failed(.|\\n)*not_there_at_all")
    helper.write_text("mended = True\n")
    house.wait_log("helper_of_this_test.py has changed: reloading")
    house.wait_log("reload done")
    house.ctl("stop")


def test_script_saved_while_a_worker_loads_it_is_loaded_again(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="autoreload = yes")
    house.start()
    fifo = house.directory / "fifo"
    os.mkfifo(fifo)
    hello = house.app.read_text()
    house.write_app(f"with open({str(fifo)!r}) as file:\n    file.read()\n{hello}")
    writer = until(lambda: opened_by_a_reader(fifo), "the new worker has read the script and runs it")
    house.greeting("saved")
    os.close(writer)
    until(lambda: house.get(None).startswith(b"saved"), "what was saved last serves")
    house.ctl("stop")


def opened_by_a_reader(fifo: Path) -> int | None:
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


# ---- A reload that has to wait --------------------------------------------------------------------

WAITS = """\
import os
MAX_BODY_SIZE = 1000
if os.path.exists({fifo!r}):
    with open({fifo!r}) as file:
        os.unlink({fifo!r})
        MAX_BODY_SIZE = int(file.read())
"""


@pytest.fixture
def waiting(house: House, until: Until) -> Iterator[subprocess.Popen[str]]:
    """A reload that waits for a look at the script, which waits for a FIFO."""
    fifo = str(house.directory / "fifo")
    house.write_app(WAITS.format(fifo=fifo) + HELLO)
    house.start()
    os.mkfifo(fifo)
    with subprocess.Popen(
        house.words("reload"),
        env=house.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as command:
        until(lambda: house.status()["state"] == "reloading", "the reload is under way")
        yield command


def test_master_hears_everybody_while_the_configuration_is_read(
    house: House, waiting: subprocess.Popen[str]
) -> None:
    # Asked from here: on a slow machine two programs more would outlast what a script has, 15 s.
    began = time.monotonic()
    assert ask(str(house.control), "status", PATIENCE)["state"] == "reloading"
    assert "error" not in ask(str(house.control), "reopen", PATIENCE)
    assert time.monotonic() - began < 10, "nobody waited for the script"
    assert waiting.poll() is None
    (house.directory / "fifo").write_text("7")
    assert "reload done: generation 2" in waiting.communicate(timeout=60)[0]
    with socket.create_connection(("127.0.0.1", house.port()), 30) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 "), "what the script said is in force"
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stop_ends_the_reading_of_the_configuration(house: House, waiting: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    house.ctl("stop")
    assert time.monotonic() - began < 10
    assert "the server is stopping" in waiting.communicate(timeout=60)[0]
    house.assert_nothing_is_left()


def test_a_script_that_cannot_be_asked_moves_no_service(house: House) -> None:
    """What is not known is never replaced by a default: here the address that the script sets."""
    port = unused_port()
    place = house.directory / "address"
    place.write_text(f"127.0.0.1:{port}")
    script = f"SERVER = open({str(place)!r}).read()\n"
    script += 'def hello(environ, start_response):\n    return "hello"\n\nPATHS = [("/", hello)]\n'
    house.ini.write_text(
        f"[fapws]\npidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
        f"[app:hello]\nscript = {house.app}\n"
    )
    house.write_app(script)
    house.start()
    assert house.port() == port
    place.unlink()
    assert "cannot be asked for listen" in house.ctl("reload", expect=1)
    assert house.port() == port
    assert house.get(port) == b"hello"
    house.ctl("stop")
