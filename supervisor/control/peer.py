"""The user at the other end of a unix socket, where the system tells (Linux: SO_PEERCRED)."""

from __future__ import annotations

import _socket
import os
import struct

_UCRED = struct.Struct("3i")
"""pid, uid, gid."""


def ids(
    sock: _socket.socket, option: int | None = getattr(_socket, "SO_PEERCRED", None)
) -> tuple[int, int] | None:
    """The peer's user and group, or None where the system does not tell."""
    # OpenBSD has the constant too, with another structure; there the mode of the file has to do.
    if option is None or os.uname().sysname != "Linux":
        return None
    _, uid, gid = _UCRED.unpack(sock.getsockopt(_socket.SOL_SOCKET, option, _UCRED.size))
    return uid, gid


def may_command(sock: _socket.socket, group: int = -1) -> bool:
    """Whether the peer may give orders: root, our own user, a member of ``group`` (-1: there is none).

    Elsewhere the file's mode decides.
    """
    found = ids(sock)
    return found is None or found[0] in (0, os.geteuid()) or (group >= 0 and _is_member(*found, group))


def _is_member(uid: int, gid: int, group: int) -> bool:
    if gid == group:
        return True
    import pwd

    try:
        return group in os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return False
