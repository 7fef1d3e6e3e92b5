"""Medians, ratios, and the report as text and as JSON. Pure: figures in, text out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .measure import Rest, Round, Speed
from .peers import FAPWS, PEERS
from .proc import TICKS_PER_SECOND
from .targets import BEST_PYTHON, MEMORY, TARGETS, Verdict, judge
from .workloads import WORKLOADS

COARSE = 0.03  # a tick of the CPU clock that is more of a round than this is worth a note
QUIET_CORES = 0.2  # what other programs may use of the machine before the figures carry a warning

SHAPES = {recipe.name: recipe.shape for recipe in (FAPWS, *PEERS.values())}
REMARKS = {recipe.name: recipe.remark for recipe in (FAPWS, *PEERS.values())}


class Spread(NamedTuple):
    median: float
    low: float
    high: float


class Outcome(NamedTuple):
    """All that a run has measured."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    neighbours: float  # cores that other programs used meanwhile
    absent: Mapping[str, str]  # servers that could not be installed -> why
    rounds: int
    seconds: int
    speed: Mapping[str, Sequence[Speed]]  # workload -> servers
    memory: Sequence[Rest]


def spread(figures: Sequence[float]) -> Spread:
    return Spread(statistics.median(figures), min(figures), max(figures))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The ratio of the medians; the bounds are of single rounds, each with its neighbour."""
    pairs = [mine / other for mine, other in zip(ours, theirs)]
    return Spread(statistics.median(ours) / statistics.median(theirs), min(pairs), max(pairs))


def resolution(rounds: Sequence[Round]) -> float:
    """What one tick of the kernel's CPU clock is to the round that used least CPU time."""
    used = [one.cpu_us * 1e-6 * one.answered.requests for one in rounds]
    return 1 / (TICKS_PER_SECOND * min(used)) if rounds and min(used) else 0.0


def cpu(speed: Speed) -> list[float]:
    return [one.cpu_us for one in speed.rounds]


def pss_mb(rest: Rest) -> list[float]:
    return [start.pss_kb / 1024 for start in rest.starts]


def uss_mb(rest: Rest) -> list[float]:
    return [start.uss_kb / 1024 for start in rest.starts]


def costs(outcome: Outcome) -> dict[str, dict[str, float]]:
    """workload or MEMORY -> server -> its median, of the servers measured to the end."""
    found = {
        workload: {one.server: spread(cpu(one)).median for one in results if one.rounds and not one.failure}
        for workload, results in outcome.speed.items()
    }
    whole = [rest for rest in outcome.memory if rest.starts and not rest.failure]
    found[MEMORY] = {rest.server: spread(pss_mb(rest)).median for rest in whole}
    return found


def verdicts(outcome: Outcome) -> list[Verdict]:
    figures = costs(outcome)
    measured = {*outcome.speed, *([MEMORY] if outcome.memory else [])}
    asked = [target for target in TARGETS if target.measured in measured]
    return [judge(target, figures.get(target.measured, {})) for target in asked]


def text(outcome: Outcome) -> str:
    parts = [_heading(outcome)]
    parts += [_speed_table(outcome, name, results) for name, results in outcome.speed.items()]
    if outcome.memory:
        parts.append(_memory_table(outcome))
    parts.append(_targets_table(verdicts(outcome)))
    return "\n\n".join(parts) + "\n"


def as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "machine": dict(outcome.machine),
        "versions": dict(outcome.versions),
        "cores_used_by_others": round(outcome.neighbours, 3),
        "absent": dict(outcome.absent),
        "rounds": outcome.rounds,
        "seconds_per_round": outcome.seconds,
        "speed": {
            name: [
                {
                    "server": one.server,
                    "failure": one.failure,
                    "keeps_alive": one.facts.keeps_alive if one.facts else None,
                    "serves_connections_side_by_side": one.facts.shares if one.facts else None,
                    "cpu_us_per_request": spread(cpu(one))._asdict() if one.rounds else None,
                    "rounds": [
                        {
                            "cpu_us_per_request": r.cpu_us,
                            "core_busy": r.busy,
                            **r.answered._asdict(),
                        }
                        for r in one.rounds
                    ],
                }
                for one in results
            ]
            for name, results in outcome.speed.items()
        },
        "memory_at_rest": [
            {
                "server": rest.server,
                "processes": SHAPES[rest.server],
                "failure": rest.failure,
                "alone": rest.alone,
                "starts": [start._asdict() for start in rest.starts],
            }
            for rest in outcome.memory
        ],
        "targets": [
            {
                **verdict.target._asdict(),
                "peer": verdict.peer,
                "ratio": verdict.ratio,
                "verdict": verdict.word,
            }
            for verdict in verdicts(outcome)
        ],
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left, figures to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _heading(outcome: Outcome) -> str:
    m = outcome.machine
    lines = [
        f"{m['date']}: {m['cpu']}, {m['cores']} cores, {m['memory']}, {m['system']}, {m['kernel']}",
        f"{m['python']}; wrk {m['wrk']}; other programs used {outcome.neighbours:.2f} of a core",
        "servers: " + ", ".join(f"{name} {version}" for name, version in outcome.versions.items()),
        "One core for the server, one for the client; one worker, no access log, one application.",
        "requests/s is the server's own limit only where its core was busy, else the client's.",
        f"Medians (min-max) of {outcome.rounds} rounds of {outcome.seconds} s, taking turns.",
    ]
    if outcome.neighbours > QUIET_CORES:
        lines.append("NOISY: other programs were busy meanwhile; repeat it on a quiet machine.")
    lines += [f"NOT MEASURED: {name}: {why}" for name, why in outcome.absent.items()]
    return "\n".join(lines)


def _speed_table(outcome: Outcome, workload: str, results: Sequence[Speed]) -> str:
    rows = [
        [
            "server",
            "CPU us/request",
            "(min-max)",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "core busy",
            "fapws : it",
        ]
    ]
    kept = WORKLOADS[workload].kept
    ours = next((cpu(one) for one in results if one.server == FAPWS.name and not one.failure), [])
    measured = [one for one in results if one.rounds]
    for one in sorted(measured, key=lambda result: spread(cpu(result)).median):
        figure, answered = spread(cpu(one)), [r.answered for r in one.rounds]
        comparable = ours and not one.failure and one.server != FAPWS.name
        rows.append(
            [
                one.server,
                f"{figure.median:.2f}",
                f"({figure.low:.2f}-{figure.high:.2f})",
                f"{spread([a.per_second for a in answered]).median:,.0f}",
                f"{spread([a.p50_ms for a in answered]).median:.2f}",
                f"{spread([a.p99_ms for a in answered]).median:.2f}",
                f"{spread([r.busy for r in one.rounds]).median:.0%}",
                _ratio_cell(ratio(ours, cpu(one))) if comparable else "-",
            ]
        )
    notes = [f"  {one.server}: {'; '.join(said)}" for one in results for said in [_notes(one, kept)] if said]
    return "\n".join([f"{workload}: {WORKLOADS[workload].what}", table(rows), *notes])


def _notes(one: Speed, kept: bool) -> list[str]:
    notes = []
    if REMARKS[one.server] and one.rounds:
        notes.append(REMARKS[one.server])
    if kept and one.facts and not one.facts.keeps_alive:
        notes.append("closes the connection after each answer")
    if kept and one.facts and not one.facts.shares:
        notes.append("serves one kept connection and lets all others wait: p50 and p99 are of that one")
    coarse = resolution(one.rounds)
    if coarse > COARSE:
        notes.append(f"a clock tick is {coarse:.0%} of a round's CPU time: longer rounds are needed")
    timed_out = sum(r.answered.timed_out for r in one.rounds)
    if timed_out:
        notes.append(f"{timed_out} requests waited more than 2 s")
    if one.failure:
        notes.append(f"FAILED: {one.failure}")
    return notes


def _memory_table(outcome: Outcome) -> str:
    rows = [["server", "PSS MB", "(min-max)", "USS MB", "fapws : it", "processes"]]
    whole = [rest for rest in outcome.memory if not rest.failure]
    ours = next((pss_mb(rest) for rest in whole if rest.server == FAPWS.name), [])
    measured = [rest for rest in outcome.memory if rest.starts]
    for rest in sorted(measured, key=lambda result: spread(pss_mb(result)).median):
        figure = spread(pss_mb(rest))
        comparable = ours and not rest.failure and rest.server != FAPWS.name
        rows.append(
            [
                rest.server,
                f"{figure.median:.1f}",
                f"({figure.low:.1f}-{figure.high:.1f})",
                f"{spread(uss_mb(rest)).median:.1f}",
                _ratio_cell(ratio(ours, pss_mb(rest))) if comparable else "-",
                SHAPES[rest.server],
            ]
        )
    notes = [f"  {rest.server}: FAILED: {rest.failure}" for rest in outcome.memory if rest.failure]
    notes += [
        f"  {rest.server}: others ran the same program file: PSS and USS are too small"
        for rest in outcome.memory
        if not rest.alone
    ]
    title = "memory at rest: after one request, all processes of the server together, regular install"
    return "\n".join([title, table(rows), *notes])


def _targets_table(found: Sequence[Verdict]) -> str:
    if not found:
        return "targets: none belongs to these workloads"
    rows = [["target (fapws : peer)", "at most", "measured", "verdict"]]
    for verdict in found:
        target = verdict.target
        against = target.against
        if against == BEST_PYTHON and verdict.peer:
            against = f"{against} ({verdict.peer})"
        measured = "-" if verdict.ratio is None else f"{verdict.ratio:.2f}"
        rows.append([f"{target.measured}: {against}", f"{target.limit:.2f}", measured, verdict.word])
    return "\n".join(["targets: server CPU per request; memory: PSS", table(rows)])


def _ratio_cell(figure: Spread) -> str:
    return f"{figure.median:.2f} ({figure.low:.2f}-{figure.high:.2f})"
