"""Which process listens on a TCP port, as Linux tells it in /proc."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from fapws.supervisor.listen.port_holder import port_holder

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux's /proc/net/tcp")


@needs_proc
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_process_and_its_command_line_are_told(family: int, host: str) -> None:
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        listener.listen()
        told = port_holder(listener.getsockname()[1])
    assert told.startswith(f"pid {os.getpid()}, ")


@needs_proc
def test_a_port_on_which_nobody_listens_has_no_holder() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert port_holder(bound.getsockname()[1]) == ""


def test_where_the_system_tells_nothing_nothing_is_told(tmp_path: Path) -> None:
    assert port_holder(80, str(tmp_path)) == ""


@needs_proc
def test_a_process_that_hides_its_descriptors_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    row = f"0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 4711 {sys.maxsize}"
    (tmp_path / "net" / "tcp").write_text(f"  sl  local_address ...\n {row}\n")
    (tmp_path / "12").mkdir()
    assert port_holder(80, str(tmp_path)) == ""
