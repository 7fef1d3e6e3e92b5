"""An application that forks in its requests, in every way that a program has."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from typing import Any, Callable

CHILDREN: dict[int, Any] = {}


def sleep_long(writer: int) -> None:
    os.write(writer, b".")
    # In short pieces: Python sees a signal that came just before a sleep only behind it.
    for _ in range(6000):
        time.sleep(0.1)


def start_sleeper() -> int:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        sleep_long(writer)
        os._exit(0)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    return pid


def start_process() -> int:
    reader, writer = os.pipe()
    started = multiprocessing.get_context("fork").Process(target=sleep_long, args=(writer,))
    started.start()
    os.read(reader, 1)  # an interrupt that came earlier would be raised in the middle of its start
    os.close(reader)
    os.close(writer)
    assert started.pid is not None
    CHILDREN[started.pid] = started
    return started.pid


def start_executed() -> int:
    # Python itself would put a handler in the place of SIGINT's default.
    child = subprocess.Popen(["sleep", "600"])
    CHILDREN[child.pid] = child
    return child.pid


def start_daemon() -> int:
    """The usual way: forked twice, with a session and descriptors of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.write(writer, b"%d" % os.getpid())
            time.sleep(600)
        os._exit(0)
    os.waitpid(pid, 0)
    return int(os.read(reader, 20))


def c_fork() -> int:
    """As a library in C forks: Python hears nothing of it."""
    import ctypes  # not every Python has it

    return int(ctypes.CDLL(None).fork())


def fork(way: str, start_response: Any) -> Any:
    pid = c_fork() if way == "c_fork" else os.fork()
    if pid:
        start_response("200 OK", [("Content-Length", "6")])
        return [b"parent"]
    if way == "exit":
        sys.exit(3)
    if way == "raise":
        raise RuntimeError("in the child")
    write = start_response("200 OK", [("Content-Length", "5")])
    if way == "write":
        write(b"child")
    if way == "generate":
        return iter([b"child"])
    return [b"child"]


def fork_in_generator(start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "6")])
    yield b"par"
    if os.fork():
        yield b"ent"
    else:
        yield b"chi"


STARTS: dict[str, Callable[[], int]] = {
    "sleeping": start_sleeper,
    "process": start_process,
    "executed": start_executed,
    "daemon": start_daemon,
}


def collect(pid: int) -> int:
    child = CHILDREN.pop(pid, None)
    if child is None:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if isinstance(child, subprocess.Popen):
        return child.wait()
    child.join()
    assert child.exitcode is not None
    return int(child.exitcode)


def application(environ: Any, start_response: Any) -> Any:
    name = environ["PATH_INFO"][1:]
    if name == "fork/in_generator":
        return fork_in_generator(start_response)
    if name.startswith("fork/"):
        return fork(name[5:], start_response)
    if name == "pid":
        body = b"%d" % os.getpid()
    elif name == "await":
        body = b"%d" % collect(int(environ["QUERY_STRING"]))
    else:
        body = b"%d" % STARTS[name]()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
