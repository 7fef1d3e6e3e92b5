"""preload: what an import has left behind that a fork breaks is found, named and refused, or told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap

import pytest
from support.house import House, Until

from fapws.worker import unforkable

PRELOAD = "preload = yes\n"
SERVE = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
"""
THREAD = """
import threading
def waits_for_ever():
    threading.Event().wait()
threading.Thread(target=waits_for_ever, name="reporter", daemon=True).start()
"""


def found(code: str) -> list[str]:
    """What is found in a process of its own that has run this."""
    look = "from fapws.worker import unforkable\nprint(*unforkable.found(()), sep='\\0', end='')"
    script = f"{textwrap.dedent(code)}\n{look}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return list(filter(None, done.stdout.split("\0")))


def test_thread_is_refused_by_name_with_its_stack_and_nothing_is_started(house: House) -> None:
    house.write_app(THREAD + SERVE)
    house.configure(workers=2, pool=PRELOAD)
    told = house.ctl("start", expect=1)
    assert "preload: the import has left behind what a fork breaks:\n  thread reporter lives:\n" in told
    assert "in waits_for_ever" in told
    assert "os.register_at_fork(after_in_child=...)" in told and "preload_unsafe = yes" in told
    house.assert_nothing_is_left()


def test_preload_unsafe_forks_nevertheless_and_warns_at_each_start(house: House, until: Until) -> None:
    house.write_app(THREAD + SERVE)
    house.configure(pool=PRELOAD + "preload_unsafe = yes\n")
    house.start()
    warning = "preload_unsafe: the import has left behind what a fork breaks:"
    until(lambda: house.log().count(warning) == 1, "it warns")  # it says so, and the master logs it
    house.wait_log("thread reporter lives")
    house.ctl("reload")
    until(lambda: house.log().count(warning) == 2, "it warns again")
    assert house.get(house.port()) == b"x"


def test_reload_that_brings_a_thread_leaves_the_old_code(house: House) -> None:
    house.write_app(SERVE)
    house.configure(pool=PRELOAD)
    house.start()
    before = house.workers()
    house.write_app(THREAD + SERVE)
    told = house.ctl("reload", expect=1)
    assert "thread reporter lives" in told and "in waits_for_ever" in told
    assert house.workers() == before


def test_nothing_is_found_in_a_plain_process() -> None:
    assert found("import threading, socket, ssl, logging") == []


def test_thread_that_has_ended_is_none() -> None:
    assert found("import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()") == []


def test_connection_is_named_by_its_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        [told] = found(f"import socket\ns = socket.create_connection(('127.0.0.1', {port}))")
        assert (
            told.startswith("a connection from 127.0.0.1:") and f" to 127.0.0.1:{port} (descriptor " in told
        )


def test_connection_of_a_unix_socket_is_named_by_its_path(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        [told] = found(f"import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({path!r})")
        assert f"a connection to {path} (descriptor " in told


@pytest.mark.parametrize(
    "code",
    [
        "import socket\ns = socket.create_server(('127.0.0.1', 0))",
        "import socket\ns = socket.socket()",
        "import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.connect(('127.0.0.1', 9))",
    ],
    ids=["listens", "not connected", "datagrams, as statsd's"],
)
def test_other_sockets_may_be_shared(code: str) -> None:
    assert found(code) == []


def test_event_loop_that_was_made_is_named_and_one_that_was_closed_is_not() -> None:
    told = found("import asyncio\nloop = asyncio.new_event_loop()")
    assert told[0].startswith("an event loop (asyncio.") and told[0].endswith("was made and not closed")
    assert found("import asyncio\nasyncio.run(asyncio.sleep(0))") == []


def test_event_loop_that_runs_in_a_thread_is_named_and_so_is_the_thread() -> None:
    told = found(
        """
        import asyncio, threading
        loop, runs = asyncio.new_event_loop(), threading.Event()
        loop.call_soon(runs.set)
        threading.Thread(target=loop.run_forever, name="loop", daemon=True).start()
        runs.wait()
        """
    )
    assert any(text.startswith("thread loop lives") for text in told)
    assert any(text.endswith(") runs") for text in told)


def test_own_descriptors_are_not_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        own = (ours.fileno(), theirs.fileno())
        before = unforkable.found(own)
        assert len(unforkable.found(())) == len(before) + 2
