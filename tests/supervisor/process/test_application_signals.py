"""Signals that an application takes for itself, at its import or in a request: the worker still leaves when
it is told to, and a handler that raises between two requests ends nothing."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import pytest

APP = """\
import asyncio, os, signal, sys, time

def handler(number, frame):
    raise RuntimeError("HANDLER")

def take(how):
    if how == "asyncio":
        loop = asyncio.new_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            loop.add_signal_handler(number, print)
        globals()["LOOP"] = loop
    elif how == "handler":
        signal.signal(signal.SIGTERM, lambda *_: None)
    elif how == "exit":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    elif how == "ignored":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif how == "default":
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
    elif how == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    elif how == "wakeup":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
    elif how == "alarm":
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
    elif how == "alarms":
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

take({at_import!r})

def application(environ, start_response):
    path = environ["PATH_INFO"][1:]
    if path:
        take(path)
    body = b"hello %d\\n" % os.getpid()
    if environ["QUERY_STRING"] == "large":
        body *= 4_000_000
        import tempfile
        file = tempfile.TemporaryFile()
        file.write(body)
        file.seek(0)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return environ["wsgi.file_wrapper"](file)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
WAYS = ("asyncio", "handler", "exit", "ignored", "blocked", "wakeup", "default")


def ask(house: Any, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(house.unix))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("when", ["import", "request"])
@pytest.mark.parametrize("how", WAYS)
def test_a_worker_without_its_signals_stops_and_reloads_as_usual(house: Any, how: str, when: str) -> None:
    house.write_app(APP.format(at_import=how if when == "import" else ""))
    house.configure(listen=f"unix:{house.unix}", pool="drain_timeout = 20s")
    house.start()
    assert b"hello" in ask(house, "/" + (how if when == "request" else ""))
    (first,) = house.workers()
    house.ctl("reload")
    (second,) = house.workers()
    assert second != first
    assert b"hello" in ask(house, "/" + (how if when == "request" else ""))
    house.ctl("stop")
    house.assert_nothing_is_left()
    assert "killed" not in house.log(), house.log()


@pytest.mark.parametrize("how", ["asyncio", "wakeup"])
def test_an_idle_worker_without_the_wakeup_descriptor_hears_a_lone_sigterm(
    house: Any, until: Any, how: str
) -> None:
    house.write_app(APP.format(at_import=""))
    house.configure(listen=f"unix:{house.unix}", pool="drain_timeout = 20s")
    house.start()
    ask(house, f"/{how}")
    (first,) = house.workers()
    if how == "asyncio":
        os.kill(first, signal.SIGUSR1)  # a handler of the application runs while the worker waits
        assert b"hello" in ask(house, "/")
    else:
        os.kill(first, signal.SIGTERM)
        until(lambda: house.live_without(first) == 1, "another worker")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_handlers_that_raise_between_requests_are_logged(house: Any, until: Any) -> None:
    house.write_app(APP.format(at_import=""))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    (first,) = house.workers()
    ask(house, "/alarm")
    house.wait_log("an exception came between two requests; serving goes on")
    house.wait_log("RuntimeError: HANDLER")
    assert house.workers() == [first]
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_storm_of_handlers_that_raise_loses_no_request(house: Any, load: Any) -> None:
    house.write_app(APP.format(at_import=""))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    (first,) = house.workers()
    ask(house, "/alarms")
    answers = [ask(house, "/") for _ in range(300)]
    assert [answer for answer in answers if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 500"))] == []
    assert house.workers() == [first]
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_client_that_leaves_during_sendfile_ends_nothing(house: Any) -> None:
    house.write_app(APP.format(at_import=""))
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    (first,) = house.workers()
    ask(house, "/default")  # SIGPIPE would end the process now
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(house.unix))
            sock.sendall(b"GET /?large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100)
        assert b"hello %d" % first in ask(house, "/")
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the stack is written by CPython")
def test_the_watchdog_works_without_the_signals(house: Any, until: Any) -> None:
    hangs = "    if path == 'hang':\n        time.sleep(600)\n    if path:"
    house.write_app(APP.format(at_import="asyncio").replace("    if path:", hangs))
    house.configure(listen=f"unix:{house.unix}", pool="request_timeout = 1s")
    house.start()
    (first,) = house.workers()
    ask(house, "/blocked")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(house.unix))
        sock.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: house.live_without(first) == 1, "it was replaced")
    house.wait_log("was killed by SIGKILL: no sign of life")
    house.ctl("stop")
    house.assert_nothing_is_left()
