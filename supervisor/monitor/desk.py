"""A socket at which the master itself answers, and the few clients there.

Whatever they do, the master's loop goes on: nothing waits for them, each has so many bytes and seconds, and
there are never more than a handful. One too many takes the place of the one that came first, so that clients
who say nothing cannot keep a probe out.
"""

from __future__ import annotations

import _socket
import os

from fapws._core import lib

from fapws.descriptors import adopt
from fapws.lean import Callable

from ..listen.bind import Listener
from ..waiting import Readiness, Waiter
from .http import HEAD_MAX

CLIENTS_MAX = 16
SECONDS = 5.0
"""From its arrival to its end."""
BACKLOG = 1024
"""Of the listening socket: where a thousand clients come in a second, and the master has something else to do
for a moment, a probe must find room, or its connection comes again after a second at the earliest."""
_ACCEPTED_AT_ONCE = 64
"""In one turn of the master's loop, which has other things to do: some 3 ms of bad clients. The queue grows
shorter then, also while they come faster than turns; whoever is too much is let go at once."""
_SPILL_MAX = 65536
"""Bytes that a client may send after its response has begun; they are thrown away."""

Answer = Callable[[bytes], "bytes | None"]
"""What to say to a client that has sent so much until now; None: its request is not whole yet."""


class _Client:
    def __init__(self, sock: _socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.received = b""
        self.unsent = b""
        self.answered = False
        self.has_ended = False
        """Whether it has said that it sends no more; it may read on."""
        self.spilt = 0


class Desk:
    """Listens at one address."""

    def __init__(self, listener: Listener, waiter: Waiter, answer: Answer, too_late: bytes) -> None:
        """``too_late``: what a client is told whose time is over before its request is whole."""
        self.listener = listener
        self._waiter = waiter
        self._answer = answer
        self._too_late = too_late
        self._clients: dict[int, _Client] = {}
        """By descriptor, in the order of their arrival."""
        waiter.watch(listener.fd)

    @property
    def due(self) -> list[float]:
        """When end_overdue() has something to do."""
        return [client.deadline for client in self._clients.values()]

    def on_ready(self, ready: Readiness, now: float) -> bool:
        """Serves a descriptor; False: it is none of ours. ``now``: monotonic seconds."""
        if ready.fd == self.listener.fd:
            for _ in range(_ACCEPTED_AT_ONCE):
                if not self._accept(now):
                    break
            return True
        client = self._clients.get(ready.fd)
        if client is None:
            return False
        if ready.readable:
            self._hear(client)
        if client.unsent and ready.writable:
            self._send(client)
        return True

    def end_overdue(self, now: float) -> None:
        """Ends those whose time is over."""
        for client in [client for client in self._clients.values() if client.deadline <= now]:
            if not client.answered:
                client.unsent = self._too_late
                self._send(client)
            self._drop(client)

    def close(self) -> None:
        """Ends all."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._waiter.forget(self.listener.fd)
        os.close(self.listener.fd)

    def _accept(self, now: float) -> bool:
        fd: int = lib.fw_accept(self.listener.fd)
        if fd < 0:
            return False
        if len(self._clients) >= CLIENTS_MAX:
            self._drop(next(iter(self._clients.values())))
        client = self._clients[fd] = _Client(adopt(fd), now + SECONDS)
        self._waiter.watch(fd)
        self._hear(client)  # most have sent their request by the time they are accepted
        return True

    def _hear(self, client: _Client) -> None:
        try:
            data = client.sock.recv(HEAD_MAX)
        except BlockingIOError:
            data = None
        except OSError:
            self._drop(client)
            return
        if client.answered:
            client.spilt += len(data or b"")
            if data == b"" and client.unsent and not client.has_ended:
                client.has_ended = True
                self._waiter.watch(client.sock.fileno(), write=True, read=False)
            elif data == b"" or client.spilt > _SPILL_MAX:
                self._drop(client)
            return
        client.received = (client.received + (data or b""))[:HEAD_MAX]
        said = self._answer(client.received)
        if said is not None:
            client.unsent = said
            client.answered = True
            self._send(client)
        elif data == b"":
            self._drop(client)

    def _send(self, client: _Client) -> None:
        try:
            while client.unsent:
                client.unsent = client.unsent[client.sock.send(client.unsent) :]
            # Not closed at once: with bytes of the client unread, that would take the response from it.
            client.sock.shutdown(_socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        fd = client.sock.fileno()
        if client.has_ended and not client.unsent:
            self._drop(client)
        elif fd in self._clients:
            self._waiter.watch(fd, write=bool(client.unsent), read=not client.has_ended)

    def _drop(self, client: _Client) -> None:
        fd = client.sock.fileno()
        if self._clients.get(fd) is client:
            self._waiter.forget(fd)
            del self._clients[fd]
            client.sock.close()
