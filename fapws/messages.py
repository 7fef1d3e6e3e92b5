"""What a master and its worker say to each other over their socketpair.

Each message is a NamedTuple; ``encode`` and ``Decoder.feed`` are the only places that know the bytes:
one type byte, four bytes of length (big-endian), then the payload (UTF-8).
"""

from __future__ import annotations

from fapws.lean import NamedTuple, Union


class Ready(NamedTuple):
    """Worker to master: the application is loaded and the listeners are armed."""


class Failed(NamedTuple):
    """Worker to master: it cannot boot. The worker exits after this."""

    reason: str
    """The application's traceback, or a sentence; ends in a newline."""


class Changed(NamedTuple):
    """Worker to master (autoreload): a source file of the application has changed."""

    path: str


class Drain(NamedTuple):
    """Master to worker: a replacement serves; stop accepting at once, finish, exit."""


class TurnAway(NamedTuple):
    """Master to worker: serve on, but end connections, and say that no client is to be sent here."""


class Welcome(NamedTuple):
    """Master to worker: TurnAway is over."""


class Ping(NamedTuple):
    """Master to worker: give a sign of life. Its arrival wakes the worker's loop, and that is one."""


class Reopened(NamedTuple):
    """Master to worker: logs were opened anew; their descriptors come along, in this order."""

    logs: str
    """Words: ``error``, ``access``."""


class Broken(NamedTuple):
    """Master to worker (autoreload): a reload has failed; files that the reason names are watched too."""

    reason: str


Message = Union[Ready, Failed, Changed, Drain, TurnAway, Welcome, Ping, Reopened, Broken]

FROM_WORKER: frozenset[type[Message]] = frozenset((Ready, Failed, Changed))
FROM_MASTER: frozenset[type[Message]] = frozenset((Drain, TurnAway, Welcome, Ping, Reopened, Broken))

_TYPES: dict[bytes, type[Message]] = {
    b"R": Ready,
    b"F": Failed,
    b"C": Changed,
    b"D": Drain,
    b"A": TurnAway,
    b"W": Welcome,
    b"P": Ping,
    b"L": Reopened,
    b"B": Broken,
}
_LETTERS = {kind: letter for letter, kind in _TYPES.items()}
_HEAD = 5
MAX_PAYLOAD = 256 * 1024
"""Bytes; a longer text is cut, so that a message never blocks a socketpair for long."""


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    payload = "".join(message).encode("utf-8", "replace")[:MAX_PAYLOAD]
    return _LETTERS[type(message)] + len(payload).to_bytes(4, "big") + payload


class Decoder:
    """Turns a stream of bytes back into messages; bytes may come in any pieces."""

    def __init__(self, allowed: frozenset[type[Message]]) -> None:
        """``allowed``: what the other side may say."""
        self._allowed = allowed
        self._buffer = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises ValueError on bytes that are no allowed message."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while len(self._buffer) - at >= _HEAD:
            kind = _TYPES.get(self._buffer[at : at + 1])
            size = int.from_bytes(self._buffer[at + 1 : at + _HEAD], "big")
            if kind not in self._allowed or size > (MAX_PAYLOAD if kind._fields else 0):
                raise ValueError(f"not a message: {self._buffer[at : at + 16]!r}")
            end = at + _HEAD + size
            if len(self._buffer) < end:
                break
            payload = self._buffer[at + _HEAD : end].decode("utf-8", "replace")
            at = end
            messages.append(kind(payload) if kind._fields else kind())
        self._buffer = self._buffer[at:]
        return messages
