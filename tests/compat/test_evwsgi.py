"""fapws._evwsgi as ``python program.py``: real processes, asked over real sockets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fapws._core import lib
from support.evwsgi import ByHand, run_to_end
from support.ports import unused_port
from support.raw import Client, fetch

import fapws
from fapws import _evwsgi as evwsgi
from fapws import base
from fapws.wsgi.response import core_text


def test_program_serves_its_routes_and_nothing_else() -> None:
    with ByHand("begin()\nevwsgi.run()") as program:
        assert fetch(program.address, "/hello/x").text == f"/x pid={program.pid}"
        assert fetch(program.address, "/nix").status == 404


def test_fallback_serves_what_no_prefix_matches() -> None:
    with ByHand("begin()\nevwsgi.wsgi_gen_cb(answer)\nevwsgi.run()") as program:
        assert fetch(program.address, "/hello/x").text.startswith("/x ")
        assert fetch(program.address, "/any/y").text.startswith("/any/y ")


def test_an_empty_prefix_serves_everything() -> None:
    text = "begin()\nevwsgi.wsgi_cb(('', answer))\nevwsgi.run()"
    with ByHand(text) as program:
        assert fetch(program.address, "/any/y").text.startswith("/any/y ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_returns_after_a_signal_and_the_previous_handlers_are_back(number: int) -> None:
    text = """
def mine(number, frame):
    say("mine")
signal.signal(signal.SIGTERM, mine)
before = signal.getsignal(signal.SIGINT)
begin()
evwsgi.run()
assert signal.getsignal(signal.SIGTERM) is mine and signal.getsignal(signal.SIGINT) is before
assert signal.set_wakeup_fd(-1) == -1
say("after run", evwsgi.socket_fd())
"""
    with ByHand(text) as program:
        assert fetch(program.address, "/hello").status == 200
        assert program.end(number) == 0
        assert "after run -1" in program.log and "mine" not in program.log


def test_a_request_in_hand_is_answered_before_run_returns() -> None:
    text = """
def slow(environ, start_response):
    say("asked")
    yield b"first "
    while not os.path.exists("go"):
        time.sleep(0.001)
        yield b""
    yield b"last"
begin()
evwsgi.wsgi_cb(("/slow", slow))
evwsgi.run()
say("after run")
"""
    with ByHand(text) as program, Client(program.address) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        program.wait_log("asked")
        client.read_head()
        assert client.read_piece() == b"first "
        program._process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        with contextlib.suppress(OSError), socket.create_connection(program.address):  # type: ignore[arg-type]
            pass
        assert "after run" not in program.log
        (program.directory / "go").touch()
        assert client.read_rest() == b"last"
        assert program.wait() == 0 and "after run" in program.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_clients_that_ask_nothing_do_not_hold_up_the_end(number: int) -> None:
    text = """
from fapws.wsgi.serve import Server
Server.drain.__defaults__ = (3600.0,)
begin()
evwsgi.run()
"""
    with ByHand(text) as program, Client(program.address) as client:
        client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read().status == 200
        assert program.end(number) == 0
        assert client.at_end() and "in time" not in program.log


def test_a_second_signal_cuts_off_what_is_not_answered() -> None:
    text = """
def endless(environ, start_response):
    say("asked")
    try:
        while True:
            time.sleep(0.001)
            yield b"x"
    finally:
        say("closed")
begin()
evwsgi.wsgi_cb(("/endless", endless))
evwsgi.add_timer(0.01, lambda: os.path.exists("draining") or evwsgi.defer(say, "tick", True))
evwsgi.run()
say("after run")
"""
    with ByHand(text) as program, Client(program.address) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        program.wait_log("asked")
        interrupt_until_it_ends(program)
        assert "closed" in program.log and "after run" in program.log


def test_a_program_that_hangs_in_a_request_can_be_interrupted() -> None:
    text = """
def hang(environ, start_response):
    say("asked")
    while True:
        pass
begin()
evwsgi.wsgi_cb(("/hang", hang))
evwsgi.run()
say("after run")
"""
    with ByHand(text) as program, Client(program.address) as client:
        client.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        program.wait_log("asked")
        interrupt_until_it_ends(program)
        assert "KeyboardInterrupt" in program.log and "after run" in program.log


def interrupt_until_it_ends(program: ByHand) -> None:
    """Again and again: signals that come together may be seen as one."""
    process = program._process
    assert process is not None
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert program.wait() == 0


def test_start_binds_at_once_and_run_again_needs_another_start(tmp_path: Path) -> None:
    done = run_to_end(
        """
import socket
port = PORT
begin(port=port)
socket.create_connection(("127.0.0.1", port)).close()
assert evwsgi.socket_fd() >= 0
try:
    evwsgi.start("127.0.0.1", str(port))
except evwsgi.error as problem:
    say("refused:", problem)
evwsgi.add_timer(0.01, lambda: os.kill(os.getpid(), signal.SIGINT) or False)
evwsgi.run()
say("first")
try:
    evwsgi.run()
except evwsgi.error as problem:
    say("refused:", problem)
begin(port=port)
evwsgi.restart_timer(0)
evwsgi.run()
say("second")
""".replace("PORT", str(unused_port())),
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "in use" in lines[0] and lines[1] == "first"
    assert "start(host, port) comes before run()" in lines[2] and lines[3] == "second"


@pytest.mark.parametrize(
    "text",
    [
        "evwsgi.start('127.0.0.1', '0'); evwsgi.run()",
        "evwsgi.wsgi_cb(('/', answer))",
        "evwsgi.wsgi_gen_cb(answer)",
    ],
)
def test_without_base_module_there_is_an_error(tmp_path: Path, text: str) -> None:
    done = run_to_end(text, tmp_path)
    assert done.returncode == 1 and "error: Base module not set" in done.stderr


def test_base_module_must_offer_what_fapws3_wanted(tmp_path: Path) -> None:
    done = run_to_end("evwsgi.set_base_module(os)", tmp_path)
    assert "the base module has no Environ, Start_response, supported_HTTP_command, config" in done.stderr


def test_set_base_module_forgets_the_routes() -> None:
    text = "begin()\nevwsgi.set_base_module(base)\nevwsgi.wsgi_cb(('/b', answer))\nevwsgi.run()"
    with ByHand(text) as program:
        assert fetch(program.address, "/hello").status == 404
        assert fetch(program.address, "/b").status == 200


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("start('127.0.0.1', 'x')", "must be a number from 0 to 65535 or unix"),
        ("start('127.0.0.1', 65536)", "must be a number from 0 to 65535 or unix"),
        ("start('', 'unix')", "needs the path"),
        ("start(None, 80)", "must be a str"),
        ("start('192.0.2.1', '0')", "cannot listen on 192.0.2.1:0"),
        ("start('/nix/nix', 'unix')", "cannot listen on unix:/nix/nix"),
        ("start('/x' * 60, 'unix')", "at most"),
    ],
)
def test_bad_address_is_an_error_that_names_it(tmp_path: Path, call: str, message: str) -> None:
    done = run_to_end(f"evwsgi.{call}", tmp_path)
    assert done.returncode == 1 and "_evwsgi.error" in done.stderr and message in done.stderr


def test_unix_socket_is_made_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "s?mode=1"
    with ByHand(f"begin({str(path)!r}, 'unix')\nevwsgi.run()", unix_address=str(path)) as program:
        assert path.is_socket()
        assert fetch(program.address, "/hello/x").text.startswith("/x ")
        assert program.end() == 0
    assert not path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_abstract_socket(tmp_path: Path) -> None:
    name = f"fapws-{tmp_path.name}-{time.monotonic_ns()}"
    with ByHand(f"begin('\\0{name}', 'unix')\nevwsgi.run()", unix_address="\0" + name) as program:
        assert fetch(program.address, "/hello/x").text.startswith("/x ")


def test_fork_between_start_and_run_gives_each_child_its_own_core() -> None:
    text = """
begin()
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        evwsgi.run()
        say("child ended")
        os._exit(3)
    children.append(pid)
signal.signal(signal.SIGINT, lambda *_: [os.kill(pid, signal.SIGTERM) for pid in children])
say("the parent is ready")
say("statuses", [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""
    with ByHand(text) as program:
        program.wait_log(r"serving.*\n?", 10)
        served: set[str] = set()
        deadline = time.monotonic() + 30
        while len(served) < 2 and time.monotonic() < deadline:
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(Client(program.address)) for _ in range(32)]
                for client in clients:
                    client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                served |= {client.read().text for client in clients}
        assert len(served) == 2
        program.wait_log("the parent is ready")  # its children may be faster than its fork() returns
        assert program.end() == 0
        assert "statuses [3, 3]" in program.log


def test_of_four_forked_children_one_may_be_killed_and_an_interrupt_ends_the_rest() -> None:
    text = """
begin()
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        evwsgi.run()
        os._exit(3)
    children.append(pid)
say("children", *children)
evwsgi.run()
for pid in children[1:]:
    os.kill(pid, signal.SIGINT)
say("statuses", [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""
    with ByHand(text) as program:
        children = program.wait_log(r"children ([\d ]+)")[1].split()
        for pid in (*children, program.pid):  # which then hears signals
            program.wait_log(rf"\(pid {pid}, no master\)")
        os.kill(int(children[0]), signal.SIGKILL)
        for _ in range(20):
            assert fetch(program.address, "/hello").status == 200
        assert program.end() == 0
        assert "statuses [-9, 3, 3, 3]" in program.log


def test_timers_fire_with_no_request_coming_and_a_lambda_is_one() -> None:
    text = """
begin()
evwsgi.add_timer(0.02, lambda: say("tick"))
evwsgi.add_timer(0.01, lambda: say("once") or False)
evwsgi.add_timer(0.01, lambda: 1 / 0)
evwsgi.run()
"""
    with ByHand(text) as program:
        mark = 0
        for _ in range(3):
            program.wait_log("tick", since=mark)
            mark = program.mark()
        assert program.log.count("once") == 1
        assert (
            program.log.count("a timer failed and is stopped") == 1 == program.log.count("ZeroDivisionError")
        )
        assert fetch(program.address, "/hello").status == 200


def test_timers_fire_under_load_and_may_be_added_by_a_request() -> None:
    text = """
ticks = []
def add(environ, start_response):
    return str(evwsgi.add_timer(0.005, lambda: ticks.append(1)))
def count(environ, start_response):
    return str(len(ticks))
begin()
evwsgi.wsgi_cb(("/add", add))
evwsgi.wsgi_cb(("/count", count))
evwsgi.run()
"""
    with ByHand(text) as program, Client(program.address) as client:
        assert fetch(program.address, "/add").text == "1"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            client.send(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
            if [int(client.read().text) for _ in range(20)][-1] >= 3:
                return
        raise AssertionError("no timer fired while requests came")


def test_deferred_calls_come_in_their_order_and_what_is_left_is_called_at_the_end() -> None:
    text = """
def queue(environ, start_response):
    for number in range(3):
        evwsgi.defer(lambda argument: say("deferred", argument), number, False)
    evwsgi.defer(say, "equal", True)
    evwsgi.defer(say, "equal", True)
    evwsgi.defer(lambda _: 1 / 0, None, False)
    return str(evwsgi.defer_queue_size())
begin()
evwsgi.wsgi_cb(("/queue", queue))
evwsgi.run()
evwsgi.defer(say, "too late", False)
say("size", evwsgi.defer_queue_size())
"""
    with ByHand(text) as program:
        assert fetch(program.address, "/queue").text == "5"
        program.wait_log("a deferred call failed")
        calls = [line for line in program.log.splitlines() if line.startswith(("deferred", "equal"))]
        assert calls == ["deferred 0", "deferred 1", "deferred 2", "equal"]
        program.end()
        assert "size 1" in program.log


def test_deferred_calls_are_made_while_an_answer_waits_with_empty_pieces() -> None:
    text = """
done = []
def waits(environ, start_response):
    yield "begun "
    evwsgi.defer(done.append, 1)
    while not done:
        yield ""
    yield "done"
begin()
evwsgi.wsgi_cb(("/waits", waits))
evwsgi.run()
"""
    with ByHand(text) as program:
        assert fetch(program.address, "/waits").text == "begun done"


def test_what_is_deferred_when_the_end_comes_is_called_before_run_returns(tmp_path: Path) -> None:
    text = """
begin()
def stop():
    for number in range(200):
        evwsgi.defer(lambda argument: say("deferred", argument), number, False)
    evwsgi.defer(lambda _: 1 / 0, None, False)
    os.kill(os.getpid(), signal.SIGINT)
    return False
evwsgi.add_timer(0.001, stop)
evwsgi.run()
say("after run")
"""
    done = run_to_end(text, tmp_path)
    assert done.returncode == 0 and "ZeroDivisionError" in done.stderr
    assert done.stdout.splitlines() == [*(f"deferred {number}" for number in range(200)), "after run"]


def test_thousands_of_calls_that_return_none_do_no_harm() -> None:
    text = """
begin()
def nothing(environ, start_response):
    pass
evwsgi.wsgi_cb(("/none", nothing))
evwsgi.run()
"""
    with ByHand(text) as program, Client(program.address) as client:
        for _ in range(25):
            client.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
            for _ in range(100):
                assert client.read().status == 200
        assert program.end() == 0


def test_what_a_program_keeps_of_a_request_does_no_harm_after_run() -> None:
    text = """
kept = []
def keep(environ, start_response):
    kept.append(start_response)
    write = start_response("200 OK", [])
    kept.append(write)
    evwsgi.add_timer(0.001, lambda: os.kill(os.getpid(), signal.SIGINT) or False)
    return ["x"]
begin()
evwsgi.wsgi_cb(("/keep", keep))
evwsgi.run()
for late in (lambda: kept[1]("y"), kept[0].server_start.__self__.raw_head):
    try:
        late()
        say("taken")
    except Exception as problem:
        say("refused", type(problem).__name__)
"""
    with ByHand(text) as program:
        assert fetch(program.address, "/keep").text == "x"
        assert program.wait() == 0
        assert "taken" not in program.log and program.log.count("refused") == 2


def test_sigpipe_is_ignored_and_limits_are_the_defaults() -> None:
    text = """
begin()
def tell(environ, start_response):
    return str(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)
evwsgi.wsgi_cb(("/tell", tell))
evwsgi.run()
"""
    with ByHand(text) as program, Client(program.address) as client:
        assert fetch(program.address, "/tell").text == "True"
        client.send(b"POST /tell HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n")
        assert client.read().status == 413


def test_debug_level_tells_refusals_and_that_libev_flags_have_no_effect() -> None:
    text = """
begin()
evwsgi.set_debug(1)
def quiet(environ, start_response):
    evwsgi.set_debug(0)
    return str(evwsgi.get_debug())
evwsgi.wsgi_cb(("/quiet", quiet))
say("level", evwsgi.get_debug())
evwsgi.run()
"""
    with ByHand(text, env={"LIBEV_FLAGS": "4"}) as program:
        program.wait_log("LIBEV_FLAGS=4 has no effect")
        assert "level 1" in program.log
        with Client(program.address) as client:
            client.send(b"BAD\r\n\r\n")
            client.read()
        program.wait_log("debug: .* from 127.0.0.1")
        assert fetch(program.address, "/quiet").text == "0"
        mark = program.mark()
        with Client(program.address) as client:
            client.send(b"BAD\r\n\r\n")
            client.read()
        fetch(program.address, "/hello")
        assert "debug" not in program.log_since(mark)


def test_server_ident_of_config_is_the_server_field() -> None:
    text = "base.config.SERVER_IDENT = 'mine/1'\nbegin()\nevwsgi.run()"
    with ByHand(text) as program:
        assert fetch(program.address, "/hello").head.get("Server") == "mine/1"


# ---- Without a process ---------------------------------------------------------------------------


def test_rfc1123_date_is_right_whatever_the_locale() -> None:
    assert evwsgi.rfc1123_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert evwsgi.rfc1123_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert evwsgi.rfc1123_date(951782400.9) == "Tue, 29 Feb 2000 00:00:00 GMT"


def test_parse_query_gives_lists_keeps_blanks_and_decodes() -> None:
    assert evwsgi.parse_query("a=1&b=&a=%C3%A9+x&c") == {"a": ["1", "é x"], "b": [""], "c": [""]}


def test_libev_version_is_libuvs_as_a_pair_that_programs_format() -> None:
    told = core_text(lib.fw_libuv_version())
    assert told.startswith("{}.{}.".format(*evwsgi.libev_version()))
    assert evwsgi.libev_version() >= (1, 40)


def test_the_ident_ends_with_a_number_that_adapters_compare() -> None:
    assert float(base.config.SERVER_IDENT[-2:]) > 0.4  # as Bottle's adapter and its copies have it
    assert base.config.SERVER_IDENT.startswith(f"fapws/{fapws.__version__} ")
    assert fapws.version == "{} with libev-{}.{}".format(
        base.config.SERVER_IDENT, *evwsgi.libev_version()
    )
    assert not hasattr(fapws, "versions")


def test_nobody_listens_before_start() -> None:
    assert evwsgi.socket_fd() == -1


@pytest.mark.parametrize("level", [-1, 4, "1", None])
def test_debug_levels_are_zero_to_three(level: object) -> None:
    with pytest.raises(ValueError, match="from 0 to 3"):
        evwsgi.set_debug(level)  # type: ignore[arg-type]
