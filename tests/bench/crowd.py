"""How long a client waits while 10,000 idle connections of others close at one moment."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from . import clients, memory, server
from .clients import Goal
from .measure import FAILURES, Say, Setting, reason
from .peers import Recipe

CONNECTIONS = 10_000
PEERS = ("nginx",)
OPEN_SECONDS = 20
QUIET_SECONDS = 0.5  # what the client waits for when nobody leaves
AHEAD_SECONDS = 0.2  # the client has begun when the crowd leaves
ASKING_SECONDS = 1.0
SLOW_BYTES = 64
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Crowd(NamedTuple):
    """One server, round by round: the longest wait of a client that asks without a pause."""

    server: str
    waits_ms: list[float]  # while the crowd left
    quiet_ms: list[float]  # just before, while it was there
    failure: str | None = None


def measure(recipes: Sequence[Recipe], setting: Setting, rounds: int, say: Say) -> list[Crowd]:
    memory.allow_descriptors()
    return [_measure_one(recipe, setting, rounds, say) for recipe in recipes]


def _measure_one(recipe: Recipe, setting: Setting, rounds: int, say: Say) -> Crowd:
    crowd = Crowd(recipe.name, [], [])
    try:
        with server.running(recipe, setting.place(recipe, "crowd"), str(setting.server_core)) as one:
            goal = Goal(one.port, 1, setting.load)
            for number in range(rounds):
                say(f"crowd: {recipe.name}: round {number + 1} of {rounds}")
                quiet, wait = _round(goal, setting)
                crowd.quiet_ms.append(quiet)
                crowd.waits_ms.append(wait)
    except FAILURES as error:
        return crowd._replace(failure=reason(error))
    return crowd


def _round(goal: Goal, setting: Setting) -> tuple[float, float]:
    with _holder(goal, setting) as holder:
        quiet = _longest(_client(goal, QUIET_SECONDS, setting))
        client = _client(goal, ASKING_SECONDS, setting)
        time.sleep(AHEAD_SECONDS)
        holder.kill()  # the kernel closes what it had open
        return quiet, _longest(client)


@contextlib.contextmanager
def _holder(goal: Goal, setting: Setting) -> Iterator[subprocess.Popen[bytes]]:
    """A stopped process with so many connections, on each of which it has been answered."""
    command = [str(goal.load), "-c", str(CONNECTIONS), "-s", str(SLOW_BYTES), "127.0.0.1", str(goal.port)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(setting.on_client_core(command), stdin=pipe, stdout=pipe, stderr=null) as holder:
        assert holder.stdin and holder.stdout
        try:
            holder.stdin.write(REQUEST)
            holder.stdin.close()
            ready, _, _ = select.select([holder.stdout], [], [], OPEN_SECONDS)
            if not ready or not holder.stdout.read1(64):  # type: ignore[attr-defined]
                raise server.ServerError(f"did not answer {CONNECTIONS:,} connections")
            holder.send_signal(signal.SIGSTOP)  # it would go on reading
            yield holder
        finally:
            holder.kill()


def _client(goal: Goal, seconds: float, setting: Setting) -> subprocess.Popen[bytes]:
    command = clients.load_command(goal._replace(seconds=seconds), "-c", "1")
    pipe = subprocess.PIPE
    client = subprocess.Popen(setting.on_client_core(command), stdin=pipe, stdout=pipe, stderr=pipe)
    assert client.stdin
    client.stdin.write(REQUEST)
    client.stdin.close()
    client.stdin = None  # communicate() would flush it
    return client


def _longest(client: subprocess.Popen[bytes]) -> float:
    said, wrong = client.communicate(timeout=OPEN_SECONDS)
    if client.returncode:
        raise clients.ClientError(wrong.decode(errors="replace").strip() or "the client failed")
    return clients.check(clients.parse_load(said.decode())).longest_ms
