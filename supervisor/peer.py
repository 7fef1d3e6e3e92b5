"""Who is at the other end of a unix socket, where the system tells (Linux: SO_PEERCRED)."""

from __future__ import annotations

import _socket
import os
import struct

_UCRED = struct.Struct("3i")
"""pid, uid, gid."""


def uid(sock: _socket.socket, option: int | None = getattr(_socket, "SO_PEERCRED", None)) -> int | None:
    """The peer's user, or None where the system does not tell."""
    # OpenBSD has the constant too, with another structure; there the mode 600 has to do.
    if option is None or os.uname().sysname != "Linux":
        return None
    return int(_UCRED.unpack(sock.getsockopt(_socket.SOL_SOCKET, option, _UCRED.size))[1])


def may_command(sock: _socket.socket) -> bool:
    """Whether the peer may give orders: root or our own user. Elsewhere the file's mode decides."""
    user = uid(sock)
    return user is None or user in (0, os.geteuid())
