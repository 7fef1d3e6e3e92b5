"""TCP_DEFER_ACCEPT: a connection is handed over when its first bytes are there (Linux only).

Saves a worker one turn of its loop for every new connection. Elsewhere, and where the kernel
refuses, nothing happens.
"""

from __future__ import annotations

import _socket

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
