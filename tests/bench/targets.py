"""What fapws has set itself: ratios fapws : peer, lower is better, and whether they are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

BEST_PYTHON = "the best Python peer"
NOT_PYTHON = frozenset({"nginx"})
MEMORY = "memory"


class Target(NamedTuple):
    measured: str  # a workload: server CPU per request; or MEMORY: PSS of all processes at rest
    against: str  # a peer, or BEST_PYTHON
    limit: float


class Verdict(NamedTuple):
    target: Target
    peer: str | None  # the one it came out against
    ratio: float | None  # None: not measured

    @property
    def word(self) -> str:
        if self.ratio is None:
            return "not measured"
        return "met" if self.ratio <= self.target.limit else "not met"


TARGETS = (
    Target("hello", "fastpysgi", 0.90),
    Target("hello", "bjoern", 0.85),
    Target("hello", "gunicorn", 0.15),
    Target("hello", "nginx", 1.10),
    Target("browser", "fastpysgi", 0.90),
    Target("browser", "bjoern", 0.85),
    Target("browser", "gunicorn", 0.15),
    Target("oneshot", BEST_PYTHON, 0.85),
    Target("oneshot", "nginx", 0.90),
    Target(MEMORY, "uwsgi", 1.00),
    Target(MEMORY, "gunicorn", 0.45),
)


def judge(target: Target, cost: Mapping[str, float]) -> Verdict:
    """Compare what a request, or the memory, costs each server with a target."""
    peer: str | None = target.against
    if target.against == BEST_PYTHON:
        rivals = {name: figure for name, figure in cost.items() if name not in NOT_PYTHON | {"fapws"}}
        peer = min(rivals, key=lambda name: rivals[name], default=None)
    if peer is None or peer not in cost or "fapws" not in cost:
        return Verdict(target, peer, None)
    return Verdict(target, peer, cost["fapws"] / cost[peer])
