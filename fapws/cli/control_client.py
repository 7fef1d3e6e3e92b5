"""fapwsctl's side of the control socket."""

from __future__ import annotations

import _socket
import time

from fapws.lean import Any, Callable
from fapws.supervisor.control.control_socket import VERSION

_READ_SIZE = 65536
_PAUSE = 0.02
_TIMEOUTS = (TimeoutError, _socket.timeout)
"""One and the same from Python 3.10 on."""


OnStep = Callable[[str], None]


class NoReply(Exception):
    """The server listens, but did not reply in time, or not in this protocol."""


class Conversation:
    """One connection to a master. Raises OSError where there is none to connect to."""

    def __init__(self, path: str, seconds: float) -> None:
        """``seconds``: for the whole conversation."""
        self._until = time.monotonic() + seconds
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._received = b""
        try:
            self._sock.settimeout(seconds)
            self._connect(path)
        except BaseException:
            self._sock.close()
            raise

    def _connect(self, path: str) -> None:
        while True:
            try:
                return self._sock.connect(path)
            except BlockingIOError:  # so many others ask that the queue is full
                if time.monotonic() >= self._until:
                    raise
                time.sleep(_PAUSE)

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except ConnectionError:
            return  # a server that has too much to do has said so, and hung up

    def ask(self, command: str, on_step: OnStep | None = None, **arguments: Any) -> dict[str, Any]:
        """The reply to a command; ``on_step`` is told what the server says before. Raises NoReply."""
        import json  # half a megabyte; a start, which becomes the master, finds nobody to talk to

        request = {"v": VERSION, "command": command, **arguments}
        try:
            self._send(json.dumps(request).encode() + b"\n")
            reply = json.loads(self._line())
            while on_step and isinstance(reply, dict) and "step" in reply:
                on_step(str(reply["step"]))
                reply = json.loads(self._line())
        except _TIMEOUTS:
            raise NoReply("no answer in time; it may still finish") from None
        except OSError as error:
            raise NoReply(f"the server hung up: {error.strerror or error}") from None
        except ValueError:
            raise NoReply("the server hung up, or answered in another language") from None
        if not isinstance(reply, dict) or reply.get("v") != VERSION:
            raise NoReply("the server speaks another version of the control protocol")
        return reply

    def wait_for_end(self) -> bool:
        """Waits until the master has gone; False: it has not, in time."""
        try:
            while self._receive():
                pass
        except _TIMEOUTS:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Ends it."""
        self._sock.close()

    def _line(self) -> bytes:
        while b"\n" not in self._received:
            piece = self._receive()
            if not piece:
                return b""
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _receive(self) -> bytes:
        """The next bytes. Raises TimeoutError once the whole time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv(_READ_SIZE)


def ask(
    path: str, command: str, seconds: float, on_step: OnStep | None = None, **arguments: Any
) -> dict[str, Any]:
    """One command, one reply. Raises NoReply, or OSError where no master listens."""
    conversation = Conversation(path, seconds)
    try:
        return conversation.ask(command, on_step, **arguments)
    finally:
        conversation.close()
