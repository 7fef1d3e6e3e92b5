"""fapws3's programs that fork before start(): by hand they serve, under a master they are told why not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.evwsgi import BEGIN, ByHand
from support.raw import fetch
from support.server import ROOT, Server, server_command

REFUSED = r"process \d+ was forked before start\(\), so it has none of the master's sockets: fork between"
BY_MULTIPROCESSING = """
import multiprocessing
def serve():
    begin()
    evwsgi.run()
child = multiprocessing.get_context("fork").Process(target=serve)
child.start()
child.join()
say("joined", child.exitcode)
"""
BY_FORK = """
child = os.fork()
if child == 0:
    begin()
    evwsgi.run()
    os._exit(0)
say("joined", os.waitpid(child, 0)[1])
"""
AS_A_DAEMON = """
if os.fork():
    sys.exit(0)
os.setsid()
begin()
evwsgi.run()
"""


def start_in_vain(text: str, folder: Path, *options: str) -> tuple[int, str, float]:
    """Status, output and seconds of a start under a master that fails."""
    program = folder / "program.py"
    program.write_text(BEGIN + text, encoding="utf-8")
    words = ["-b", "127.0.0.1:0", *options, str(program)]
    began = time.monotonic()
    done = subprocess.run(
        [*server_command(), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - began


@pytest.mark.parametrize("text", [BY_MULTIPROCESSING, BY_FORK], ids=["multiprocessing", "fork"])
def test_a_child_forked_before_start_serves_by_hand(text: str) -> None:
    with ByHand(text) as program:
        pid = int(fetch(program.address, "/hello").text.partition("pid=")[2])
        assert pid != program.pid
        os.kill(pid, signal.SIGTERM)
        assert program.wait() == 0
        assert "joined 0" in program.log


@pytest.mark.parametrize("text", [BY_MULTIPROCESSING, BY_FORK, AS_A_DAEMON], ids=["mp", "fork", "daemon"])
@pytest.mark.parametrize("options", [[], ["-w2"]], ids=["one", "two"])
def test_a_child_forked_before_start_is_refused_at_once_under_a_master(
    text: str, options: list[str], tmp_path: Path
) -> None:
    status, log, seconds = start_in_vain(text, tmp_path, *options)
    assert status == 1 and "cannot start, so nothing was started" in log
    # A daemon's parent leaves while its child is still on its way to start().
    assert text is AS_A_DAEMON or re.search(REFUSED, log), log
    assert text is not AS_A_DAEMON or "left by SystemExit(0) while it was being loaded" in log, log
    assert seconds < 20, "it has not waited for drain_timeout"


def test_a_parent_that_serves_beside_such_a_child_serves_on_and_stops_quickly() -> None:
    text = """
if os.fork() == 0:
    try:
        begin()
    except evwsgi.error as problem:
        say("child:", problem)
    os._exit(0)
os.wait()
begin()
evwsgi.run()
"""
    with Server(BEGIN + text) as server:
        server.wait_log("child: " + REFUSED)
        assert fetch(server.address, "/hello/x").text.startswith("/x ")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 20


def test_a_reload_to_such_a_program_leaves_the_old_one_serving(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(BEGIN + "begin()\nevwsgi.run()\n")
    with Server(program, options="workers = 1") as server:
        program.write_text(BEGIN + BY_MULTIPROCESSING)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("reload failed", 30)
        assert server.wait_log(REFUSED)
        assert fetch(server.address, "/hello/x").text.startswith("/x ")
