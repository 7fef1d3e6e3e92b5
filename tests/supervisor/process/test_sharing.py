"""How connections that stay are shared out among the workers of a pool."""

from __future__ import annotations

import socket

from support.house import House


def test_connections_that_stay_are_shared_out(house: House) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    clients = []
    for _ in range(64):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(house.unix))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536)
        clients.append(sock)
    held = [worker["connections"] for worker in house.status()["workers"]]
    assert sum(held) == 64
    assert min(held) >= 16, held  # 30 and more on a quiet machine
    for sock in clients:
        sock.close()
    house.ctl("stop")
    house.assert_nothing_is_left()
