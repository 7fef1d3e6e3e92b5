"""What an import may leave behind that no fork takes along, or that several processes must not share.

A fork copies memory and shares descriptors. Threads are not copied: what they would have done is never
done, and the locks that they hold stay locked. A connection is shared: two processes that write to it break
what the other one says. So does an event loop's own descriptor. Only a zygote looks for them (``preload``).
"""

from __future__ import annotations

import _socket
import errno
import os
import stat
import sys

from fapws.descriptors import adopt, candidates
from fapws.lean import Any, Iterable

_DEPTH = 12
"""Frames of a thread that are told: the last."""
HOW = (
    "os.register_at_fork(after_in_child=...) starts them in each worker, as the first request may; "
    "preload_unsafe = yes forks nevertheless"
)


def found(own: Iterable[int]) -> list[str]:
    """A text of one or several lines for each thing. ``own``: descriptors that are Fapws's."""
    return [*_threads(), *_event_loops(), *_connections(frozenset(own))]


def sentence(things: list[str]) -> str:
    """For people; ends in a newline."""
    told = "\n".join(f"  {line}" for thing in things for line in thing.split("\n"))
    return f"preload: the import has left behind what a fork breaks:\n{told}\n{HOW}\n"


def _threads() -> list[str]:
    """Every living one but this, with its name where threading knows it."""
    import threading
    import traceback

    ours = sys._getframe()  # gevent has other numbers for threads than Python
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    told = []
    for ident, frame in sorted(sys._current_frames().items()):
        if frame is ours:
            continue
        stack = "".join(traceback.format_list(traceback.extract_stack(frame)[-_DEPTH:])).rstrip("\n")
        told.append(f"thread {names.get(ident, ident)} lives:\n{stack}")
    return told


def _event_loops() -> list[str]:
    """Of asyncio and what follows its interface (uvloop); of gevent, where greenlets wait in its hub."""
    told = []
    asyncio = sys.modules.get("asyncio")
    kind = getattr(asyncio, "AbstractEventLoop", None)
    if kind is not None:
        import gc

        for loop in gc.get_objects():
            if issubclass(type(loop), kind) and not loop.is_closed():
                state = "runs" if loop.is_running() else "was made and not closed"
                told.append(f"an event loop ({type(loop).__module__}.{type(loop).__name__}) {state}")
    return told


def _connections(own: frozenset[int]) -> list[str]:
    told = []
    for descriptor in sorted(candidates()):
        if descriptor in own or descriptor < 3:
            continue
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                told += _connection(descriptor)
        except OSError:
            continue
    return told


def _connection(descriptor: int) -> list[str]:
    """Only of streams: a datagram goes as a whole, whoever sends it, to a log or to statsd."""
    sock = adopt(descriptor)
    try:
        peer = sock.getpeername()
        kind = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE)
        if kind == _socket.SOCK_DGRAM:
            return []
        return [f"a connection {_ends(sock.getsockname(), peer)} (descriptor {descriptor})"]
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return []
    finally:
        sock.detach()


def _ends(here: Any, there: Any) -> str:
    if isinstance(there, tuple) and len(there) > 1:
        return f"from {here[0]}:{here[1]} to {there[0]}:{there[1]}"
    name = there or here
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return f"to {name}" if name else "without a name, such as a pair's"
