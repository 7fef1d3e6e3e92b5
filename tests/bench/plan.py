"""How long the rounds may be, so that a run ends in time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MINUTES = 30
CELL_SECONDS = 2.5  # to start a server, probe it, warm it up and end it
ROUND_OVERHEAD_SECONDS = 0.25  # starting a client, waiting for its last answers
MEMORY_SECONDS = 9.0  # of one start of a server, with 10,000 connections
MEMORY_STARTS = 3
STARTUP_SECONDS = 1.0  # of one start and stop
TRACE_SECONDS = 4.0  # of one server under strace
TRACED_WORKLOADS = 3
FAIR_SECONDS = 6.0  # of one round
SECONDS = 5
LEAST_ROUNDS = 3  # of a server that is no rival


class Plan(NamedTuple):
    rounds: int
    seconds: int
    far_rounds: int  # of the servers that cost several times as much as fapws
    far_seconds: int
    told: bool = False  # the length of a round was asked for: a workload's own is not used

    def rounds_of(self, near: bool) -> int:
        return self.rounds if near else self.far_rounds

    def seconds_of(self, near: bool, fixed: int | None) -> int:
        if not near:
            return self.far_seconds
        return self.seconds if self.told or fixed is None else fixed


class Cell(NamedTuple):
    """One server under one workload."""

    near: bool
    fixed: int | None  # seconds of a round, by the workload's own wish


def seconds(plan: Plan, cells: Sequence[Cell]) -> float:
    """What the rounds of the plan take."""
    return sum(
        CELL_SECONDS
        + plan.rounds_of(cell.near) * (plan.seconds_of(cell.near, cell.fixed) + ROUND_OVERHEAD_SECONDS)
        for cell in cells
    )


def make(cells: Sequence[Cell], rounds: int, told_seconds: int | None, available: float) -> Plan:
    """The longest rounds that fit into the seconds available; what fits not even then is cut no more.

    Slow servers lose first: a difference of several times needs no long rounds to be seen.
    """
    few = min(rounds, LEAST_ROUNDS)
    if told_seconds is not None:
        whole = Plan(rounds, told_seconds, rounds, told_seconds, told=True)
        cut = Plan(rounds, told_seconds, few, 1, told=True)
        return whole if seconds(whole, cells) <= available else cut
    choice = Plan(rounds, 1, few, 1)
    for length in range(SECONDS, 0, -1):
        for far_rounds, far_seconds in ((rounds, length), (rounds, 1), (few, 1)):
            choice = Plan(rounds, length, far_rounds, far_seconds)
            if seconds(choice, cells) <= available:
                return choice
    return choice


def beside(names: Sequence[str], servers: int, rounds: int, starts: int) -> float:
    """Seconds for what is measured beside the workloads."""
    needed = {
        "memory": min(rounds, MEMORY_STARTS) * servers * MEMORY_SECONDS,
        "startup": starts * servers * STARTUP_SECONDS,
        "syscalls": TRACED_WORKLOADS * servers * TRACE_SECONDS,
        "fair": rounds * FAIR_SECONDS,
    }
    return sum(needed[name] for name in names)
