"""The measurements themselves: interleaved rounds, and memory at rest."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import time
from pathlib import Path
from typing import Callable, NamedTuple

from . import clients, proc, server
from .peers import Place, Recipe
from .server import Facts, Server
from .workloads import Workload

WARM_UP_SECONDS = 1
CLIENT_GRACE_SECONDS = 120  # beyond the round's own length; ab has a fixed number of requests and no clock
MEMORY_STARTS = 3
REST_SECONDS = 2  # gunicorn goes on importing after its first answer

Say = Callable[[str], None]
FAILURES = (
    server.ServerError,
    clients.ClientError,
    OSError,
    http.client.HTTPException,
    subprocess.TimeoutExpired,
)


class Setting(NamedTuple):
    bin: Path
    apps: Path
    scratch: Path
    server_core: int
    client_core: int
    rounds: int
    seconds: int

    def place(self, name: str) -> Place:
        return Place(self.bin, self.apps, self.scratch / name)


class Round(NamedTuple):
    answered: clients.Answered
    cpu_us: float  # server CPU microseconds per request
    busy: float  # share of its core that the server used


class Speed(NamedTuple):
    """One server under one workload. A failure says why rounds are missing."""

    server: str
    rounds: list[Round]
    facts: Facts | None = None
    failure: str | None = None


class Rest(NamedTuple):
    """The memory of one server after one request, of several fresh starts."""

    server: str
    starts: list[proc.Memory]
    alone: bool = True  # nobody else ran the same program file
    failure: str | None = None


def speed(recipes: list[Recipe], workload: Workload, setting: Setting, say: Say) -> list[Speed]:
    """All servers run side by side, idle but for the one whose turn it is: A B C A B C."""
    results: dict[str, Speed] = {}
    with contextlib.ExitStack() as stack:
        servers = []
        for recipe in recipes:
            place = setting.place(f"{workload.name}-{recipe.name}")
            try:
                started = server.running(recipe, place, setting.server_core, workload.function)
                one = stack.enter_context(started)
                results[recipe.name] = Speed(recipe.name, [], server.probe(one))
                _round(one, workload, setting, WARM_UP_SECONDS)
                servers.append(one)
            except FAILURES as error:
                results[recipe.name] = Speed(recipe.name, [], failure=str(error) or repr(error))
        for number in range(1, setting.rounds + 1):
            say(f"{workload.name}: round {number} of {setting.rounds}")
            for one in list(servers):
                name = one.recipe.name
                try:
                    results[name].rounds.append(_round(one, workload, setting, setting.seconds))
                except FAILURES as error:
                    results[name] = results[name]._replace(failure=str(error) or repr(error))
                    servers.remove(one)
    return list(results.values())


def memory(recipes: list[Recipe], setting: Setting, say: Say) -> list[Rest]:
    """One server at a time, fresh, after one request."""
    return [_rest(recipe, setting, say) for recipe in recipes]


def _rest(recipe: Recipe, setting: Setting, say: Say) -> Rest:
    say(f"memory: {recipe.name}")
    rest = Rest(recipe.name, [])
    for _ in range(MEMORY_STARTS):
        try:
            with server.running(recipe, setting.place(f"memory-{recipe.name}"), setting.server_core) as one:
                time.sleep(REST_SECONDS)
                pids = one.pids()
                rest.starts.append(proc.memory(pids))
                rest = rest._replace(alone=rest.alone and not proc.strangers(pids))
        except FAILURES as error:
            return rest._replace(failure=str(error) or repr(error))
    return rest


def _round(one: Server, workload: Workload, setting: Setting, seconds: int) -> Round:
    client = ["taskset", "-c", str(setting.client_core), *workload.command(one.url, seconds)]
    pids = one.pids()
    cpu, began = proc.cpu_seconds(pids), time.monotonic()
    ran = subprocess.run(
        client, capture_output=True, text=True, check=False, timeout=seconds + CLIENT_GRACE_SECONDS
    )
    elapsed = time.monotonic() - began
    if not set(pids) <= set(one.pids()):
        raise server.ServerError("a process of the server ended under load")
    cpu = proc.cpu_seconds(pids) - cpu
    if ran.returncode:
        raise clients.ClientError((ran.stderr.strip().splitlines() or [f"{workload.tool} failed"])[-1])
    answered = clients.check(workload.parse(ran.stdout))
    return Round(answered, cpu * 1e6 / answered.requests, cpu / elapsed)


def cores() -> tuple[int, int]:
    """A core for the server and another for the client."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise OSError("the bench needs two cores: one for the server, one for the client")
    return mine[0], mine[1]
