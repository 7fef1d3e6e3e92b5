"""The control socket: a unix socket, mode 600, on which fapwsctl asks one JSON object a line.

    -> {"v": 1, "command": "status"}
    <- {"v": 1, "ok": true, "pid": 4711, ...}
    <- {"v": 1, "ok": false, "error": "a sentence or a traceback"}

A reply that has to be waited for (reload) comes when there is one. json is imported with the
first client, not before: a master without such a client does not load it.
"""

from __future__ import annotations

import _socket
import os

from fapws._core import lib

from fapws.descriptors import adopt
from fapws.lean import Any
from fapws.settings.identity import UnknownIdentity, find_group

from ..errors import CannotStart, refused
from ..listen import bind
from . import peer

VERSION = 1
MAX_CLIENTS = 64
"""Each holds a descriptor of the master. One more takes the place of one that waits for nothing."""
MAX_LINE = 4096
"""Bytes of a request."""
_BACKLOG = 128
_READ_SIZE = 4096


Request = dict[str, Any]
"""What fapwsctl sent: ``v``, ``command``, and the command's arguments."""


class BadRequest(Exception):
    """The client sent something that is no request; ``str`` tells it what."""


class Client:
    """One connection of fapwsctl."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._incoming = b""
        self._outgoing = b""
        self.stays = False
        """Whether it waits for the end of the connection."""
        self.follows = False
        """Whether it is told of every step of the reload that it waits for."""

    @property
    def unsent(self) -> bool:
        """Whether a reply waits for room."""
        return bool(self._outgoing)

    def receive(self) -> list[Request] | None:
        """The requests of complete lines; None: the client has gone. Raises BadRequest."""
        try:
            data = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        if len(self._incoming) > MAX_LINE:
            raise BadRequest("the request is too long")
        return [_request(line) for line in lines]

    def discard(self) -> None:
        """Reads what it has said, for nobody."""
        try:
            os.read(self.fd, _READ_SIZE)
        except OSError:
            return  # nothing yet

    def reply(self, ok: bool, **values: Any) -> None:
        """Queues a reply; ``flush`` sends it."""
        import json

        self._outgoing += json.dumps({"v": VERSION, "ok": ok, **values}).encode("ascii") + b"\n"

    def flush(self) -> bool:
        """Sends what the kernel takes; False: the client has gone."""
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[os.write(self.fd, self._outgoing) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


def _request(line: bytes) -> Request:
    import json

    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("not a JSON object") from None
    if not isinstance(request, dict) or request.get("v") != VERSION:
        raise BadRequest(f"this server speaks version {VERSION} of the protocol")
    if not isinstance(request.get("command"), str):
        raise BadRequest("no command")
    return request


class ControlSocket:
    """The listening side."""

    def __init__(
        self, path: str, group: str = "", fd: int = -1, inode: tuple[int, int] | None = None
    ) -> None:
        """Binds it, or takes it over (after an upgrade in place). Raises CannotStart."""
        self.path = path
        self.inode = inode
        self.fd = fd
        self._gid = -1
        if fd < 0:
            self._bind(path)
        try:
            self.admit(group)
        except CannotStart:
            # What was taken over serves on, for fewer people; the reload that follows tells why.
            if fd < 0:
                self.close()
                raise

    def admit(self, group: str) -> None:
        """Lets root, our own user and the members of a group in; empty: no group. Raises CannotStart."""
        try:
            self._gid = find_group(group) if group else -1
            if bind.inode(self.path) == self.inode:
                bind.admit(self.path, 0o660 if group else 0o600, -1, self._gid)
        except UnknownIdentity as error:
            raise CannotStart(f"cannot give the control socket to a group: {error}") from None
        except OSError as error:
            raise refused(f"cannot give the control socket {self.path} to group {group}", error) from error

    def renew(self) -> bool:
        """Binds it again if its file is gone; whether ``fd`` is another one now. Raises CannotStart."""
        if not bind.is_lost(self.path, self.inode):
            return False
        former = self.fd
        self._bind(self.path)
        os.close(former)
        return True

    def _bind(self, path: str) -> None:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            bind.clear_stale(path)
            bind.bind_private(sock, path)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            self.inode = bind.inode(path)
            self.fd = sock.detach()
        except OSError as error:
            raise refused(f"cannot make the control socket {path}", error) from error
        finally:
            sock.close()

    def accept(self) -> Client | None:
        """A client that may give orders, or None."""
        fd: int = lib.fw_accept(self.fd)
        if fd < 0:
            return None
        if not _may_command(fd, self._gid):
            os.close(fd)
            return None
        return Client(fd)

    def close(self) -> None:
        """Closes it and removes its file, if that is still ours."""
        os.close(self.fd)
        bind.remove_own(self.path, self.inode)


def _may_command(fd: int, gid: int) -> bool:
    sock = adopt(fd)
    try:
        return peer.may_command(sock, gid)
    except OSError:
        return False
    finally:
        sock.detach()
