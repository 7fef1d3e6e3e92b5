"""What fapws has set itself, and whether it is met. Lower is better everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

BEST_PYTHON = "the best Python peer"
BEST_CLOSING = "the best peer that calls close()"
NO_PEER = ""
NOT_PEERS = frozenset({"fapws", "fapws-pypy", "nginx", "floor"})
"""What BEST_PYTHON never is."""

MEMORY, IDLE, READY, FAIR_KEPT, FAIR_SINGLE = "memory", "idle", "ready", "fair-kept", "fair-single"
ITERABLE, MANY_WORKERS, SLOW_WAIT, CROWD = "iterable-to-list", "many-workers", "slow-wait", "crowd"
UNITS = {IDLE: " MB", READY: " ms", CROWD: " ms"}
QUOTIENTS = {ITERABLE: ("iterable", "list"), MANY_WORKERS: ("workers-64x1", "workers-1x1")}
"""What is made of two workloads: the CPU time of a request of the first, divided by the second's."""

TITLES = {
    MEMORY: "memory at rest (PSS)",
    IDLE: "10,000 idle connections add",
    READY: "fapwsctl start to READY",
    FAIR_KEPT: "two workers, keep-alive, busiest : idlest",
    FAIR_SINGLE: "two workers, a connection each, busiest : idlest",
    ITERABLE: "an iterable : a list, CPU a request",
    MANY_WORKERS: "64 workers : 1 worker, CPU a request of one client",
    SLOW_WAIT: "slow, p99 of the fast clients",
    CROWD: "longest wait while 10,000 connections close",
}


class Target(NamedTuple):
    measured: str  # a workload: server CPU per request; or one of TITLES
    against: str  # a peer, BEST_PYTHON, or NO_PEER: the figure itself has the limit
    limit: float


class Verdict(NamedTuple):
    target: Target
    peer: str | None  # the one it came out against
    figure: float | None  # ratio, or what was measured; None: not measured in this run

    @property
    def word(self) -> str:
        if self.figure is None:
            return "not measured in this run"
        return "met" if self.figure <= self.target.limit else "not met"


TARGETS = (
    Target("hello", "fastpysgi", 0.75),
    Target("hello", "bjoern", 0.75),
    Target("hello", "gunicorn", 0.06),
    Target("hello", "nginx", 0.90),
    Target("browser", "fastpysgi", 0.70),
    Target("browser", "bjoern", 0.60),
    Target("burst-hello", "floor", 1.15),
    Target("burst-browser", "floor", 1.20),
    Target("burst-hello", "fastpysgi", 0.60),
    Target("burst-browser", "fastpysgi", 0.42),
    Target("flask", BEST_CLOSING, 0.97),
    Target("flask-session", BEST_CLOSING, 0.97),
    Target("django", BEST_CLOSING, 0.93),
    Target("django-session", BEST_CLOSING, 0.93),
    Target(ITERABLE, NO_PEER, 1.05),
    Target("oneshot", BEST_PYTHON, 0.65),
    Target("oneshot", "nginx", 0.58),
    *(Target(name, BEST_PYTHON, 0.85) for name in ("baseline", "pipelined", "limited")),
    Target("upload-97k", "uwsgi", 0.60),
    Target("upload-1m", "uwsgi", 0.90),
    Target("upload", "uwsgi", 1.90),
    Target("upload-raw", "uwsgi", 0.95),
    Target("stream", "fastpysgi", 0.95),
    Target("file-4k", "nginx", 1.60),
    Target("file-1m", "nginx", 1.20),
    Target("file-100m", "nginx", 0.90),
    Target("static-1k", "nginx", 0.90),
    Target("static-16k", "nginx", 0.90),
    Target("static-304", "nginx", 0.85),
    Target("static-1m", "nginx", 1.05),
    Target("static-100m", "nginx", 1.05),
    Target(SLOW_WAIT, "nginx", 1.00),
    Target(MANY_WORKERS, NO_PEER, 2.00),
    Target(CROWD, NO_PEER, 20.0),
    Target(MEMORY, "uwsgi", 0.80),
    Target(MEMORY, "gunicorn", 0.45),
    Target(IDLE, NO_PEER, 3.0),
    Target(READY, NO_PEER, 60.0),
    Target(FAIR_KEPT, NO_PEER, 1.5),
    Target(FAIR_SINGLE, NO_PEER, 1.5),
)


def judge(target: Target, cost: Mapping[str, float], forgetful: Collection[str] = ()) -> Verdict:
    """Compare what a request, or the memory, costs each server with a target.

    forgetful: the servers that do not call close().
    """
    ours = cost.get("fapws")
    if target.against == NO_PEER:
        return Verdict(target, None, ours)
    peer: str | None = target.against
    if target.against in (BEST_PYTHON, BEST_CLOSING):
        out = {*NOT_PEERS, *(forgetful if target.against == BEST_CLOSING else ())}
        rivals = {name: figure for name, figure in cost.items() if name not in out}
        peer = min(rivals, key=lambda name: rivals[name], default=None)
    if peer is None or peer not in cost or ours is None:
        return Verdict(target, peer, None)
    return Verdict(target, peer, ours / cost[peer])
