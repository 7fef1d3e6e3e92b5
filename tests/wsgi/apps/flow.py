"""Applications about time and order, for behaviours.py: what is on the wire before what is asked for."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from registry import EVENTS, TEXT, Closing, Environ, at_gate, query, raw, valid

# ---- Time and order --------------------------------------------------------------------------


@valid
def stepwise(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Stops at the gate before each piece but the first. size: bytes of a piece, padded with dots."""
    gate = query(environ, "gate")
    size = int(query(environ, "size", "0"))

    def generate() -> Iterator[bytes]:
        for number in range(3):
            if number:
                at_gate(gate, f"before {number}")
            yield (b"step %d" % number).ljust(size, b".")

    start_response("200 OK", TEXT)
    return generate()


@valid
def stepwise_write(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The same with write()."""
    gate = query(environ, "gate")
    write = start_response("200 OK", TEXT)
    write(b"step 0")
    at_gate(gate, "before 1")
    write(b"step 1")
    at_gate(gate, "before 2")
    return [b"step 2"]


@raw
def flood(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Many pieces; records each one and close(), which also knocks at the gate."""
    start_response("200 OK", TEXT)
    count, size = int(query(environ, "n")), int(query(environ, "size", "65536"))
    return Closing((b"f" * size for _ in range(count)), query(environ, "label"), query(environ, "gate"))


@valid
def large(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """One large bytes object of a pattern that shows a lost or doubled part."""
    count = int(query(environ, "n"))
    data = array("Q", range(count // 8)).tobytes()  # at once also where an emulator runs Python
    start_response("200 OK", [*TEXT, ("X-Digest", hashlib.sha256(data).hexdigest())])
    return iter([data]) if query(environ, "kind") == "iterator" else [data]


@raw
def closing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An iterable with close()."""
    start_response("200 OK", TEXT)
    return Closing([b"one", b"two"], "closing")


@raw
def closing_list(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A list with close(): close() is due for any iterable."""

    class List(list):  # type: ignore[type-arg]
        def close(self) -> None:
            EVENTS.append("closing_list close")

    start_response("200 OK", TEXT)
    return List([b"one"])


@raw
def wait(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Stops at the gate inside the application."""
    at_gate(query(environ, "gate"), "inside")
    start_response("200 OK", TEXT)
    return [b"waited"]


@raw
def thread(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Starts a thread that works while the worker has nothing to do."""
    gate = query(environ, "gate")

    def work() -> None:
        total = 0
        for number in range(200_000):
            total += number
        at_gate(gate, f"thread {total}", wait=False)

    threading.Thread(target=work, daemon=True).start()
    start_response("200 OK", TEXT)
    return [b"started"]
