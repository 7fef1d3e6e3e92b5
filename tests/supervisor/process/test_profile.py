"""`fapwsctl profile`: where a worker spends its time, and what its memory grows by."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from support.house import House, Load

APP = """\
import os, sys

KEPT = []

def hot():
    for number in range(400_000):
        pass

def grow():
    KEPT.append(bytes(20_000))

def application(environ, start_response):
    hot()
    grow()
    body = b"yes" if "fapws.worker.profiler" in sys.modules else b"no"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def serve(house: House, workers: int = 1) -> int:
    house.write_app(APP)
    house.configure(listen=f"unix:{house.unix}", workers=workers)
    house.start()
    return house.workers()[0]


def test_profile_of_a_worker_under_load_names_what_is_hot(house: House, load: type[Load]) -> None:
    pid = serve(house)
    assert house.get() == b"no", "off, it is not even imported"
    with load(house, None, keep_alive=1, one_shot=1) as clients:
        done = subprocess.run(
            house.words("profile", "hello/0", "1"),
            env=house.environment(),
            cwd=house.directory,
            capture_output=True,
            text=True,
            timeout=60,
        )
        clients.check()
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert all(re.fullmatch(r"[^;]+(;[^;]+)* \d+", line) for line in lines), "as flamegraph.pl reads it"
    hot = next(line for line in lines if "hot (" in line)
    assert re.match(r"MainThread;application \(hello\.py:\d+\);hot \(hello\.py:5\) \d+$", hot)
    assert not any("become_worker" in line for line in lines), "what is below the application is left out"
    assert re.match(r"\d+ looks in \d+(\.\d)? s, \d+ % of them while no request was there\n", done.stderr)
    assert re.search(
        r"self +total +frame\n( .*\n)* +[1-9][\d.]+% +[1-9][\d.]+%  hot \(hello\.py:5\)\n", done.stderr
    )
    told = json.loads(house.ctl("-j", "profile", "hello/0", "0.2"))
    assert told["looks"] > 0 and told["idle"] > 0
    assert any("(waiting for requests)" in one["stack"] for one in told["collapsed"])
    assert house.get() == b"yes" and house.workers() == [pid]


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy has no tracemalloc: see the next test")
def test_memory_that_grows_is_told_with_its_line(house: House, load: type[Load]) -> None:
    pid = serve(house)
    with load(house, None, keep_alive=1, one_shot=0):
        told = house.ctl("profile", "--memory", "hello/0", "1")
    size, blocks = re.findall(r"^ +([\d.]+) +(\d+)  hello\.py:10$", told, re.M)[0]
    # 20,000 bytes each; the list that keeps them has grown by a block too.
    assert float(size) > 19 * max(int(blocks) - 1, 1), told
    assert house.workers() == [pid]


@pytest.mark.skipif(
    sys.implementation.name == "cpython", reason="CPython has tracemalloc: see the test before"
)
def test_memory_is_refused_in_a_sentence_where_there_is_no_tracemalloc(house: House) -> None:
    serve(house)
    assert "this Python has no tracemalloc" in house.ctl("profile", "-m", "hello/0", "0.1", expect=1)


def test_who_cannot_be_profiled_is_told_why(house: House) -> None:
    serve(house, workers=2)
    assert "no worker 'hello/9'; known: hello/0, hello/1" in house.ctl("profile", "hello/9", expect=1)
    assert "one worker at a time, please: hello/0, hello/1" in house.ctl("profile", "hello", expect=1)
    assert "up to 600 seconds, not '601'" in house.ctl("profile", "hello/0", "601", expect=2)
    assert "needs 1 word" in house.ctl("profile", expect=2)
    assert "-m goes with profile only" in house.ctl("-m", "status", expect=2)
    words = house.words("profile", "hello/0", "10")
    first = subprocess.Popen(words, env=house.environment(), cwd=house.directory)
    try:
        while "being profiled already" not in house.ctl("profile", "hello/0", "0.1", expect=None):
            if first.poll() is not None:  # it came while the short one was under way
                first = subprocess.Popen(words, env=house.environment(), cwd=house.directory)
        house.ctl("stop")  # what is under way ends with its worker
        assert first.wait(60) == 1
    finally:
        first.kill()
        first.wait()
