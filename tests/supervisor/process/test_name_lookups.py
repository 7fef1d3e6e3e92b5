"""Host names in listen: a resolver that does not answer holds neither the master nor its clients."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RESOLVER = """
import _socket, os, time
usual = _socket.getaddrinfo

def getaddrinfo(host, *more):
    with open(os.environ["FAPWS_ASKED"], "ab") as asked:
        asked.write(host + b"\\n")
    if host == b"black.hole":
        time.sleep(600)
    if host == b"not.there":
        raise _socket.gaierror(-2, "Name or service not known")
    return usual(b"127.0.0.1" if host == b"here.example" else host, *more)

_socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def asked(house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file with what was asked of a resolver that knows here.example and hangs on black.hole."""
    folder = tmp_path / "resolver"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RESOLVER)
    place = tmp_path / "asked"
    place.touch()
    monkeypatch.setenv("PYTHONPATH", str(folder) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("FAPWS_ASKED", str(place))
    yield place


def listen(house: Any, *more: str) -> None:
    house.configure(listen=", ".join([f"unix:{house.unix}", *more]))


def slowest_ping(house: Any, count: int) -> float:
    """Seconds."""
    slowest = 0.0
    for _ in range(count):
        began = time.monotonic()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(house.control))
            client.sendall(b'{"v": 1, "command": "ping"}\n')
            assert client.recv(4096).endswith(b"\n")
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def test_a_resolver_that_hangs_holds_a_reload_and_nothing_else(house: Any, until: Any, asked: Path) -> None:
    listen(house)
    house.start()
    listen(house, "black.hole:0")
    reload = subprocess.Popen(
        house.words("reload"), env=house.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        until(lambda: "black.hole" in asked.read_text(), "it is asked for")
        slowest = slowest_ping(house, 50)
        print(f"slowest of 50 pings: {1000 * slowest:.1f} ms")
        assert slowest < 20, slowest  # 600 s if the master itself had asked
        assert house.get().startswith(b"hello")
        began = time.monotonic()
        house.ctl("stop")
        assert time.monotonic() - began < 20
        said, _ = reload.communicate(timeout=30)
        assert reload.returncode == 1
        assert b"the server is stopping" in said
    finally:
        reload.kill()
        reload.wait()
    house.assert_nothing_is_left()


def test_a_name_that_is_found_is_listened_on_and_not_asked_for_again(house: Any, asked: Path) -> None:
    listen(house)
    house.start()
    listen(house, "here.example:0")
    house.ctl("reload")
    url = house.status()["pools"][0]["listen"][1]
    assert url.startswith("http://here.example:")
    assert house.get(int(url.rpartition(":")[2])).startswith(b"hello")
    asked.write_text("")
    house.ctl("reload")
    assert "here.example" not in asked.read_text()
    assert house.status()["pools"][0]["listen"][1] == url
    house.ctl("upgrade")
    assert house.status()["pools"][0]["listen"][1] == url
    house.ctl("stop")


def test_a_name_that_is_not_found_changes_nothing(house: Any, asked: Path) -> None:
    listen(house)
    house.start()
    (worker,) = house.workers()
    listen(house, "not.there:0")
    said = house.ctl("reload", expect=1)
    assert "cannot listen on not.there:0: Name or service not known" in said
    assert house.workers() == [worker]
    house.ctl("stop")


def test_a_start_asks_itself(house: Any, asked: Path) -> None:
    listen(house, "not.there:0")
    said = house.ctl("start", expect=1)
    assert "cannot listen on not.there:0: Name or service not known" in said
    listen(house, "here.example:0")
    assert "http://here.example:" in house.start()
    house.ctl("stop")
