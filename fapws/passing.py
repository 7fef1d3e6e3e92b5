"""Descriptors that travel over a unix socket beside its bytes (SCM_RIGHTS).

A stream keeps them with the bytes they were sent with: who reads a message after the read that brought
its first byte has them already.
"""

from __future__ import annotations

import _socket
import os
import struct

from fapws.lean import Sequence

MOST = 4
"""Descriptors that one message brings."""
_SIZE = struct.calcsize("i")


def send(channel: int, data: bytes, fds: Sequence[int]) -> bool:
    """Sends bytes with descriptors; the caller keeps his own copies. False: not all went."""
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
    blocking = os.get_blocking(channel)
    sock = _socket.socket(fileno=channel)
    try:
        # PyPy makes a descriptor blocking that it takes over.
        os.set_blocking(channel, blocking)
        return sock.sendmsg([data], ancillary) == len(data)
    except OSError:
        return False
    finally:
        sock.detach()


def receive(channel: int, size: int) -> tuple[bytes, list[int]]:
    """Bytes (none: the end) and the descriptors that came with them, close-on-exec. Raises OSError."""
    blocking = os.get_blocking(channel)
    sock = _socket.socket(fileno=channel)
    try:
        os.set_blocking(channel, blocking)
        data, ancillary, _, _ = sock.recvmsg(size, _socket.CMSG_SPACE(MOST * _SIZE))
    finally:
        sock.detach()
    fds: list[int] = []
    for level, kind, packed in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            count = len(packed) // _SIZE
            fds += struct.unpack(f"{count}i", packed[: count * _SIZE])
    for fd in fds:
        os.set_inheritable(fd, False)
    return data, fds
