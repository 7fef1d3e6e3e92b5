"""What master and workers do with descriptors: adopt them, send them over a unix socket, close others.

Descriptors travel beside the bytes of a stream (SCM_RIGHTS), which keeps them together: a reader that gets
the first byte of a message has got the message's descriptors too.
"""

from __future__ import annotations

import _socket
import os
import resource
import struct

from fapws.lean import Iterable, Sequence

MOST = 4
"""Descriptors that one message to a worker brings ..."""
MOST_TO_ZYGOTE = 253
"""... and to a zygote: what Linux lets through."""
_CLOSE_ON_EXEC: int = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
"""With the flag from the start: a thread of the application may fork and exec at any time. macOS has none."""
_SIZE = struct.calcsize("i")
_DIRECTORIES = ("/proc/self/fd", "/dev/fd")
_BLIND_LIMIT = 65536
"""Without a directory that lists them, numbers up to here (or the soft limit) are tried."""


def adopt(fd: int) -> _socket.socket:
    """A socket object for a descriptor, which stays blocking or not, as it was. Raises OSError.

    PyPy makes a descriptor blocking that it takes over, unless the default timeout says otherwise; and a
    process that shares a listening socket would hang in accept(). Where the descriptor blocks anyway, that
    default is left alone: threads of an application make sockets too.
    """
    if os.get_blocking(fd):
        sock = _socket.socket(fileno=fd)
        os.set_blocking(fd, True)  # the application may have another default timeout
        return sock
    default = _socket.getdefaulttimeout()
    _socket.setdefaulttimeout(0.0)
    try:
        return _socket.socket(fileno=fd)
    finally:
        _socket.setdefaulttimeout(default)


def send(channel: int, data: bytes, fds: Sequence[int]) -> bool:
    """Sends bytes with descriptors; the caller keeps its own copies. False: not all went."""
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
    sock = adopt(channel)
    try:
        return sock.sendmsg([data], ancillary) == len(data)
    except OSError:
        return False
    finally:
        sock.detach()


def receive(channel: int, size: int, most: int = MOST) -> tuple[bytes, list[int]]:
    """Bytes (none: the end) and the descriptors that came with them, close-on-exec. Raises OSError."""
    sock = adopt(channel)
    try:
        data, ancillary, _, _ = sock.recvmsg(size, _socket.CMSG_SPACE(most * _SIZE), _CLOSE_ON_EXEC)
    finally:
        sock.detach()
    fds: list[int] = []
    for level, kind, packed in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            count = len(packed) // _SIZE
            fds += struct.unpack(f"{count}i", packed[: count * _SIZE])
    if not _CLOSE_ON_EXEC:
        for fd in fds:
            os.set_inheritable(fd, False)
    return data, fds


def close_all_but(keep: Iterable[int], directories: tuple[str, ...] = _DIRECTORIES) -> None:
    """Closes every descriptor that is not in ``keep``."""
    kept = frozenset(keep)
    for fd in candidates(directories):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that listed the directory, or a number that is not open


def candidates(directories: tuple[str, ...] = _DIRECTORIES) -> Iterable[int]:
    """Numbers of descriptors that may be open."""
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        # FreeBSD without fdescfs lists only 0, 1 and 2 in /dev/fd, whatever is open.
        if any(int(name) > 2 for name in names):
            return [int(name) for name in names]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = soft == resource.RLIM_INFINITY
    return range(_BLIND_LIMIT if unlimited else min(soft, _BLIND_LIMIT))
