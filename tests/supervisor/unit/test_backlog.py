"""How many connections wait in a listening socket's queue."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from support.house import wait_until

from fapws.supervisor.listen.backlog import waiting


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux tells it")
def test_connections_that_nobody_accepts_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert waiting(listener.fileno()) == 0
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        wait_until(lambda: waiting(listener.fileno()) == 3, "the kernel has put them there")
        listener.accept()[0].close()
        assert waiting(listener.fileno()) == 2
        for client in clients:
            client.close()


def test_what_the_system_does_not_tell_is_not_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert waiting(listener.fileno()) is None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert waiting(listener.fileno(), None) is None
