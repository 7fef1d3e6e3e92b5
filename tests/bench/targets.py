"""What fapws has set itself, and whether it is met. Lower is better everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

BEST_PYTHON = "the best Python peer"
NO_PEER = ""
NOT_PEERS = frozenset({"fapws", "fapws-pypy", "nginx"})
"""What BEST_PYTHON never is."""

MEMORY, IDLE, READY, FAIR_KEPT, FAIR_SINGLE = "memory", "idle", "ready", "fair-kept", "fair-single"
UNITS = {IDLE: " MB", READY: " ms"}
TITLES = {
    MEMORY: "memory at rest (PSS)",
    IDLE: "10,000 idle connections add",
    READY: "fapwsctl start to READY",
    FAIR_KEPT: "two workers, keep-alive, busiest : idlest",
    FAIR_SINGLE: "two workers, a connection each, busiest : idlest",
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
    Target("oneshot", BEST_PYTHON, 0.65),
    Target("oneshot", "nginx", 0.58),
    *(Target(name, BEST_PYTHON, 0.85) for name in ("baseline", "pipelined", "limited")),
    Target("upload", "uwsgi", 1.90),
    Target("stream", "fastpysgi", 0.95),
    Target("file-4k", "nginx", 1.60),
    Target("file-1m", "nginx", 1.20),
    Target("file-100m", "nginx", 0.90),
    Target(MEMORY, "uwsgi", 0.80),
    Target(MEMORY, "gunicorn", 0.45),
    Target(IDLE, NO_PEER, 3.0),
    Target(READY, NO_PEER, 60.0),
    Target(FAIR_KEPT, NO_PEER, 1.5),
    Target(FAIR_SINGLE, NO_PEER, 1.5),
)


def judge(target: Target, cost: Mapping[str, float]) -> Verdict:
    """Compare what a request, or the memory, costs each server with a target."""
    ours = cost.get("fapws")
    if target.against == NO_PEER:
        return Verdict(target, None, ours)
    peer: str | None = target.against
    if target.against == BEST_PYTHON:
        rivals = {name: figure for name, figure in cost.items() if name not in NOT_PEERS}
        peer = min(rivals, key=lambda name: rivals[name], default=None)
    if peer is None or peer not in cost or ours is None:
        return Verdict(target, peer, None)
    return Verdict(target, peer, ours / cost[peer])
