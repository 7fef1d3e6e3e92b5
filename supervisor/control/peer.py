"""The user at the other end of a unix socket, where the system tells."""

from __future__ import annotations

import _socket
import os
import struct

from fapws._core import ffi, lib

_PEERGROUPS = 59
"""SO_PEERGROUPS, which Python does not name."""
_ROOM = 1024
"""Bytes; the most that Python asks for."""


def ids(sock: _socket.socket) -> tuple[int, int] | None:
    """The peer's user and group, or None where the system does not tell. Raises OSError."""
    found = ffi.new("uint32_t[2]")
    told = lib.fw_peer_ids(sock.fileno(), found, found + 1)
    if told < 0:
        raise OSError("nobody is at the other end of this socket")
    return (found[0], found[1]) if told else None


def may_command(sock: _socket.socket, group: int = -1) -> bool:
    """Whether the peer may give orders: root, our own user, a member of ``group`` (-1: there is none).

    Elsewhere the file's mode decides.
    """
    found = ids(sock)
    return found is None or found[0] in (0, os.geteuid()) or (group >= 0 and _is_member(sock, *found, group))


def groups(sock: _socket.socket) -> list[int] | None:
    """The peer's supplementary groups, as the kernel knows them (Linux 4.13); None: it does not tell, or they
    are more than Python has room for. The user database may be a server that does not answer."""
    if os.uname().sysname != "Linux":
        return None
    try:
        found = sock.getsockopt(_socket.SOL_SOCKET, _PEERGROUPS, _ROOM)
    except OSError:
        return None
    return [number for (number,) in struct.iter_unpack("=I", found)]


def _is_member(sock: _socket.socket, uid: int, gid: int, group: int) -> bool:
    if gid == group:
        return True
    known = groups(sock)
    if known is not None:
        return group in known
    import pwd

    try:
        return group in os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return False
