"""TCP_DEFER_ACCEPT: a connection is handed over when its first bytes are there (Linux only).

Saves a worker one turn of its loop for every new connection. Elsewhere, and where the kernel
refuses, nothing happens.
"""

from __future__ import annotations

import _socket

from fapws import reuse_port

_SECONDS = 1
"""How long the kernel waits for the bytes; then the connection is handed over without."""


def apply(sock: _socket.socket, option: int | None = getattr(_socket, "TCP_DEFER_ACCEPT", None)) -> bool:
    """Sets it on a listening TCP socket; whether it is set."""
    if option is None:
        return False
    try:
        sock.setsockopt(_socket.IPPROTO_TCP, option, _SECONDS)
    except OSError:
        return False
    return True


def undo(fd: int, option: int | None = getattr(_socket, "TCP_DEFER_ACCEPT", None)) -> None:
    """Connections are handed over at once again. Raises OSError."""
    if option is None:
        return
    sock = reuse_port.borrow(fd)
    try:
        sock.setsockopt(_socket.IPPROTO_TCP, option, 0)
    finally:
        sock.close()
