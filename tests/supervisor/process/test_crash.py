"""Death of workers and of the master, with real processes, and life with few descriptors."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest
from support.house import House, Load, Until, connect
from support.ports import unused_port


def test_all_workers_serve(house: House, load: type[Load], until: Until) -> None:
    house.configure(workers=4, listen=f"unix:{house.unix}")
    house.start()
    with load(house, None, keep_alive=0, one_shot=8) as clients:
        until(lambda: len(clients.contents) == 4 or clients.lost, "each worker has answered")
    clients.check()
    assert {int(content.split()[1]) for content in clients.contents} == set(house.workers())
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_killed_worker_is_replaced_and_the_others_go_on(house: House, load: type[Load], until: Until) -> None:
    house.configure(workers=2, listen="127.0.0.1:0")
    house.start()
    with load(house, house.port()) as clients:
        for _ in range(2):
            victim = house.workers()[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda dead=victim: house.live_without(dead) == 2, "two serve again")
            clients.more(50)
    # What the victim had in hand is lost: at most one request of each of the four clients a time.
    assert len(clients.lost) <= 8, clients.lost
    deaths = house.status()["last_deaths"]
    assert len(deaths) == 2
    assert re.search(r"was killed by SIGKILL after [\d.]+ s, \d+ requests? served", deaths[0]["text"])
    assert len(re.findall("SIGKILL", house.log())) == 2, "one line a death"
    house.ctl("stop")
    house.assert_nothing_is_left()


CRASHES = """\
import faulthandler, os, signal

{setup}

def crash_here(number):
    os.kill(os.getpid(), number)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/crash/"):
        crash_here(getattr(signal, path[7:]))
    body = b"hello\\n"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
def test_worker_that_a_fault_ends_leaves_its_python_stack_in_the_log(house: House, name: str) -> None:
    house.write_app(CRASHES.format(setup=""))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    with connect(house, None) as client:
        client.sendall(f"GET /crash/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        house.wait_log(rf"was killed by {name}")
    house.wait_log(r"in crash_here")
    assert "Fatal Python error: " in house.log()
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_fault_is_told_where_the_application_wants_it(house: House) -> None:
    own = house.directory / "own"
    house.write_app(CRASHES.format(setup=f"faulthandler.enable(open({str(own)!r}, 'a'))"))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    with connect(house, None) as client:
        client.sendall(b"GET /crash/SIGSEGV HTTP/1.1\r\nHost: x\r\n\r\n")
        house.wait_log(r"was killed by SIGSEGV")
    assert "in crash_here" in own.read_text()
    assert "in crash_here" not in house.log()
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.parametrize("isolate", ["yes", "no"])
def test_death_is_told_with_the_requests_before_it(house: House, isolate: str) -> None:
    house.write_app(CRASHES.format(setup=""))
    # With a second pool, a worker gets a Python of its own.
    other = f"[app:other]\nscript = {house.app}\nlisten = unix:{house.unix}.other\n"
    house.configure(listen=f"unix:{house.unix}", more=other)
    text = house.ini.read_text()
    house.ini.write_text(text.replace("[fapws]\n", f"[fapws]\nisolate = {isolate}\n"))
    house.start()
    with connect(house, None) as client:
        for number in range(40):
            client.sendall(f"GET /{number}/{'x' * 200} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /crash/SIGKILL HTTP/1.1\r\nHost: x\r\n\r\n")
        house.wait_log(r"\| +GET /39/x+: 200, \d+ ms\n")
    told = re.findall(r"\|   GET /(\d+)/(x+): 200, \d+ ms$", house.log(), re.MULTILINE)
    assert [int(number) for number, _ in told] == list(range(8, 40))
    assert {len(f"/{number}/{rest}") for number, rest in told} == {120}
    assert "in hand: GET /crash/SIGKILL" in house.log()
    os.kill(next(w["pid"] for w in house.status()["workers"] if w["pool"] == "other"), signal.SIGKILL)
    house.wait_log(r"worker other/0 .*was killed by SIGKILL")
    assert "responses before that" not in house.log().rpartition("worker other/0")[2]
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_killed_master_frees_the_port_and_a_new_start_works(house: House, until: Until) -> None:
    port = unused_port()
    house.configure(workers=2, listen=f"127.0.0.1:{port}, unix:{house.unix}")
    house.start()
    os.kill(house.pid, signal.SIGKILL)
    until(lambda: not house.processes(), "the workers have noticed")
    with pytest.raises(ConnectionRefusedError):
        house.get(port)
    house.start()
    assert house.get(port).startswith(b"hello")
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_worker_that_cannot_boot_any_more_backs_off_and_the_master_stays(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.write_app("import not_there_at_all\napplication = None\n")
    os.kill(house.workers()[0], signal.SIGKILL)
    until(lambda: house.status()["workers"][0]["state"] == "backing-off", "it backs off")
    assert house.status()["state"] == "degraded"
    log = house.log()
    assert "SIGKILL" in log
    failures = log.count("ModuleNotFoundError: No module named 'not_there_at_all'")
    assert failures
    assert len(log.splitlines()) < 20 * failures, "no flood"
    house.greeting("mended")
    house.ctl("reload")
    assert house.get(None).startswith(b"mended")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stop_under_load_answers_what_came_in_and_leaves_nothing(house: House, load: type[Load]) -> None:
    house.configure(workers=2, listen="127.0.0.1:0")
    house.start()
    with load(house, house.port(), keep_alive=4, one_shot=4) as clients:
        house.ctl("stop")
    house.assert_nothing_is_left()
    cut = [loss for loss in clients.lost if "cut" in loss]
    assert not cut, "no answer is cut short; connections refused or reset are what a stop means"


def test_stop_waits_for_the_request_in_hand(house: House, until: Until) -> None:
    import threading

    go = house.directory / "go"
    os.mkfifo(go)
    house.configure(listen=f"unix:{house.unix}")
    house.write_app(
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
    os.kill(house.pid, signal.SIGTERM)
    until(lambda: house.status()["state"] == "stopping", "it stops")
    go.open("w").close()
    client.join(30)
    assert answers == [b"slow"]
    house.assert_nothing_is_left()


def test_worker_that_does_not_stop_is_killed_after_drain_timeout(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="drain_timeout = 1s")
    house.write_app(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    while True: pass\n"
    )
    house.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(house.unix))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "it hangs")
        house.ctl("stop")
    house.assert_nothing_is_left()


def test_few_descriptors_are_enough(house: House, load: type[Load]) -> None:
    house.prefix = ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"]
    house.configure(workers=4, listen=f"127.0.0.1:0, unix:{house.unix}")
    house.start()
    with load(house, house.port()) as clients:
        house.ctl("reload")
        clients.more(20)
    clients.check()
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_too_few_descriptors_are_a_clear_refusal(house: House) -> None:
    house.configure(workers=4, listen=f"127.0.0.1:0, unix:{house.unix}")
    for count in range(8, 18):
        house.prefix = ["sh", "-c", f'ulimit -n {count} && exec "$@"', "sh"]
        told = house.ctl("start", expect=1)
        assert "Too many open files" in told
        assert "Traceback" not in told
        house.assert_nothing_is_left()


def test_master_holds_no_more_descriptors_after_many_reloads(house: House) -> None:
    if not os.path.exists(f"/proc/{os.getpid()}/fd"):
        pytest.skip("needs /proc to count descriptors")
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    house.ctl("reload")
    before = len(house.master_descriptors())
    for _ in range(5):
        house.ctl("reload")
        os.kill(house.workers()[0], signal.SIGKILL)
    house.ctl("reload")
    assert len(house.master_descriptors()) == before
    house.ctl("stop")


# ---- No worker ends without a sentence ------------------------------------------------------------

FAILING = """\
import sys
from fapws.worker import loop_owner

class Odd(Exception):
    def __str__(self):
        {what}

def fail(*_arguments):
    raise Odd

frame = sys._getframe()
while "promise" not in frame.f_globals:
    frame = frame.f_back
sys.stderr = None

def application(environ, start_response): ...

{where} = fail
"""


@pytest.mark.parametrize(
    ("what", "told"),
    [("return 'seen\\nthere'", "Odd: seen there"), ("raise Odd", "Odd"), ("return 1", "Odd")],
)
def test_worker_whose_own_step_fails_says_why(house: House, what: str, told: str) -> None:
    """Whatever the exception is, one that cannot be printed among them."""
    house.write_app(FAILING.format(what=what, where='frame.f_globals["promise"]'))
    line = f"the worker failed: {told}\n"
    assert line in house.ctl("start", expect=1)
    house.assert_nothing_is_left()
    house.write_app(FAILING.format(what=what, where="loop_owner.serve"))  # once it has said that it is ready
    house.ctl("start", expect=None)
    house.wait_log(line)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_program_that_leaves_after_serving_says_so(house: House) -> None:
    house.write_app(
        "import sys\nimport fapws._evwsgi as evwsgi\nfrom fapws import base\n"
        "evwsgi.start('127.0.0.1', '0')\nevwsgi.set_base_module(base)\nevwsgi.run()\nsys.exit(3)\n"
    )
    house.start()
    house.ctl("stop")
    assert "the program left with status 3\n" in house.log()


def test_a_draining_worker_that_is_killed_names_what_it_had_in_hand(house: House, until: Until) -> None:
    house.write_app(SLEEPER)
    house.configure(pool="drain_timeout = 300ms")
    house.start()
    with connect(house, house.port()) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["workers"][0]["request"], "the request is in hand")
        house.ctl("stop")
    killed = r"worker hello/0 \(pid \d+\) was killed by SIGKILL when its time to drain"
    house.wait_log(killed + r" \(drain_timeout, or a fast stop\) was over, in hand: GET /slow")


SLEEPER = """
import time

def application(environ, start_response):
    time.sleep(30)
"""


@pytest.mark.parametrize("log", ["file", "stderr"])
def test_worker_that_outlives_its_master_too_long_says_so(house: House, until: Until, log: str) -> None:
    house.configure(
        listen=f"unix:{house.unix}",
        pool="drain_timeout = 1s",
        master=f"pidfile = {house.pidfile}\ncontrol = {house.control}\n"
        f"error_log = {house.log_file if log == 'file' else 'stderr'}\n",
    )
    house.write_app(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    while True: pass\n"
    )
    process = house.foreground()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(house.unix))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.status()["totals"]["in_flight"] == 1, "it hangs")
        os.kill(house.pid, signal.SIGKILL)
        assert process.stdout is not None
        told = process.stdout.read().decode()  # to the end of the master, or of the worker
    until(lambda: not house.processes(), "the worker has ended")
    told += house.log()
    assert "fapws: the master is gone and drain_timeout is over: the worker ends" in told
