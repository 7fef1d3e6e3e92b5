"""SO_REUSEPORT: several sockets listen on one address, each with a queue of its own.

Linux spreads new connections over them by a hash of both ends. Its socket may also be told to share when
it already listens, so the first one is bound without the option: a port that another process has is
noticed as ever, and a reload may turn sharing on. The BSDs and macOS give everything to one of the sockets;
FreeBSD spreads with another option, which a bound socket cannot take.
"""

from __future__ import annotations

import _socket
import os

from fapws.descriptors import adopt

WHERE = "Linux"


def check(system: str) -> None:
    """Raises ValueError where the option does not spread connections."""
    if system != WHERE or not hasattr(_socket, "SO_REUSEPORT"):
        raise ValueError(f"only {WHERE} spreads connections over several sockets; this is {system}")


def borrow(fd: int) -> _socket.socket:
    """A second descriptor of a listening socket, with Python's methods; to be closed by the caller."""
    return adopt(os.dup(fd))


def allow_sharing(fd: int) -> None:
    """Lets others of the same user bind the address too. Raises OSError."""
    sock = borrow(fd)
    try:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1)
    finally:
        sock.close()


def listens(sock: _socket.socket) -> bool:
    """Whether it is more than bound: from then on the kernel gives it connections."""
    return bool(sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
