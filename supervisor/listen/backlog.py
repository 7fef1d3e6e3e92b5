"""How many connections wait in a listening socket's queue, where the system tells: Linux, of TCP."""

from __future__ import annotations

import _socket
import os
import struct

from fapws import reuse_port

_TCP_INFO: int | None = getattr(_socket, "TCP_INFO", None) if os.uname().sysname == "Linux" else None
_UNACKED = struct.Struct("=24xI")
"""Of a listening socket, tcpi_unacked of struct tcp_info is the length of its queue."""


def waiting(fd: int, option: int | None = _TCP_INFO) -> int | None:
    """None: it is not told."""
    if option is None:
        return None
    sock = reuse_port.borrow(fd)
    try:
        if sock.family not in (_socket.AF_INET, _socket.AF_INET6):
            return None
        length: int = _UNACKED.unpack(sock.getsockopt(_socket.IPPROTO_TCP, option, _UNACKED.size))[0]
        return length
    except (OSError, struct.error):
        return None
    finally:
        sock.close()
