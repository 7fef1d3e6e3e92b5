"""``fapws.testing.serve(app)``: a real server for the time of a with statement."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests
from support.house import wait_until

import fapws.testing
from fapws.embedding.run import CannotServe


def whoami(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Its process."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]


@pytest.fixture
def url() -> Iterator[str]:
    """As the documentation has it."""
    with fapws.testing.serve(whoami) as url:
        yield url


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(pid: int, seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while is_there(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_there(pid)


def test_a_fixture_gives_the_address(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith("/")
    assert int(requests.get(url, timeout=20).text) != os.getpid()


def own_descriptors() -> set[str]:
    """Empty where there is no way to look."""
    gc.collect()  # PyPy closes only now, some of it a little later, what was left to its garbage collector
    return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()


def test_nothing_is_left_behind() -> None:
    before = own_descriptors()
    children = psutil.Process().children()
    with fapws.testing.serve(whoami, workers=2) as url:
        worker = int(requests.get(url, timeout=20).text)
    assert ended(worker)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    assert psutil.Process().children() == children
    wait_until(lambda: own_descriptors() <= before, "no descriptor is left")


def test_two_at_once_have_addresses_of_their_own() -> None:
    with fapws.testing.serve(whoami) as one, fapws.testing.serve(whoami) as other:
        assert one != other
        assert requests.get(one, timeout=20).text != requests.get(other, timeout=20).text


def test_a_local_function_and_its_variables_are_served() -> None:
    word = "from the test"

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [word.encode()]

    with fapws.testing.serve(app) as url:
        assert requests.get(url, timeout=20).text == word


def test_an_exception_in_the_test_ends_the_server_too() -> None:
    found: list[str] = []
    with pytest.raises(ZeroDivisionError), fapws.testing.serve(whoami) as url:
        found.append(url)
        raise ZeroDivisionError
    with pytest.raises(requests.ConnectionError):
        requests.get(found[0], timeout=5)


def test_the_signals_of_the_test_are_untouched() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    with fapws.testing.serve(whoami):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before


@pytest.mark.filterwarnings("error")
def test_beside_a_thread_of_the_test() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with fapws.testing.serve(whoami) as url:
            assert requests.get(url, timeout=20).status_code == 200
    finally:
        stop.set()
        thread.join()


def test_options_reach_the_server() -> None:
    with fapws.testing.serve(whoami, max_body_size=10) as url:
        assert requests.post(url, b"x" * 11, timeout=20).status_code == 413


def test_a_wrong_option_raises_with_the_words_of_the_configuration() -> None:
    with (
        pytest.raises(CannotServe, match="did you mean max_body_size"),
        fapws.testing.serve(whoami, max_body_sise=1),
    ):
        pass


def test_a_server_that_was_killed_is_no_hang_at_the_end() -> None:
    with fapws.testing.serve(whoami) as url:
        worker = int(requests.get(url, timeout=20).text)
        with open(f"/proc/{worker}/stat", encoding="ascii") as stat:
            master = int(stat.read().rpartition(")")[2].split()[1])
        os.kill(master, signal.SIGKILL)
    assert ended(worker)
