"""What a master hands to its successor when it is upgraded in place: one JSON text. Pure.

Every NamedTuple is written with its name and field names, so that a newer version may add fields
(which get their defaults) or drop some (which are ignored). What cannot be read that way takes
another VERSION, and then the successor refuses before anything has happened.
"""

from __future__ import annotations

import marshal

from fapws.lean import Any, NamedTuple
from fapws.settings import model
from fapws.settings.environment import Environment
from fapws.settings.source import Source

from ..control import status
from ..core import turn
from ..core.children import Child, Children
from ..listen import bind, listeners
from ..process import scoreboard, systemd
from ..process.workers import SavedWorker

VERSION = 1
WITH_QUEUES = 2
"""Workers have sockets of their own (reuseport), which code that knows only 1 would lose."""


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


def descriptors_of(saved: Saved) -> list[int]:
    """What the successor inherits."""
    single = (saved.lifeline, saved.lifeline_writer, saved.pidfile, saved.control, *saved.boards.values())
    logs = (saved.error_log, *(fd for _, fd in saved.access_logs))
    channels = (fd for worker in saved.workers for fd in (worker.channel, worker.output))
    sockets = (listener.fd for listener in saved.open.values())
    clients = (*saved.clients, *saved.other_clients)
    return [fd for fd in (*single, *logs, *channels, *sockets, *clients) if fd >= 0]


_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(model.Address, model.Config, model.Limits, model.Network, model.Pool),
        *(Child, Saved, SavedWorker, Source, listeners.Key, systemd.Service, scoreboard.Score),
        *(bind.Listener, status.Death, status.LastReload, turn.State),
    )
}


class Unreadable(Exception):
    """The text is of another version."""


def encode(saved: Saved) -> str:
    """The text."""
    import json

    version = WITH_QUEUES if any(key.slot for key in saved.open) else VERSION
    return json.dumps({"version": version, "layout": scoreboard.LAYOUT, "saved": _encode(saved)})


def decode(text: str) -> Saved:
    """The opposite. Raises Unreadable."""
    import json

    data = json.loads(text)
    if data["version"] not in (VERSION, WITH_QUEUES) or data["layout"] != scoreboard.LAYOUT:
        raise Unreadable("the running master is of a version that this one cannot take over from; restart")
    saved = _decode(data["saved"])
    assert isinstance(saved, Saved)
    return saved


def encode_config(config: model.Config) -> bytes:
    """A configuration alone, from a child of this very program. Not as JSON, whose module is large."""
    return marshal.dumps(_encode(config))


def decode_config(data: bytes) -> model.Config:
    """The opposite."""
    config = _decode(marshal.loads(data))
    assert isinstance(config, model.Config)
    return config


def _encode(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        fields = {name: _encode(field) for name, field in value._asdict().items()}
        return {"is": type(value).__name__, "fields": fields}
    if isinstance(value, Children):
        return {"is": "children", "of": [_encode(child) for child in value]}
    if isinstance(value, Environment):
        return {"is": "environment", "of": [_encode(pair) for pair in value]}
    if isinstance(value, frozenset):
        return {"is": "frozenset", "of": sorted(value)}
    if isinstance(value, dict):
        return {"is": "dict", "of": [[_encode(key), _encode(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    assert value is None or isinstance(value, (str, int, float)), value
    return value


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_decode(item) for item in data)
    if not isinstance(data, dict):
        return data
    name = data["is"]
    if name == "children":
        return Children(tuple(_decode(child) for child in data["of"]))
    if name == "environment":
        return Environment(_decode(pair) for pair in data["of"])
    if name == "frozenset":
        return frozenset(data["of"])
    if name == "dict":
        return {_decode(key): _decode(item) for key, item in data["of"]}
    kind = _KINDS[name]
    known = set(kind._fields)
    return kind(**{key: _decode(item) for key, item in data["fields"].items() if key in known})
