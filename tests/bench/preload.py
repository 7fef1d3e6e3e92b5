"""Memory that workers share with the process that has imported the application, and how soon one is back.

Asked for by its name (ONLY=preload); a whole run has no time for it.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from . import proc, server, startup
from .measure import FAILURES, Say, Setting, client, reason
from .peers import FAPWS, PEERS, Place, Recipe
from .server import Server

FRAMEWORKS = ("Django",)
APP = "django_large:application"
WORKERS = 8
MANY_WORKERS = 200
REQUESTS = 10_000
SECONDS = 60  # for so many requests
SETTLE_SECONDS = 2.0
SAME_KB = 256
BOOT_SECONDS = 20.0
STARTS = 3
PRELOADED = ("preload = yes",)


class Way(NamedTuple):
    """How a server is run."""

    name: str
    recipe: Recipe
    settings: tuple[str, ...] = ()


class Preload(NamedTuple):
    """One way, start by start. Memory in kB, medians over the workers."""

    way: str
    pss_start: list[float]
    uss_start: list[float]
    pss_used: list[float]
    uss_used: list[float]
    total_used: list[float]  # of all processes
    refill_ms: list[float]  # from the KILL of every worker to the next answer
    many_ms: list[float]  # fapws, preload: until MANY_WORKERS are READY
    failure: str | None = None


def ways() -> list[Way]:
    """Fapws with and without, and the two that share what they have imported."""
    alone = PEERS["gunicorn"].command

    def preloading(place: Place, port: int, app: str) -> list[str]:
        *words, what = alone(place, port, app)
        return [*words, "--preload", "--workers", str(place.workers), what]

    shared = PEERS["gunicorn"]._replace(command=preloading)
    return [
        Way("fapws, preload", FAPWS, PRELOADED),
        Way("fapws", FAPWS),
        Way("gunicorn --preload", shared),
        Way("uwsgi", PEERS["uwsgi"]),
    ]


def measure(names: Sequence[str], setting: Setting, say: Say) -> list[Preload]:
    """Those of the servers that are there."""
    return [_measure_one(way, setting, say) for way in ways() if way.recipe.name in names]


def _measure_one(way: Way, setting: Setting, say: Say) -> Preload:
    found = Preload(way.name, [], [], [], [], [], [], [])
    for number in range(STARTS):
        say(f"preload: {way.name}: {number + 1} of {STARTS}")
        try:
            place = setting.place(way.recipe, "preload")._replace(workers=WORKERS, settings=way.settings)
            with server.running(way.recipe, place, str(setting.server_core), APP) as one:
                _look(one, setting, found)
            if way.settings == PRELOADED:
                found.many_ms.append(_many(setting))
        except FAILURES as error:
            return found._replace(failure=reason(error))
    return found


def _look(one: Server, setting: Setting, found: Preload) -> None:
    workers = _workers(one)
    _settle(workers)
    pss, uss = _medians(workers)
    found.pss_start.append(pss)
    found.uss_start.append(uss)
    client(["ab", "-q", f"-n{REQUESTS}", "-c16", f"http://127.0.0.1:{one.port}/"], b"", setting, SECONDS)
    pss, uss = _medians(workers)
    found.pss_used.append(pss)
    found.uss_used.append(uss)
    found.total_used.append(proc.memory(one.pids()).pss_kb)
    began = time.monotonic()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    server.wait_for_answer(one)
    found.refill_ms.append((time.monotonic() - began) * 1000)


def _workers(one: Server) -> list[int]:
    """Processes that have no children: all of them, once there are so many."""
    until = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < until:
        pids = one.pids()
        leaves = [pid for pid in pids if proc.tree(pid) == [pid]]
        if len(leaves) == WORKERS:
            return leaves
        time.sleep(0.1)
    raise server.ServerError(f"it has not got {WORKERS} workers")


def _settle(workers: Sequence[int]) -> None:
    """Until they have imported all that they will."""
    before = 0
    for _ in range(int(BOOT_SECONDS / SETTLE_SECONDS)):
        time.sleep(SETTLE_SECONDS)
        now = proc.memory(list(workers)).pss_kb
        if abs(now - before) <= SAME_KB:
            return
        before = now
    raise server.ServerError("its memory goes on growing")


def _many(setting: Setting) -> float:
    """ms until so many workers are READY, on both cores."""
    cores = f"{setting.server_core},{setting.client_core}"
    began = time.monotonic()
    with startup.daemon(FAPWS, setting, "many", MANY_WORKERS, cores, app=APP, settings=PRELOADED):
        return (time.monotonic() - began) * 1000


def _medians(pids: Sequence[int]) -> tuple[float, float]:
    """PSS and USS."""
    found = [proc.memory([pid]) for pid in pids]
    return (
        statistics.median(one.pss_kb for one in found),
        statistics.median(one.uss_kb for one in found),
    )
