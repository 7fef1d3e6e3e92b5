"""Interleaved rounds: every server in turn, each round with the CPU time that it took."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from . import clients, proc, server
from .peers import Place, Recipe
from .plan import Plan
from .server import Facts, Server
from .workloads import SLOW_REQUEST, Workload

CLIENT_GRACE_SECONDS = 30  # beyond the round's own length; ab has a fixed number of requests and no clock
SLOW_BYTES = 2048  # ten times a second, of each slow reader
SLOW_BEGIN_SECONDS = 15

Say = Callable[[str], None]
FAILURES = (
    server.ServerError,
    clients.ClientError,
    OSError,
    ValueError,
    http.client.HTTPException,
    subprocess.SubprocessError,
)


class Setting(NamedTuple):
    """Where everything is, and on which cores it runs."""

    bin: Path
    pypy_bin: Path
    apps: Path
    scratch: Path
    public: Path
    load: Path
    server_core: int
    client_core: int

    def place(self, recipe: Recipe, purpose: str) -> Place:
        where = self.pypy_bin if recipe.pypy else self.bin
        return Place(where, self.apps, self.scratch / f"{purpose}-{recipe.name}", self.public)

    def on_client_core(self, command: Sequence[str]) -> list[str]:
        return ["taskset", "-c", str(self.client_core), *command]

    def on_server_core(self, command: Sequence[str]) -> list[str]:
        """Where a burst is sent from: neither wakes the other before it has done all its work."""
        return [*server.BATCH, "taskset", "-c", str(self.server_core), *command]


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


def reason(error: BaseException) -> str:
    """Why it failed, in one line."""
    return (str(error) or repr(error)).strip().splitlines()[0][:200]


def asked(recipe: Recipe, workload: Workload, told: bool) -> bool:
    """Whether the server is measured in this row: all that can when they are named (told), else a few.

    A server that costs many times as much is in the rows that show it: its rounds take time from
    those that are close together.
    """
    if recipe.does is not None and workload.name not in recipe.does:
        return False
    ours = recipe.name == "fapws"
    return told or ours or workload.peers is None or recipe.name in workload.peers


def near(recipe: Recipe, workload: Workload) -> bool:
    """Whether the server gets all rounds of this row."""
    return recipe.near and recipe.name not in workload.far


def speed(
    recipes: Sequence[Recipe], workload: Workload, setting: Setting, plan: Plan, say: Say
) -> list[Speed]:
    """All servers run side by side, idle but for the one whose turn it is: A B C A B C."""
    results: dict[str, Speed] = {}
    with contextlib.ExitStack() as stack:
        servers = []
        for recipe in recipes:
            try:
                one = stack.enter_context(_started(recipe, workload, setting))
                results[recipe.name] = Speed(recipe.name, [], _facts(one, workload))
                asked = _with_cookie(one, workload)
                _round(one, asked, setting, min(recipe.warm_up, plan.seconds_of(True, workload.fixed) * 5))
                servers.append((one, asked))
            except FAILURES as error:
                results[recipe.name] = Speed(recipe.name, [], failure=reason(error))
                say(f"{workload.name}: {recipe.name} fails: {reason(error)}")
        for number in range(plan.rounds):
            say(f"{workload.name}: round {number + 1} of {plan.rounds}")
            for one, asked in list(servers):
                name = one.recipe.name
                is_near = near(one.recipe, workload)
                if number >= plan.rounds_of(is_near):
                    continue
                try:
                    seconds = plan.seconds_of(is_near, workload.fixed)
                    results[name].rounds.append(_round(one, asked, setting, seconds))
                except FAILURES as error:
                    results[name] = results[name]._replace(failure=reason(error))
                    say(f"{workload.name}: {name} fails: {reason(error)}")
                    servers.remove((one, asked))
    return list(results.values())


def _facts(one: Server, workload: Workload) -> Facts:
    facts = server.probe(one, workload.asks)
    if workload.depth > 1:
        server.probe_pipeline(one, workload.depth)
    return facts._replace(closes=server.calls_close(one)) if workload.counts_closes else facts


def _with_cookie(one: Server, workload: Workload) -> Workload:
    if not workload.session:
        return workload
    head, end = workload.request[:-2], workload.request[-2:]
    return workload._replace(request=head + server.cookie(one) + end)


def _started(
    recipe: Recipe, workload: Workload, setting: Setting
) -> contextlib.AbstractContextManager[Server]:
    place = setting.place(recipe, workload.name)
    place = place._replace(workers=workload.workers, settings=workload.settings, files=workload.files)
    core = str(setting.server_core)
    return server.running(recipe, place, core, workload.app, workload.asks[0], workload.burst)


def _round(one: Server, workload: Workload, setting: Setting, seconds: float) -> Round:
    goal = clients.Goal(one.port, seconds, setting.load)
    with contextlib.ExitStack() as stack:
        if workload.readers:
            stack.enter_context(slow_readers(goal, workload.readers, setting))
        pids = one.pids()
        cpu, began = proc.cpu_seconds(pids), time.monotonic()
        said = client(workload.command(goal), workload.request, setting, seconds, workload.burst)
        elapsed = time.monotonic() - began
        try:
            cpu = proc.cpu_seconds(pids) - cpu
        except OSError:
            raise server.ServerError("a process of the server ended under load") from None
    answered = clients.check(workload.parse(said))
    return Round(answered, cpu * 1e6 / answered.requests, cpu / elapsed)


def client(
    command: Sequence[str], request: bytes, setting: Setting, seconds: float, burst: bool = False
) -> str:
    """Run a client on its core to its end. Returns what it printed; raises ClientError when it failed."""
    try:
        ran = subprocess.run(
            setting.on_server_core(command) if burst else setting.on_client_core(command),
            input=request,
            capture_output=True,
            check=False,
            timeout=seconds + CLIENT_GRACE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise clients.ClientError(
            f"the client had not ended after {seconds + CLIENT_GRACE_SECONDS:.0f} s"
        ) from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        raise clients.ClientError(said[-1] if said else f"{command[0]} ended with {ran.returncode}")
    return ran.stdout.decode(errors="replace")


@contextlib.contextmanager
def slow_readers(goal: clients.Goal, count: int, setting: Setting) -> Iterator[None]:
    """So many connections that read a large answer slowly, while the block runs."""
    command = [str(goal.load), "-c", str(count), "-s", str(SLOW_BYTES), "127.0.0.1", str(goal.port)]
    readers = subprocess.Popen(
        setting.on_client_core(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert readers.stdin and readers.stdout
        readers.stdin.write(SLOW_REQUEST)
        readers.stdin.close()
        ready, _, _ = select.select([readers.stdout], [], [], SLOW_BEGIN_SECONDS)
        if not ready:
            readers.send_signal(signal.SIGTERM)
            served = re.search(rb"served (\d+)", readers.stdout.read())
            number = int(served.group(1)) if served else 0
            raise server.ServerError(f"began to answer {number:,} of {count:,} slow readers only")
        if not os.read(readers.stdout.fileno(), 64):
            raise server.ServerError(f"did not let in {count:,} slow readers")
        yield
    finally:
        readers.kill()
        readers.wait()
        for pipe in (readers.stdin, readers.stdout):
            if pipe:
                pipe.close()


def cores() -> tuple[int, int]:
    """A core for the server and another for the client."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise OSError("the bench needs two cores: one for the server, one for the client")
    return mine[0], mine[1]
