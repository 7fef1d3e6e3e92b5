"""What a master and its worker say to each other over their socketpair.

Each message is a NamedTuple; ``encode`` and ``Decoder.feed`` are the only places that know the bytes:
one type byte, four bytes of length (big-endian), then the payload (UTF-8). Stacks are different, because the
handler of a signal writes them, piece by piece: ``S``, the text, NUL (csrc/sys/stacks.c).
"""

from __future__ import annotations

from fapws.lean import NamedTuple, Union


class Ready(NamedTuple):
    """Worker to master: the application is loaded and the listeners are armed."""

    told: str = ""
    """Lines on what its operator should know, though it serves: see fapws.worker.warmup."""


class Failed(NamedTuple):
    """Worker to master: it cannot boot. The worker exits after this."""

    reason: str
    """The application's traceback, or a sentence; ends in a newline."""


class Changed(NamedTuple):
    """Worker to master (autoreload): a source file of the application has changed."""

    path: str


class Stacks(NamedTuple):
    """Worker to master, on SIGUSR2: the Python stacks of all its threads, whatever it is doing."""

    text: str


class Profiled(NamedTuple):
    """Worker to master: what it has found of itself; see fapws.worker.profiler."""

    text: str


class Profile(NamedTuple):
    """Master to worker: look at yourself for a while, and tell."""

    order: str
    """Seconds, and ``time`` or ``memory``."""


class Drain(NamedTuple):
    """Master to worker: a replacement serves; stop accepting at once, finish, exit."""


class TurnAway(NamedTuple):
    """Master to worker: serve on, but end connections, and say that no client is to be sent here."""


class Welcome(NamedTuple):
    """Master to worker: TurnAway is over."""


class Renew(NamedTuple):
    """Master to worker: each connection that is open now ends with its next response, later ones are kept. A
    client that keeps its connections so comes to know a worker that is new."""


class Ping(NamedTuple):
    """Master to worker: give a sign of life. Its arrival wakes the worker's loop, and that is one."""


class Reopened(NamedTuple):
    """Master to worker: logs were opened anew; their descriptors come along, in this order."""

    logs: str
    """Words: ``error``, ``access``."""


class Broken(NamedTuple):
    """Master to worker (autoreload): a reload has failed; files that the reason names are watched too."""

    reason: str


class Beget(NamedTuple):
    """Master to zygote: fork a worker. What it needs comes along: a file that says what, and descriptors."""

    order: str
    """Its number."""


class Strike(NamedTuple):
    """Master to zygote: send a worker a signal, unless it has been reaped."""

    order: str
    """Its number, and the signal's."""


class Born(NamedTuple):
    """Zygote to master: a worker was forked."""

    told: str
    """Its number and its PID."""


class Unborn(NamedTuple):
    """Zygote to master: a worker cannot be forked."""

    told: str
    """Its number, and why."""


class Waited(NamedTuple):
    """Zygote to master: waitpid() has told of a worker."""

    told: str
    """Its number, and the status as waitpid() gives it."""


Message = Union[
    Ready,
    Failed,
    Changed,
    Stacks,
    Profiled,
    Profile,
    Drain,
    TurnAway,
    Welcome,
    Renew,
    Ping,
    Reopened,
    Broken,
    Beget,
    Strike,
    Born,
    Unborn,
    Waited,
]

FROM_WORKER: frozenset[type[Message]] = frozenset((Ready, Failed, Changed, Stacks, Profiled))
FROM_MASTER: frozenset[type[Message]] = frozenset(
    (Drain, TurnAway, Welcome, Renew, Ping, Reopened, Broken, Profile)
)

FROM_ZYGOTE: frozenset[type[Message]] = frozenset((Ready, Failed, Stacks, Born, Unborn, Waited))
TO_ZYGOTE: frozenset[type[Message]] = frozenset((Beget, Strike))

_TYPES: dict[bytes, type[Message]] = {
    b"R": Ready,
    b"F": Failed,
    b"C": Changed,
    b"D": Drain,
    b"A": TurnAway,
    b"W": Welcome,
    b"E": Renew,
    b"P": Ping,
    b"L": Reopened,
    b"B": Broken,
    b"X": Profile,
    b"Y": Profiled,
    b"G": Beget,
    b"K": Strike,
    b"N": Born,
    b"U": Unborn,
    b"V": Waited,
}
_STACKS, _STACKS_END = b"S", b"\0"
_LETTERS = {kind: letter for letter, kind in _TYPES.items()}
_HEAD = 5
MAX_PAYLOAD = 256 * 1024
"""Bytes; a longer text is cut, so that a message never blocks a socketpair for long."""
STACKS_SENT = 16 * 2**20
"""Bytes of stacks that are read; more than 100 frames each of 100 threads, which faulthandler shows, take."""
PROFILE_SECONDS_MAX = 600.0
"""How long a worker may be asked to look at itself."""
_CUT = b"\n(more than that is left out)\n"


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
        self._stacks = b""
        """What has come of stacks, with their first byte; MAX_PAYLOAD of it at most."""
        self._stacks_sent = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises ValueError on bytes that are no allowed message."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while at < len(self._buffer):
            stacks = self._stacks or self._buffer[at : at + 1] == _STACKS
            message, end = self._stacks_from(at) if stacks else self._message_from(at)
            if message is not None:
                messages.append(message)
            if at == end:
                break
            at = end
        self._buffer = self._buffer[at:]
        return messages

    @property
    def unfinished(self) -> bool:
        """Whether the rest of a message is still to come."""
        return bool(self._buffer or self._stacks)

    def last_words(self) -> list[Message]:
        """At the end of the stream: stacks that were not whole."""
        return [self._whole_stacks()] if self._stacks else []

    def _message_from(self, at: int) -> tuple[Message | None, int]:
        """A message that begins there, and where it ends; none, and the same place: more is to come."""
        if len(self._buffer) - at < _HEAD:
            return None, at
        kind = _TYPES.get(self._buffer[at : at + 1])
        size = int.from_bytes(self._buffer[at + 1 : at + _HEAD], "big")
        if kind not in self._allowed or size > (MAX_PAYLOAD if kind._fields else 0):
            raise ValueError(f"not a message: {self._buffer[at : at + 16]!r}")
        end = at + _HEAD + size
        if len(self._buffer) < end:
            return None, at
        payload = self._buffer[at + _HEAD : end].decode("utf-8", "replace")
        return (kind(payload) if kind._fields else kind()), end

    def _stacks_from(self, at: int) -> tuple[Message | None, int]:
        """Takes what there is of stacks: they may be long, and only a part is kept."""
        end = self._buffer.find(_STACKS_END, at)
        piece = self._buffer[at:] if end < 0 else self._buffer[at:end]
        self._stacks_sent += len(piece)
        if Stacks not in self._allowed or self._stacks_sent > STACKS_SENT:
            raise ValueError(f"not a message: {piece[:16]!r}")
        self._stacks += piece[: MAX_PAYLOAD - len(self._stacks)]
        if end < 0:
            return None, len(self._buffer)
        return self._whole_stacks(), end + 1

    def _whole_stacks(self) -> Stacks:
        cut = _CUT if self._stacks_sent > len(self._stacks) else b""
        text = (self._stacks[1:] + cut).decode("utf-8", "replace")
        self._stacks, self._stacks_sent = b"", 0
        return Stacks(text)
