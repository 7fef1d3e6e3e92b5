"""The master's own files, removed, replaced or written over by others: a reload puts them back."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.house import House, Until


def remove(path: Path) -> None:
    path.unlink()


def put_a_dead_socket(path: Path) -> None:
    """What another server leaves that bound the same path and was killed."""
    path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@pytest.mark.parametrize("harm", [remove, put_a_dead_socket])
def test_a_unix_socket_that_nobody_reaches_is_made_again(house: House, harm: Callable[[Path], None]) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    harm(house.unix)
    house.ctl("reload")
    assert house.get(None).startswith(b"hello ")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_file_in_the_place_of_a_unix_socket_refuses_the_reload(house: House) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.unix.unlink()
    house.unix.write_text("mine\n")
    assert "there is a file, and it is not a socket" in house.ctl("reload", expect=1)
    assert house.unix.read_text() == "mine\n"
    house.unix.unlink()
    house.ctl("reload")
    assert house.get(None).startswith(b"hello ")
    house.ctl("stop")


@pytest.mark.parametrize("harm", [remove, put_a_dead_socket])
def test_the_control_socket_is_made_again(house: House, harm: Callable[[Path], None], until: Until) -> None:
    house.start()
    harm(house.control)
    os.kill(house.pid, signal.SIGHUP)  # the socket cannot say it
    house.wait_log("reload done")
    until(lambda: "1 of 1 serving" in house.ctl("status", expect=None), "the socket answers")
    house.ctl("stop")
    house.assert_nothing_is_left()


@pytest.mark.parametrize("text", ["", "1\n", "4194304000\n"])
@pytest.mark.parametrize("in_place", [True, False])
def test_the_pidfile_is_put_back(house: House, text: str, in_place: bool) -> None:
    house.start()
    master = house.pid
    if not in_place:
        house.pidfile.unlink()
    house.pidfile.write_text(text)
    house.ctl("reload")
    assert house.pid == master
    assert stat.S_IMODE(house.pidfile.stat().st_mode) == 0o600
    assert house.ctl("start") == f"fapws: already running (pid {master})\n"
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_a_strangers_file_in_the_place_of_the_pidfile_refuses_the_reload(house: House) -> None:
    house.start()
    house.pidfile.unlink()
    house.pidfile.write_text("not a number\n")
    assert "there is a file, and it is no pidfile" in house.ctl("reload", expect=1)
    assert house.pidfile.read_text() == "not a number\n"
    house.ctl("stop")
    house.pidfile.unlink()
    house.assert_nothing_is_left()
