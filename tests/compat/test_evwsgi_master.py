"""fapws3's programs under the master: the same text, its workers, its signals."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from support.evwsgi import BEGIN
from support.house import LINGER
from support.raw import Client, fetch, request
from support.samples import wait_for
from support.server import Server

from fapws.compat.script import script_settings

PLAIN = BEGIN + "\nbegin()\nevwsgi.run()\nsay('after run', os.getpid())\n"
GUARDED = (
    BEGIN + "\nif __name__ == '__main__':\n    begin()\n    evwsgi.run()\n    say('after run', os.getpid())\n"
)
IN_MAIN = (
    BEGIN
    + "\ndef main():\n    begin()\n    evwsgi.run()\n\nif __name__ == '__main__':\n    sys.exit(main())\n"
)


def text_of(server: Server, target: str = "/hello/x") -> str:
    """What a program answers."""
    answer = fetch(server.address, target)
    assert answer.status == 200, answer.text
    return answer.text


@pytest.mark.parametrize("text", [PLAIN, GUARDED, IN_MAIN], ids=["plain", "guarded", "main"])
@pytest.mark.parametrize("options", ["", "workers = 2"], ids=["command", "ini"])
def test_program_runs_unedited(text: str, options: str) -> None:
    with Server(text, options=options) as server:
        assert text_of(server).startswith("/x pid=")
        assert server.stop() == 0
        assert server.log.count("after run") == (0 if text is IN_MAIN else 2 if options else 1)


def test_what_a_program_defines_can_be_pickled_as_by_hand() -> None:
    text = (
        BEGIN
        + """
import pickle
class Thing: pass
def show(environ, start_response):
    return type(pickle.loads(pickle.dumps(Thing()))).__module__ + " " + os.path.basename(sys.argv[0])
if __name__ == "__main__":
    begin()
    evwsgi.wsgi_cb(("/show", show))
    evwsgi.run()
"""
    )
    with Server(text) as server:
        assert text_of(server, "/show") == "__main__ app.py"


def test_wsgi_script_that_only_uses_timers_is_not_main() -> None:
    text = (
        BEGIN
        + """
ticks = []
deferred = []
evwsgi.add_timer(0.01, lambda: ticks.append(1))
def show(environ, start_response):
    if not deferred:
        deferred.append(True)
        evwsgi.defer(ticks.append, 2, False)
    return "%s %d %d" % (__name__, ticks.count(1), ticks.count(2))
PATHS = [("/show", show)]
if __name__ == "__main__":
    raise SystemExit("started")
"""
    )
    with Server(text) as server:
        deadline = time.monotonic() + 20
        while True:
            name, ones, twos = text_of(server, "/show").split()
            if int(ones) >= 3 and int(twos) >= 1:
                break
            assert time.monotonic() < deadline, (ones, twos)
        assert name == "app"


def test_another_address_than_the_masters_is_told_once() -> None:
    text = BEGIN + "\nbegin('127.0.0.1', '9')\nevwsgi.run()\n"
    with Server(text, options="workers = 2") as server:
        text_of(server)
        server.wait_log(r"the program asks for 127\.0\.0\.1:9; the master listens on 127\.0\.0\.1:0")
        assert server.stop() == 0
        assert server.log.count("the program asks for") == 1


def test_address_comes_from_constants_of_start(tmp_path: Path) -> None:
    path = tmp_path / "here"
    text = BEGIN.replace('host="127.0.0.1", port="0"', "").replace(
        "evwsgi.start(host, port)", f"evwsgi.start({str(path)!r}, 'unix')"
    )
    program = tmp_path / "program.py"
    program.write_text(text + "begin()\nevwsgi.run()\n", encoding="utf-8")
    with OnItsOwn(program) as server:
        server.wait_log("serving")
        assert path.is_socket()
        assert fetch(str(path), "/hello/x").text.startswith("/x ")
        assert "the program asks for" not in server.log


class OnItsOwn(Server):
    """No address on the command line."""

    def start(self) -> None:
        """The address is no matter of ours."""
        self._unix = True
        super().start()

    def command(self) -> list[str]:
        """Without -b."""
        words = super().command()
        at = words.index("-b")
        return words[:at] + words[at + 2 :]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("import fapws._evwsgi as e\ne.start('0.0.0.0', '8080')", "0.0.0.0:8080"),
        ("import fapws._evwsgi\nfapws._evwsgi.start('', 80)", "0.0.0.0:80"),
        ("from fapws import _evwsgi\n_evwsgi.start(port='unix', host='/s')", "unix:/s"),
        ("from fapws import _evwsgi as e\nH = '::1'\ndef f():\n    e.start(H, '1')", "[::1]:1"),
        ("from fapws._evwsgi import start as go\ngo('a', 1)", "a:1"),
        ("import fapws._evwsgi as e\ne.start('\\0name', 'unix')", ""),
        ("import fapws._evwsgi as e\ne.start('a', 1)\ne.start('b', 1)", ""),
        ("import fapws._evwsgi as e\nP = 1\nP = 2\ne.start('a', P)", ""),
        ("import fapws._evwsgi as e, os\ne.start('a', os.getpid())", ""),
        ("import fapws._evwsgi as e\ne.start('a', 'x')", ""),
        ("import fapws._evwsgi as e\ne.start()", ""),
        ("import threading as e\ne.start('a', 1)", ""),
        (
            "import fapws._evwsgi as e\nfrom os.path import *\ne.start('a', str(int(1)))\nopen('ran', 'w')",
            "a:1",
        ),
        ("import fapws._evwsgi as e\nfrom os.path import *\ne.run()", ""),
    ],
)
def test_start_is_found_and_neither_binds_nor_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(text)
    began = time.monotonic()
    assert script_settings(str(program)).start == start
    assert time.monotonic() - began < 10 and not (tmp_path / "ran").exists()


def test_debug_of_a_fapws4_script_is_a_default_that_the_command_line_overrides(tmp_path: Path) -> None:
    text = "DEBUG = 2\nPATHS = [('/', lambda environ, start: '')]\n"
    for options, told in (("workers = 1", True), ("debug = 0", False)):
        with Server(text, options=options) as server:
            with Client(server.address) as client:
                client.send(b"BAD\r\n\r\n")
                client.read()
            fetch(server.address)
            assert server.stop() == 0
            assert ("fapws: debug: " in server.log) == told
    program = tmp_path / "s.py"
    program.write_text("DEBUG = True\napplication = 1\n")
    assert script_settings(str(program)).debug == ""


def test_reloads_under_load_lose_no_request_and_old_programs_come_to_their_end() -> None:
    with Server(PLAIN, options="workers = 2") as server:
        wrong: list[object] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                asked = [time.monotonic()]
                try:
                    with Client(server.address) as client:
                        for last in (False, False, True):
                            try:
                                client.send(request("/hello/x", *(["Connection: close"] if last else [])))
                            finally:
                                asked.append(time.monotonic())
                            answer = client.read()
                            if answer.status != 200:
                                wrong.append(answer)
                            if answer.head.get("Connection") == "close":
                                break
                except Exception as error:
                    # This process was held up for longer than a worker that leaves waits (RFC 9112 9.6).
                    if asked[-1] - asked[-2:][0] < LINGER:
                        wrong.append(error)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for round_ in (1, 2, 3):
                os.kill(server.pid, signal.SIGHUP)
                deadline = time.monotonic() + 30
                while server.log.count("after run") < 2 * round_:
                    assert time.monotonic() < deadline, server.log
                    time.sleep(0.01)
        finally:
            over.set()
            for asker in askers:
                asker.join()
        assert not wrong


def test_timers_and_the_look_at_the_sources_work_side_by_side() -> None:
    text = BEGIN + "\nevwsgi.add_timer(0.02, lambda: say('tick WORD'))\nbegin()\nevwsgi.run()\n"
    with Server(text.replace("WORD", "one"), arguments=["--reload"]) as server:
        server.wait_log("tick one")
        fresh = server.directory / "fresh"
        fresh.write_text(text.replace("WORD", "two"), encoding="utf-8")
        os.replace(fresh, server.directory / "app.py")
        server.wait_log("tick two", 30)
        assert text_of(server).startswith("/x ")


def test_helper_that_a_program_forks_may_end_as_it_likes() -> None:
    text = (
        BEGIN
        + """
begin()
for way in (sys.exit, lambda: None, lambda: 1 / 0):
    if os.fork() == 0:
        way()
        break
else:
    for _ in range(3):
        os.wait()
    evwsgi.run()
"""
    )
    with Server(text) as server:
        assert text_of(server).startswith("/x ")
        assert server.stop() == 0
        assert server.log.count("Traceback") == 1


def test_program_that_goes_on_when_it_cannot_serve_is_a_failed_start(tmp_path: Path) -> None:
    text = BEGIN + "\nbegin()\ntry:\n    evwsgi.run()\nexcept Exception:\n    pass\n"
    text = text.replace(
        "evwsgi.run()", "evwsgi.loop_owner.host._worker.answer_by = lambda _: 1 / 0; evwsgi.run()"
    )
    assert "without serving" in refused(text, tmp_path)


def test_worker_that_crashes_is_replaced() -> None:
    text = (
        BEGIN
        + """
def crash(environ, start_response):
    os._exit(1)
begin()
evwsgi.wsgi_cb(("/crash", crash))
evwsgi.run()
"""
    )
    with Server(text) as server:
        before = text_of(server)
        with contextlib.suppress(AssertionError, OSError):
            fetch(server.address, "/crash")
        assert text_of(server) != before


def test_each_worker_has_its_own_timers() -> None:
    text = BEGIN + "\nevwsgi.add_timer(0.02, lambda: say('tick', os.getpid()))\nbegin()\nevwsgi.run()\n"
    with Server(text, options="workers = 2") as server:
        deadline = time.monotonic() + 20
        pids: set[str] = set()
        while len(pids) < 2 and time.monotonic() < deadline:
            server.wait_log("tick", since=server.mark())
            pids = {line.split()[-1] for line in server.log.splitlines() if "tick" in line}
        assert len(pids) == 2


def test_what_is_deferred_is_called_before_a_worker_leaves() -> None:
    text = (
        BEGIN
        + """
def queue(environ, start_response):
    for number in range(100):
        evwsgi.defer(lambda argument: say("deferred", argument), number, False)
    os.kill(os.getpid(), signal.SIGTERM)
    return "queued"
begin()
evwsgi.wsgi_cb(("/queue", queue))
evwsgi.run()
say("after run")
"""
    )
    with Server(text) as server:
        assert text_of(server, "/queue") == "queued"
        server.wait_log("after run")
        assert [line.split()[-1] for line in server.log.splitlines() if "deferred" in line] == [
            str(number) for number in range(100)
        ]


def test_program_that_fails_after_run_tells_it_in_the_log() -> None:
    with Server(PLAIN + "1 / 0\n") as server:
        text_of(server)
        server.stop(signal.SIGTERM)
        assert "ZeroDivisionError" in server.log


def refused(text: str, tmp_path: Path, options: str = "") -> str:
    """What a server says that cannot start."""
    server = Server(text, options=options)
    with pytest.raises(AssertionError) as told:
        server.__enter__()
    return str(told.value)


def test_program_that_never_runs_is_a_load_error(tmp_path: Path) -> None:
    told = refused(BEGIN + "\nbegin()\n", tmp_path)
    assert "defines none of application, app and PATHS" in told and "without fapws._evwsgi.run()" in told


def test_program_that_fails_before_run_shows_its_traceback(tmp_path: Path) -> None:
    told = refused(BEGIN + "\nbegin()\n1 / 0\nevwsgi.run()\n", tmp_path)
    assert "ZeroDivisionError" in told


def test_program_that_hangs_before_run_is_ended_by_boot_timeout(tmp_path: Path) -> None:
    text = BEGIN + "\nbegin()\nwhile True: time.sleep(1)\nevwsgi.run()\n"
    assert "boot_timeout" in refused(text, tmp_path, "boot_timeout = 1")


FORKING = (
    BEGIN
    + """
begin()
for _ in range(2):
    if os.fork() == 0:
        break
evwsgi.run()
say("after run", os.getpid())
"""
)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are counted in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_children_of_a_program_serve_and_end_with_their_worker(number: int) -> None:
    server = Server(FORKING, options="drain_timeout = 5")
    try:
        server.start()
        seen: set[str] = set()
        deadline = time.monotonic() + 30
        while len(seen) < 3 and time.monotonic() < deadline:
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(Client(server.address)) for _ in range(32)]
                for client in clients:
                    client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                seen |= {client.read().text for client in clients}
        assert len(seen) == 3
        told = lambda: server.log.count("workers = N is the better way")  # noqa: E731
        wait_for(lambda: told() >= 2, "the log tells of both")
        assert told() == 2
        server.stop(number)  # asserts that nobody is left
    finally:
        server._clean()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are counted in /proc")
def test_children_of_a_worker_that_is_killed_end_too() -> None:
    with Server(FORKING, options="drain_timeout = 5") as server:
        first = server.wait_log(r"the program has forked process (\d+)")[1]
        status = Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(status[1]), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while Path(f"/proc/{first}/stat").exists():
            assert time.monotonic() < deadline, "the child outlives its worker"
            time.sleep(0.01)
