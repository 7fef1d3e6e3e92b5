"""multiprocessing in an application: the processes that it makes, by every method, are no second server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from support.raw import Client
from support.server import Server

APPLICATION = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor


def work(number):
    return os.getpid(), number * number


def put(queue):
    queue.put(work(7)[1])


def application(environ, start_response):
    context = multiprocessing.get_context(environ["QUERY_STRING"])
    queue = context.SimpleQueue()
    child = context.Process(target=put, args=(queue,))
    child.start()
    results = [queue.get()]
    child.join()
    with context.Pool(2) as pool:
        told = pool.map(work, range(4))
    if hasattr(ProcessPoolExecutor, "_adjust_process_count"):  # that of PyPy 7.3.11 calls it, and has none
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            assert [square for _, square in executor.map(work, range(4))] == [square for _, square in told]
    results += [square for _, square in told]
    assert os.getpid() not in [pid for pid, _ in told]
    start_response("200 OK", [])
    return [repr((results, child.exitcode)).encode()]
"""
INSTALLED = Path(sys.executable).with_name("fapws")
COMMANDS = {
    "module": f"{sys.executable} -m fapws",
    "program": str(INSTALLED),
}


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.parametrize("command", COMMANDS)
def test_processes_of_multiprocessing_work(
    command: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "program" and shutil.which(INSTALLED) is None:
        pytest.skip(f"{INSTALLED} is not installed: runs after make build")
    monkeypatch.setenv("FAPWS_COMMAND", COMMANDS[command])
    with Server(APPLICATION) as server:
        for _ in range(2):
            with Client(server.address, seconds=100) as client:  # it starts seven Pythons
                answer = client.get(f"/?{method}")
            assert answer.body == b"([49, 0, 1, 4, 9], 0)", server.log
        assert "Address already in use" not in server.log
        assert os.getpid() != server.pid
