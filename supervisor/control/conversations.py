"""The master's conversation with fapwsctl: its clients, and which of them waits for which reply."""

from __future__ import annotations

import os

from fapws.lean import Any, Callable

from ..waiting import Readiness, Waiter
from .control_socket import MAX_CLIENTS, BadRequest, Client, ControlSocket, Request

_ACCEPTED_AT_ONCE = 4
"""In one turn of the master's loop."""

Command = Callable[[Client, Request], None]


class Conversations:
    """The control socket and its connections. Without a path nothing is ever connected."""

    def __init__(self, control: ControlSocket | None, waiter: Waiter) -> None:
        self.commands: dict[str, Command] = {}
        """What to call for each; it replies to its client now or later."""
        self._waiter = waiter
        self._connected: dict[int, Client] = {}
        self._waiting_for_next: list[Client] = []
        self._waiting_for_this: list[Client] = []
        self._waiting: dict[str, list[Client]] = {}
        self._socket = control
        if self._socket:
            waiter.watch(self._socket.fd)

    def on_ready(self, ready: Readiness) -> bool:
        """Serves a descriptor; False: it is none of ours."""
        if self._socket and ready.fd == self._socket.fd:
            for _ in range(_ACCEPTED_AT_ONCE):
                if not self._accept(self._socket):
                    break
            return True
        client = self._connected.get(ready.fd)
        if client is None:
            return False
        if ready.readable:
            self._listen_to(client)
        if ready.writable:
            self.flush(client)
        return True

    def flush(self, client: Client) -> None:
        """Sends a client's replies as far as the kernel takes them."""
        if not self._is_here(client):
            return
        if client.flush():
            self._waiter.watch(client.fd, write=client.unsent)
        else:
            self._drop(client)

    def renew_socket(self, group: str) -> None:
        """After a reload: makes sure that the socket's file is there, for this group. Raises CannotStart."""
        if self._socket is None:
            return
        former = self._socket.fd
        if self._socket.renew():
            self._waiter.forget(former)
            self._waiter.watch(self._socket.fd)
        self._socket.admit(group)

    # ---- Reloads: a reply concerns the reload that began after the question -----------------

    def wait_for_reload(self, client: Client) -> None:
        """The client gets its reply at the end of the next reload that begins."""
        self._waiting_for_next.append(client)

    def reload_begins(self) -> None:
        """The clients that have asked until now wait for this reload."""
        self._waiting_for_this += self._waiting_for_next
        self._waiting_for_next = []

    @property
    def followed(self) -> bool:
        """Whether a client wants to know of the steps of the reload that is under way."""
        return any(client.follows for client in self._waiting_for_this)

    def tell_step(self, text: str) -> None:
        """Tells those clients of one."""
        self._reply_to_all([c for c in self._waiting_for_this if c.follows], True, {"step": text})

    def reload_ends(self, ok: bool, **values: Any) -> None:
        """Replies to every client that waits for it."""
        waiting, self._waiting_for_this = self._waiting_for_this, []
        self._reply_to_all(waiting, ok, values)

    # ---- Other things that take a while --------------------------------------------------------

    def wait_for(self, topic: str, client: Client) -> None:
        """The client gets its reply by the next ``tell`` of this topic."""
        self._waiting.setdefault(topic, []).append(client)

    def waiting_for(self, topic: str) -> tuple[int, ...]:
        """The descriptors of the clients that wait for a topic."""
        return tuple(client.fd for client in self._waiting.get(topic, ()))

    def topics(self, beginning: str) -> list[str]:
        """Those that clients wait for and that begin so."""
        return [topic for topic, waiting in self._waiting.items() if waiting and topic.startswith(beginning)]

    def waiting(self, beginning: str) -> tuple[tuple[str, int], ...]:
        """Those topics, each with the descriptor of a client that waits for it."""
        return tuple((topic, fd) for topic in self.topics(beginning) for fd in self.waiting_for(topic))

    def not_waiting(self) -> tuple[int, ...]:
        """The descriptors of the clients that wait for nothing yet: a request of theirs may be on its way."""
        waiting = {client.fd for clients in self._waiting.values() for client in clients}
        return tuple(fd for fd in self._connected if fd not in waiting)

    def adopt(self, fd: int) -> Client:
        """After an upgrade: a client of the old master."""
        client = Client(fd)
        self._connected[fd] = client
        self._waiter.watch(fd)
        return client

    def tell(self, topic: str, ok: bool, **values: Any) -> None:
        """Replies to every client that waits for a topic."""
        self._reply_to_all(self._waiting.pop(topic, []), ok, values)

    def close(self) -> None:
        """Ends all conversations; a client that still waits is told that the server has stopped."""
        self.reload_begins()
        self.reload_ends(False, error="the server has stopped")
        for topic in list(self._waiting):
            self.tell(topic, False, error="the server has stopped")
        for client in list(self._connected.values()):
            self._drop(client)
        if self._socket:
            self._socket.close()

    def _accept(self, control: ControlSocket) -> bool:
        client = control.accept()
        if client is None:
            return False
        if len(self._connected) >= MAX_CLIENTS and not self._make_room():
            client.reply(False, error=f"{MAX_CLIENTS} commands are under way already; ask again later")
            client.flush()
            client.discard()  # else the end of the connection would take the reply away
            os.close(client.fd)
            return True
        self._connected[client.fd] = client
        self._waiter.watch(client.fd)
        return True

    def _make_room(self) -> bool:
        """Ends the oldest conversation in which nothing is to be said; False: there is none."""
        for client in list(self._connected.values()):
            if self._is_idle(client):
                self._listen_to(client)  # its request may have come by now
                if self._is_idle(client):
                    self._drop(client)
                return len(self._connected) < MAX_CLIENTS or self._make_room()
        return False

    def _is_idle(self, client: Client) -> bool:
        busy = (self._waiting_for_next, self._waiting_for_this, *self._waiting.values())
        waits = any(client in waiting for waiting in busy)
        return self._is_here(client) and not waits and not client.unsent and not client.stays

    def _listen_to(self, client: Client) -> None:
        try:
            requests = client.receive()
            if requests is None:
                self._drop(client)
                return
            for request in requests:
                if self._is_here(client):  # or the reply to an earlier one found that it has gone
                    self._obey(client, request)
        except BadRequest as error:
            # The conversation ends: a client that sends nonsense without a pause must not fill memory.
            client.reply(False, error=str(error))
            client.flush()
            self._drop(client)
        self.flush(client)

    def _reply_to_all(self, clients: list[Client], ok: bool, values: dict[str, Any]) -> None:
        """``clients`` must be in no other list: a client that has gone is removed from those meanwhile."""
        for client in clients:
            client.reply(ok, **values)
            self.flush(client)

    def _is_here(self, client: Client) -> bool:
        """Its descriptor may be another client's by now."""
        return self._connected.get(client.fd) is client

    def _obey(self, client: Client, request: Request) -> None:
        command = request["command"]
        handler = self.commands.get(command)
        if handler is None:
            raise BadRequest(f"unknown command {command!r}; known: {', '.join(sorted(self.commands))}")
        try:
            handler(client, request)
        except ImportError as error:
            # What a question needs comes with the first one. An installation that has been removed since
            # then takes the reply, and nothing else.
            client.reply(False, error=f"what answers this is no longer installed: {error}")

    def _drop(self, client: Client) -> None:
        if not self._is_here(client):
            return
        self._waiter.forget(client.fd)
        del self._connected[client.fd]
        os.close(client.fd)
        for waiting in (self._waiting_for_next, self._waiting_for_this, *self._waiting.values()):
            if client in waiting:
                waiting.remove(client)
