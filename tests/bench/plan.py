"""How long the rounds may be, so that a run ends in time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MINUTES = 30
CELL_SECONDS = 2.0  # to start a server, probe it, warm it up and end it
ROUND_OVERHEAD_SECONDS = 0.25  # starting a client, waiting for its last answers
MEMORY_SECONDS = 7.0  # of one start of a server, with 10,000 connections
STARTUP_SECONDS = 0.7  # of one start and stop
TRACE_SECONDS = 2.5  # of one server under strace
TRACED_WORKLOADS = 3
FAIR_SECONDS = 4.0  # of one round
MEMORY_STARTS, FAR_MEMORY_STARTS = 3, 1
STARTS, FAR_STARTS = 11, 3
PRELOAD_SECONDS = 130.0  # of all servers and starts
CROWD_SECONDS = 4.0  # of one round of one server
SECONDS = 5
ROUNDS = 9  # by default
FAIR_ROUNDS = CROWD_ROUNDS = 5
LEAST_ROUNDS = 3  # of a server that is no rival


class Plan(NamedTuple):
    rounds: int
    seconds: float
    far_rounds: int  # of the servers that cost several times as much as fapws
    far_seconds: float
    told: bool = False  # the length of a round was asked for: a workload's own is not used

    def rounds_of(self, near: bool) -> int:
        return self.rounds if near else self.far_rounds

    def seconds_of(self, near: bool, fixed: float | None) -> float:
        if not near:
            return self.far_seconds if self.told or fixed is None else min(self.far_seconds, fixed)
        return self.seconds if self.told or fixed is None else fixed


class Cell(NamedTuple):
    """One server under one workload."""

    near: bool
    fixed: float | None  # seconds of a round, by the workload's own wish


def seconds(plan: Plan, cells: Sequence[Cell]) -> float:
    """What the rounds of the plan take."""
    return sum(
        CELL_SECONDS
        + plan.rounds_of(cell.near) * (plan.seconds_of(cell.near, cell.fixed) + ROUND_OVERHEAD_SECONDS)
        for cell in cells
    )


def make(cells: Sequence[Cell], rounds: int, told_seconds: float | None, available: float) -> Plan:
    """The longest rounds that fit into the seconds available; what fits not even then is cut no more.

    Slow servers lose first: a difference of several times needs no long rounds to be seen.
    """
    few = min(rounds, LEAST_ROUNDS)
    if told_seconds is not None:
        whole = Plan(rounds, told_seconds, rounds, told_seconds, told=True)
        cut = Plan(rounds, told_seconds, few, min(told_seconds, 1), told=True)
        return whole if seconds(whole, cells) <= available else cut
    choice = Plan(rounds, 1, few, 1)
    for length in range(SECONDS, 0, -1):
        for far_rounds, far_seconds in ((rounds, length), (rounds, 1), (few, 1)):
            choice = Plan(rounds, length, far_rounds, far_seconds)
            if seconds(choice, cells) <= available:
                return choice
    return choice


def memory_starts(near: bool, rounds: int) -> int:
    """Starts of a server whose memory is measured; fewer when few rounds are asked for."""
    return min(rounds, MEMORY_STARTS if near else FAR_MEMORY_STARTS)


def starts(near: bool, rounds: int) -> int:
    """Starts of a server that are timed."""
    most = STARTS if near else FAR_STARTS
    return most if rounds >= MEMORY_STARTS else min(rounds, most)


def beside(names: Sequence[str], servers: Sequence[bool], rounds: int) -> float:
    """Seconds for what is measured beside the workloads, of servers that are near or not."""
    needed = {
        "memory": sum(memory_starts(near, rounds) for near in servers) * MEMORY_SECONDS,
        "startup": sum(starts(near, rounds) for near in servers) * STARTUP_SECONDS,
        "syscalls": TRACED_WORKLOADS * len(servers) * TRACE_SECONDS,
        "fair": 2 * min(rounds, FAIR_ROUNDS) * FAIR_SECONDS,
        "crowd": 2 * min(rounds, CROWD_ROUNDS) * CROWD_SECONDS,
        "preload": PRELOAD_SECONDS,
    }
    return sum(needed[name] for name in names)
