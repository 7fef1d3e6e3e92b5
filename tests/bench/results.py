"""From what was measured to one JSON object, which every report is made of. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import fair
from .crowd import Crowd
from .fair import Fair
from .measure import Speed
from .memory import Phases, Rest
from .peers import BY_NAME
from .plan import Plan
from .preload import Preload
from .startup import SHOWN, Import, Start
from .syscalls import Calls
from .targets import (
    CROWD,
    FAIR_KEPT,
    FAIR_SINGLE,
    IDLE,
    MEMORY,
    QUOTIENTS,
    READY,
    SLOW_WAIT,
    TARGETS,
    judge,
)
from .workloads import WORKLOADS

FORMAT = 3
LEAST_CPU_SECONDS = 0.1  # of a round: with less, a round is more chance than figure

FORGETS = "does not call close(), against PEP 3333"

Json = dict[str, Any]


class Outcome(NamedTuple):
    """All that a run has measured."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    neighbours: float  # cores that other programs used meanwhile
    absent: Mapping[str, str]  # servers that could not be installed -> why
    plan: Plan
    speed: Mapping[str, Sequence[Speed]] = {}  # workload -> servers
    memory: Sequence[Rest] = ()
    startup: Sequence[Start] = ()
    imports: Sequence[Import] = ()
    syscalls: Sequence[Calls] = ()
    fair: Sequence[Fair] = ()
    crowd: Sequence[Crowd] = ()
    preload: Sequence[Preload] = ()


def spread(figures: Sequence[float]) -> Json | None:
    """Median, lowest and highest; None of nothing."""
    if not figures:
        return None
    return {"median": statistics.median(figures), "low": min(figures), "high": max(figures)}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Json:
    """The ratio of the medians; the bounds are of single rounds, each with its neighbour."""
    pairs = [mine / other for mine, other in zip(ours, theirs)]
    return {
        "median": statistics.median(ours) / statistics.median(theirs),
        "low": min(pairs),
        "high": max(pairs),
    }


def as_json(outcome: Outcome) -> Json:
    data: Json = {
        "format": FORMAT,
        "machine": dict(outcome.machine),
        "versions": dict(outcome.versions),
        "cores_used_by_others": round(outcome.neighbours, 3),
        "absent": dict(outcome.absent),
        "plan": outcome.plan._asdict(),
        "speed": {name: _workload(name, results) for name, results in outcome.speed.items()},
        "memory": [_memory(rest) for rest in outcome.memory],
        "startup": [_startup(start) for start in outcome.startup],
        "imports": [one._asdict() for one in outcome.imports],
        "syscalls": [_syscalls(one) for one in outcome.syscalls],
        "fair": [_fair(one) for one in outcome.fair],
        "crowd": [_crowd(one) for one in outcome.crowd],
        "preload": [_preload(one) for one in outcome.preload],
    }
    data["targets"] = verdicts(data)
    return data


def _workload(name: str, results: Sequence[Speed]) -> Json:
    ours = next((_cpu(one) for one in results if one.server == "fapws" and not one.failure), [])
    return {"what": WORKLOADS[name].what, "servers": [_speed(name, one, ours) for one in results]}


def _cpu(speed: Speed) -> list[float]:
    return [one.cpu_us for one in speed.rounds]


def _speed(workload: str, one: Speed, ours: Sequence[float]) -> Json:
    answered = [r.answered for r in one.rounds]
    comparable = ours and one.rounds and not one.failure and one.server != "fapws"
    return {
        "server": one.server,
        "failure": one.failure,
        "keeps_alive": one.facts.keeps_alive if one.facts else None,
        "serves_connections_side_by_side": one.facts.shares if one.facts else None,
        "calls_close": one.facts.closes if one.facts else None,
        "cpu_us": spread(_cpu(one)),
        "fapws_to_it": ratio(ours, _cpu(one)) if comparable else None,
        "per_second": spread([a.per_second for a in answered]),
        # wrk has no percentiles for pipelined requests: it prints 0.
        "p50_ms": spread([a.p50_ms for a in answered if a.p99_ms]),
        "p99_ms": spread([a.p99_ms for a in answered if a.p99_ms]),
        "busy": spread([r.busy for r in one.rounds]),
        "notes": _notes(workload, one),
        "rounds": [{"cpu_us": r.cpu_us, "busy": r.busy, **r.answered._asdict()} for r in one.rounds],
    }


def _notes(workload: str, one: Speed) -> list[str]:
    notes = []
    kept = WORKLOADS[workload].kept
    if one.server in BY_NAME and BY_NAME[one.server].remark and one.rounds:
        notes.append(BY_NAME[one.server].remark)
    if kept and one.facts and not one.facts.keeps_alive:
        notes.append("closes the connection after each answer")
    if kept and one.facts and not one.facts.shares:
        notes.append("serves one kept connection and lets all others wait: p50 and p99 are of that one")
    if one.facts and one.facts.closes is False:
        notes.append(FORGETS)
    used = [r.cpu_us * 1e-6 * r.answered.requests for r in one.rounds]
    if used and min(used) < LEAST_CPU_SECONDS:
        notes.append(f"only {min(used):.2f} s of CPU time in a round: longer rounds are needed")
    timed_out = sum(r.answered.timed_out for r in one.rounds)
    if timed_out:
        notes.append(f"{timed_out} requests waited more than 2 s")
    return notes


def _memory(rest: Rest) -> Json:
    idle = [start.idle.pss_kb / 1024 for start in rest.starts if start.idle]
    return {
        "server": rest.server,
        "processes": BY_NAME[rest.server].shape if rest.server in BY_NAME else "",
        "failure": rest.failure,
        "alone": rest.alone,
        "rest_pss_mb": spread([start.rest.pss_kb / 1024 for start in rest.starts]),
        "rest_uss_mb": spread([start.rest.uss_kb / 1024 for start in rest.starts]),
        "used_pss_mb": spread([start.used.pss_kb / 1024 for start in rest.starts]),
        "idle_pss_mb": spread(idle),
        "idle_adds_mb": spread([_added(start) for start in rest.starts if start.idle]),
        "held": min((start.held for start in rest.starts), default=None),
        "starts": [
            {
                "rest": start.rest._asdict(),
                "used": start.used._asdict(),
                "idle": start.idle._asdict() if start.idle else None,
                "held": start.held,
            }
            for start in rest.starts
        ],
    }


def _added(start: Phases) -> float:
    """More than after the load before it: what the open connections themselves take."""
    return (start.idle.pss_kb - start.rest.pss_kb) / 1024 if start.idle else 0.0


def _startup(start: Start) -> Json:
    return {
        "server": start.server,
        "failure": start.failure,
        "answer_ms": spread(start.answer_ms),
        "ready_ms": spread(start.ready_ms),
        "starts": {"answer_ms": start.answer_ms, "ready_ms": start.ready_ms},
    }


def _syscalls(one: Calls) -> Json:
    return {
        "server": one.server,
        "workload": one.workload,
        "requests": one.requests,
        "failure": one.failure,
        "calls": [call._asdict() for call in one.calls],
    }


def _fair(one: Fair) -> Json:
    figures = [fair.busiest_to_idlest(shares) for shares in one.shares]
    return {
        "how": one.how,
        "failure": one.failure,
        "shares": one.shares,
        "busiest_to_idlest": _finite(statistics.median(figures)) if figures else None,
        "worst": _finite(max(figures)) if figures else None,
        "wakeups": spread(one.wakeups),
        "in_vain": one.in_vain,
    }


def _crowd(one: Crowd) -> Json:
    return {
        "server": one.server,
        "failure": one.failure,
        "wait_ms": spread(one.waits_ms),
        "quiet_ms": spread(one.quiet_ms),
        "rounds": {"waits_ms": one.waits_ms, "quiet_ms": one.quiet_ms},
    }


def _preload(one: Preload) -> Json:
    kb = ("pss_start", "uss_start", "pss_used", "uss_used", "total_used")
    memory = {f"{name}_mb": spread([size / 1024 for size in getattr(one, name)]) for name in kb}
    return {
        "server": "fapws" if one.way.startswith("fapws") else one.way,
        "way": one.way,
        "failure": one.failure,
        **memory,
        "refill_ms": spread(one.refill_ms),
        "many_ms": spread(one.many_ms),
    }


def _finite(figure: float) -> float:
    """JSON has no infinity; a worker that got nothing counts as a millionth."""
    return min(figure, 1e6)


# ---- Targets ---------------------------------------------------------------------------------------


def costs(data: Json) -> dict[str, dict[str, float]]:
    """What is measured -> server -> its median, of the servers measured to the end."""
    found = {name: _medians(one["servers"], "cpu_us") for name, one in data["speed"].items()}
    found[MEMORY] = _medians(data["memory"], "rest_pss_mb")
    found[IDLE] = _medians(data["memory"], "idle_adds_mb")
    found[READY] = _medians(data["startup"], "ready_ms")
    found[CROWD] = _medians(data["crowd"], "wait_ms")
    found[SLOW_WAIT] = _medians(data["speed"].get("slow", {"servers": []})["servers"], "p99_ms")
    for name, (over, under) in QUOTIENTS.items():
        above, below = found.get(over, {}), found.get(under, {})
        found[name] = {server: above[server] / below[server] for server in above if server in below}
    for name, one in zip((FAIR_KEPT, FAIR_SINGLE), data["fair"]):
        if one["busiest_to_idlest"] is not None and not one["failure"]:
            found[name] = {"fapws": one["busiest_to_idlest"]}
    return found


def _medians(rows: Sequence[Json], key: str) -> dict[str, float]:
    return {row["server"]: row[key]["median"] for row in rows if row[key] and not row["failure"]}


def forgetful(data: Json, workload: str) -> set[str]:
    """The servers that did not call close()."""
    servers = data["speed"].get(workload, {"servers": []})["servers"]
    return {one["server"] for one in servers if one["calls_close"] is False}


def verdicts(data: Json) -> list[Json]:
    figures = costs(data)
    judged = [
        judge(target, figures.get(target.measured, {}), forgetful(data, target.measured))
        for target in TARGETS
    ]
    return [
        {**one.target._asdict(), "peer": one.peer, "figure": one.figure, "verdict": one.word}
        for one in judged
    ]


def merge(first: Json, second: Json) -> Json:
    """The sections of both; the second's where it has any. For runs made one after the other."""
    merged = {**first, "speed": {**first["speed"], **second["speed"]}}
    merged["versions"] = {**first["versions"], **second["versions"]}
    for section in ("memory", "startup", "imports", "syscalls", "fair", "crowd", "preload"):
        merged[section] = second.get(section) or first.get(section, [])
    merged["targets"] = verdicts(merged)
    return merged


def slowest_imports(data: Json) -> list[Json]:
    return sorted(data["imports"], key=lambda one: -one["own_us"])[:SHOWN]
