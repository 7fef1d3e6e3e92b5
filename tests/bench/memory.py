"""Memory of a server: at rest, after 1,000 connections, with 10,000 that are idle."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from . import plan, proc, server
from .measure import FAILURES, Say, Setting, client, reason
from .peers import Recipe
from .server import Server

REST_SECONDS = 2  # gunicorn goes on importing after its first answer
SETTLE_SECONDS = 1
USED, IDLE = 1_000, 10_000  # connections
BATCH = 250  # opened at once: less than any server's queue
BATCH_SECONDS = 2.0
DESCRIPTORS = 12_500
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
END = b"Hello world!"


class Phases(NamedTuple):
    """One start of a server."""

    rest: proc.Memory  # after one request
    used: proc.Memory  # after USED connections at once, each with one request
    idle: proc.Memory | None  # with IDLE connections open, each answered once; None: it has not got that many
    held: int  # how many of IDLE were open, answered and not closed by the server


class Rest(NamedTuple):
    """The memory of one server, of several fresh starts."""

    server: str
    starts: list[Phases]
    alone: bool = True  # nobody else ran the same program file
    failure: str | None = None


def measure(recipes: Sequence[Recipe], setting: Setting, rounds: int, say: Say) -> list[Rest]:
    """One server at a time, fresh."""
    allow_descriptors()
    return [_measure_one(recipe, setting, plan.memory_starts(recipe.near, rounds), say) for recipe in recipes]


def allow_descriptors() -> None:
    """The servers inherit it, the clients need it. Root may raise the hard limit too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(DESCRIPTORS, soft)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def _measure_one(recipe: Recipe, setting: Setting, starts: int, say: Say) -> Rest:
    say(f"memory: {recipe.name}")
    rest = Rest(recipe.name, [])
    for _ in range(starts):
        try:
            place = setting.place(recipe, "memory")
            with server.running(recipe, place, str(setting.server_core)) as one:
                phases, alone = _phases(one, setting)
                rest.starts.append(phases)
                rest = rest._replace(alone=rest.alone and alone)
        except FAILURES as error:
            return rest._replace(failure=reason(error))
    return rest


def _phases(one: Server, setting: Setting) -> tuple[Phases, bool]:
    time.sleep(REST_SECONDS)
    pids = one.pids()
    at_rest, alone = proc.memory(pids), not proc.strangers(pids)
    # HTTP/1.0 without keep-alive: so that servers that keep one connection at a time do it too.
    url = f"http://127.0.0.1:{one.port}/"
    client(["ab", "-q", f"-n{USED}", f"-c{USED}", url], b"", setting, REST_SECONDS)
    time.sleep(SETTLE_SECONDS)
    used = proc.memory(one.pids())
    with contextlib.ExitStack() as stack:
        held = _connections(one, IDLE, stack)
        time.sleep(SETTLE_SECONDS)
        open_still = sum(not _closed(connection) for connection in held)
        if one.process.poll() is not None:
            raise server.ServerError(f"ended with {len(held):,} connections")
        idle = proc.memory(one.pids())
    return Phases(at_rest, used, idle if open_still == IDLE else None, open_still), alone


def _connections(one: Server, count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """So many connections, each answered once and left open; fewer when the server has no more."""
    answered: list[socket.socket] = []
    while len(answered) < count:
        batch = min(BATCH, count - len(answered))
        ready = _batch(one, batch, stack)
        answered += ready
        if len(ready) < batch:
            break
    return answered


def _batch(one: Server, count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    answered = []
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            try:
                connection = socket.create_connection(("127.0.0.1", one.port), timeout=BATCH_SECONDS)
                stack.enter_context(connection)
                connection.sendall(REQUEST)
            except OSError:  # its queue is full, or it has hung up
                break
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + BATCH_SECONDS
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                connection = key.fileobj  # type: ignore[assignment]
                try:
                    piece = connection.recv(4096)
                except OSError:
                    piece = b""
                key.data.extend(piece)
                if not piece or key.data.endswith(END):
                    selector.unregister(connection)
                    answered += [connection] if piece else []
    return answered


def _closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
