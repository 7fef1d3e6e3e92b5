"""What the applications of the tests share: a registry by name, the record of events, the gate.

Those marked ``valid`` keep to PEP 3333 and run inside wsgiref.validate, which raises on anything the
server does wrong; those marked ``raw`` break a rule on purpose or ask for what the validator forbids.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from urllib.parse import parse_qs
from wsgiref.validate import validator

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

TEXT = [("Content-Type", "text/plain")]
EVENTS: list[str] = []
"""What happened in iterators and handlers; GET /events takes the list."""

VALID: dict[str, Application] = {}
RAW: dict[str, Application] = {}


def valid(app: Application) -> Application:
    """Registers an application that keeps the rules."""
    VALID[app.__name__] = validator(app)
    return app


def raw(app: Application) -> Application:
    """Registers an application that does not."""
    RAW[app.__name__] = app
    return app


def query(environ: Environ, key: str, default: str = "") -> str:
    """One value of the query."""
    values = parse_qs(str(environ["QUERY_STRING"])).get(key, [default])
    return values[0]


def at_gate(path: str, word: str, wait: bool = True) -> None:
    """Tells the test that this place was reached and waits for its leave (at most 60 s)."""
    with socket.socket(socket.AF_UNIX) as gate:
        gate.settimeout(60)
        gate.connect(path)
        gate.sendall(word.encode() + b"\n")
        if wait:
            gate.recv(1)


class Closing:
    """An iterator that records each call of close()."""

    def __init__(self, pieces: Iterable[Any], label: str, gate: str = "") -> None:
        self.pieces = iter(pieces)
        self.label = label
        self.gate = gate

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self.pieces)
        EVENTS.append(f"{self.label} piece")
        return piece

    def close(self) -> None:
        EVENTS.append(f"{self.label} close")
        if self.gate:
            at_gate(self.gate, "close", wait=False)
