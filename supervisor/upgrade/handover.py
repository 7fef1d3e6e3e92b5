"""What a master hands to its successor when it is upgraded in place: one JSON text. Pure.

A newer version may add fields and drop some (fapws/settings/plain.py). What cannot be read that way takes
another VERSION, and then the successor refuses before anything has happened.
"""

from __future__ import annotations

import marshal

from fapws.lean import Any, NamedTuple
from fapws.settings import model
from fapws.settings.plain import KINDS, LISTS, plain, rebuilt
from fapws.settings.source import Source

from ..control import status, troubles
from ..core import turn
from ..core.children import Child, Children
from ..listen import bind, listeners
from ..process import scoreboard, systemd
from ..process.books import Kept
from ..process.saved_worker import SavedWorker

VERSION = 1
WITH_QUEUES = 2
"""Workers have sockets of their own (reuseport), which code that knows only 1 would lose."""
WITH_ZYGOTES = 3
"""Workers are children of zygotes (preload), which code that knows only 2 would take for its own."""


class Saved(NamedTuple):
    """Everything that survives. Descriptors are inherited under their numbers."""

    state: turn.State
    source: Source
    workers: tuple[SavedWorker, ...]
    open: dict[Any, bind.Listener]
    lifeline: int
    lifeline_writer: int
    boards: dict[str, int]
    """Files of the scoreboard by pool."""
    pidfile: int
    """-1: there is none."""
    control: int
    """-1: there is none."""
    control_inode: tuple[int, int] | None
    clients: tuple[int, ...]
    """Descriptors of the clients that wait for the end of the upgrade."""
    began: float
    gone: dict[str, scoreboard.Score]
    deaths: tuple[status.Death, ...]
    service: systemd.Service
    last_reload: status.LastReload | None = None
    other_clients: tuple[int, ...] = ()
    """Descriptors of the clients that have connected to the control socket and were not heard yet."""
    error_log: int = -1
    """-1: it is standard error."""
    access_logs: tuple[tuple[str, int], ...] = ()
    """By their targets."""
    monitors: tuple[tuple[str, bind.Listener], ...] = ()
    """Where the master answers about itself, by option."""
    gone_tallies: tuple[tuple[str, tuple[int, ...]], ...] = ()
    gone_busy: tuple[tuple[str, int], ...] = ()
    books: Kept | None = None
    """What has been counted for metrics; see Workers and Books."""
    drain_clients: tuple[tuple[str, int], ...] = ()
    """Descriptors of the clients that wait for the end of a drain, behind what they wait for."""
    troubles: tuple[troubles.Trouble, ...] = ()


def descriptors_of(saved: Saved) -> list[int]:
    """What the successor inherits."""
    single = (saved.lifeline, saved.lifeline_writer, saved.pidfile, saved.control, *saved.boards.values())
    logs = (saved.error_log, *(fd for _, fd in saved.access_logs))
    channels = (fd for worker in saved.workers for fd in (worker.channel, worker.output, worker.pidfd))
    sockets = (listener.fd for listener in (*saved.open.values(), *dict(saved.monitors).values()))
    clients = (*saved.clients, *saved.other_clients, *(fd for _, fd in saved.drain_clients))
    return [fd for fd in (*single, *logs, *channels, *sockets, *clients) if fd >= 0]


_KINDS: dict[str, Any] = {
    **KINDS,
    **{
        kind.__name__: kind
        for kind in (
            *(Child, Saved, SavedWorker, Source, listeners.Key, systemd.Service, scoreboard.Score),
            *(bind.Listener, status.Death, status.LastReload, troubles.Trouble, turn.State, turn.Drain, Kept),
            turn.Zygote,
        )
    },
}
_LISTS = {**LISTS, "children": Children}


class Unreadable(Exception):
    """The text is of another version."""


def encode(saved: Saved) -> str:
    """The text."""
    import json

    version = WITH_QUEUES if any(key.slot for key in saved.open) else VERSION
    if saved.state.zygotes or any(child.zygote for child in saved.state.children):
        version = WITH_ZYGOTES
    return json.dumps({"version": version, "layout": scoreboard.LAYOUT, "saved": plain(saved, _LISTS)})


def decode(text: str) -> Saved:
    """The opposite. Raises Unreadable."""
    import json

    data = json.loads(text)
    if data["version"] not in (VERSION, WITH_QUEUES, WITH_ZYGOTES) or data["layout"] != scoreboard.LAYOUT:
        raise Unreadable("the running master is of a version that this one cannot take over from; restart")
    saved = rebuilt(data["saved"], _KINDS, _LISTS)
    assert isinstance(saved, Saved)
    return saved


def encode_config(config: model.Config) -> bytes:
    """A configuration alone, from a child of this very program. Not as JSON, whose module is large."""
    return marshal.dumps(plain(config))


def decode_config(data: bytes) -> model.Config:
    """The opposite."""
    config = rebuilt(marshal.loads(data))
    assert isinstance(config, model.Config)
    return config
