"""README's table and the tables of docs/performance.md. Pure: the JSON of a run in, Markdown out.

A page has a pair of marks for each piece, `<!-- bench: begin -->` and `<!-- bench: end -->`; what
stands between them is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .results import FORGETS, Json, slowest_imports
from .targets import FAIR_KEPT, FAIR_SINGLE
from .text import per_request, target_figures, target_name

README, PERFORMANCE, PLOT = "README.md", "docs/performance.md", "docs/performance.svg"

README_SERVERS = ("fapws", "fapws-pypy", "bjoern", "fastpysgi", "uwsgi", "gunicorn", "nginx")
README_WORKLOADS = {
    "hello": "hello",
    "browser": "browser, 13 headers",
    "oneshot": "one connection a request",
}
PIECES = ("run", "speed", "latency", "memory", "startup", "imports", "syscalls", "fair", "crowd", "targets")


class MarkError(ValueError):
    """A page without the marks of a piece."""


def put(page: str, pieces: Mapping[str, str]) -> str:
    """The page with each piece between its marks. Raises MarkError when a pair is missing."""
    for name, piece in pieces.items():
        pair = re.compile(rf"(<!-- {name}: begin -->\n).*?(\n?<!-- {name}: end -->)", re.DOTALL)
        found = list(pair.finditer(page))
        if len(found) != 1:
            raise MarkError(f"one pair of marks `{name}: begin` and `{name}: end` is needed")
        page = page[: found[0].end(1)] + piece + "\n" + page[found[0].start(2) :].lstrip()
    return page


def pages(data: Json) -> dict[str, dict[str, str]]:
    """Page -> mark -> what stands between."""
    makers = (_run, _speed, _latency, _memory, _startup, _imports, _syscalls, _fair, _crowd, _targets)
    pieces = {f"bench-{name}": make(data) for name, make in zip(PIECES, makers)}
    if data["preload"]:  # which a whole run leaves out: the last one stays
        pieces["bench-preload"] = _preload(data)
    return {README: {"bench": readme(data)}, PERFORMANCE: pieces}


def table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def readme(data: Json) -> str:
    memory = {one["server"]: one for one in data["memory"]}
    rows = [["server", *README_WORKLOADS.values(), "memory, MB"]]
    for name in README_SERVERS:
        if name not in data["versions"] and name not in data["absent"]:
            continue
        rest = memory.get(name, {})
        shape = f" ({rest['processes']})" if rest.get("processes") else ""
        cells = [_cell(data, workload, name) for workload in README_WORKLOADS]
        cells.append(_median(rest.get("rest_pss_mb")) if not rest.get("failure") else "fails")
        title = f"{name} {data['versions'].get(name, '')}".strip() + _remark(name)
        if name == "fapws":
            title, cells = f"**{title}**", [f"**{cell}**" for cell in cells]
        rows.append([title + shape, *cells])
    judged = [one for one in data["targets"] if one["figure"] is not None]
    met = sum(one["verdict"] == "met" for one in judged)
    return "\n".join(
        [
            f"{_where(data)}; one worker, one core for the server and one for the client, medians of "
            f"{data['plan']['rounds']} rounds that take turns. Server CPU per request in microseconds; "
            "memory is PSS of all processes after one request.",
            "",
            table(rows),
            "",
            f"{met} of {len(judged)} targets that were measured are met. "
            "[docs/performance.md](docs/performance.md) has them, all workloads and all servers, and says "
            "what was done and how to repeat it.",
        ]
    )


def _remark(name: str) -> str:
    return {"gunicorn": ", sync", "nginx": ", `return 200`, no Python"}.get(name, "")


def _where(data: Json) -> str:
    m = data["machine"]
    system = f"{m['system']}, {m['kernel']}, {m['python']}"
    others = f"of which others used {data['cores_used_by_others']:.2f}"
    return f"{m['day']}, {m['cpu']}, {m['cores']} cores, {others}, {system}"


def _cell(data: Json, workload: str, server: str) -> str:
    """Median microseconds of a request; `fails`, or a dash where it was not asked."""
    if server in data["absent"]:
        return "fails"
    servers = data["speed"].get(workload, {"servers": []})["servers"]
    one = next((one for one in servers if one["server"] == server), None)
    if one is None:
        return "-"
    return "fails" if one["failure"] else _median(one["cpu_us"])


def _median(figure: Json | None, digits: int = 1) -> str:
    return f"{figure['median']:,.{digits}f}" if figure else "-"


def _servers(data: Json) -> list[str]:
    return [*data["versions"], *data["absent"]]


def _run(data: Json) -> str:
    plan, m = data["plan"], data["machine"]
    versions = ", ".join(f"{name} {version}".strip() for name, version in data["versions"].items())
    lines = [
        f"{_where(data)}, {m['memory']}; wrk {m['wrk']}, ab {m.get('ab', '?')}. {versions}. "
        f"Congestion control: {m['network']}. "
        f"{plan['rounds']} rounds of {plan['seconds']} s; {plan['far_rounds']} of {plan['far_seconds']} s "
        "for the servers that cost several times as much."
    ]
    lines += [f"\n{name} could not be installed: {why}" for name, why in data["absent"].items()]
    return "\n".join(lines)


def _speed(data: Json) -> str:
    servers = _servers(data)
    rows = [["workload", *(f"**{name}**" if name == "fapws" else name for name in servers)]]
    remarks = []
    for workload, found in data["speed"].items():
        cells = [_cell(data, workload, server) for server in servers]
        rows.append([workload, *(f"**{c}**" if s == "fapws" else c for s, c in zip(servers, cells))])
        for one in found["servers"]:
            if one["failure"]:
                remarks.append(f"- {one['server']} fails at {workload}: {one['failure']}")
            elif one["calls_close"] is False:
                remarks.append(f"- {one['server']} at {workload}: {FORGETS}")
    return "\n".join([table(rows), *([""] if remarks else []), *remarks])


def _latency(data: Json) -> str:
    rows = [["p50 / p99 ms", *data["versions"]]]
    for name, workload in data["speed"].items():
        found = {one["server"]: one for one in workload["servers"] if one["p99_ms"]}
        cells = [
            f"{_median(found[server]['p50_ms'])} / {_median(found[server]['p99_ms'])}"
            if server in found
            else "-"
            for server in data["versions"]
        ]
        if found:  # in bursts and pipelined, a request waits for those before it
            rows.append([name, *cells])
    return table(rows)


def _memory(data: Json) -> str:
    rows = [
        ["server", "processes", "at rest, PSS", "USS", "after 1,000 connections", "10,000 idle", "they add"]
    ]
    for one in data["memory"]:
        if one["failure"]:
            rows.append([one["server"], one["processes"], f"fails: {one['failure']}", "-", "-", "-", "-"])
            continue
        idle = _median(one["idle_pss_mb"]) if one["idle_pss_mb"] else f"holds {one['held']:,}"
        figures = [_median(one[key]) for key in ("rest_pss_mb", "rest_uss_mb", "used_pss_mb")]
        rows.append([one["server"], one["processes"], *figures, idle, _median(one["idle_adds_mb"])])
    return table(rows)


def _startup(data: Json) -> str:
    rows = [["server", "first answer, ms", "`fapwsctl start`, ms"]]
    for one in data["startup"]:
        first = f"fails: {one['failure']}" if one["failure"] else _median(one["answer_ms"], 0)
        rows.append([one["server"], first, _median(one["ready_ms"], 0)])
    return table(rows)


def _imports(data: Json) -> str:
    rows = [["module", "own time, us", "with what it imports, us"]]
    rows += [
        [f"`{one['module']}`", f"{one['own_us']:,}", f"{one['whole_us']:,}"] for one in slowest_imports(data)
    ]
    whole = sum(one["own_us"] for one in data["imports"])
    return "\n".join(
        [f"{len(data['imports'])} modules, {whole / 1000:.0f} ms; the slowest:", "", table(rows)]
    )


def _syscalls(data: Json) -> str:
    rows = [["workload", "server", "calls a request", "which"]]
    for one in data["syscalls"]:
        total = sum(call["calls"] for call in one["calls"]) / max(one["requests"], 1)
        which = f"fails: {one['failure']}" if one["failure"] else per_request(one)
        rows.append([one["workload"], one["server"], f"{total:.2f}", which])
    return table(rows)


def _fair(data: Json) -> str:
    rows = [["64 connections", "busiest : idlest", "worst round", "wake-ups a connection", "accepts in vain"]]
    judged = {one["measured"]: target_figures(one)[1] for one in data["targets"]}
    for name, one in zip((FAIR_KEPT, FAIR_SINGLE), data["fair"]):
        if one["failure"]:
            rows.append([one["how"], f"fails: {one['failure']}", "-", "-", "-"])
            continue
        worst = "one got none" if one["worst"] >= 1e6 else f"{one['worst']:.2f}"
        vain = "-" if one["in_vain"] is None else f"{one['in_vain']:.2f}"
        rows.append([one["how"], judged[name], worst, _median(one["wakeups"], 2), vain])
    return table(rows)


def _crowd(data: Json) -> str:
    rows = [["server", "longest wait, ms", "of the rounds", "before they close, ms"]]
    for one in data["crowd"]:
        if one["failure"]:
            rows.append([one["server"], f"fails: {one['failure']}", "-", "-"])
            continue
        bounds = f"{one['wait_ms']['low']:.1f} to {one['wait_ms']['high']:.1f}"
        rows.append([one["server"], _median(one["wait_ms"]), bounds, _median(one["quiet_ms"])])
    return table(rows)


def _preload(data: Json) -> str:
    heads = ("PSS", "own", "PSS, used", "own, used", "all processes, used")
    sizes = ("pss_start_mb", "uss_start_mb", "pss_used_mb", "uss_used_mb", "total_used_mb")
    rows = [["8 workers, MB each", *heads, "all killed until the next response, ms"]]
    for one in data["preload"]:
        if one["failure"]:
            rows.append([one["way"], f"fails: {one['failure']}", *["-"] * len(heads)])
            continue
        total = _median(one["total_used_mb"], 0)
        rows.append(
            [one["way"], *(_median(one[key]) for key in sizes[:-1]), total, _median(one["refill_ms"], 0)]
        )
    many = [one["many_ms"] for one in data["preload"] if one["many_ms"]]
    note = f"\n\n`fapwsctl start` with 200 workers: {many[0]['median'] / 1000:.2f} s." if many else ""
    versions = ", ".join(
        f"{name} {version}"
        for name, version in data["versions"].items()
        if any(one["way"].startswith(name) for one in data["preload"])
    )
    return f"{versions}, {data['machine']['python']}, {data['machine']['day']}.\n\n{table(rows)}{note}"


def _targets(data: Json) -> str:
    rows = [["target", "at most", "measured", ""]]
    for one in data["targets"]:
        word = f"**{one['verdict']}**" if one["verdict"] == "not met" else one["verdict"]
        rows.append([target_name(one), *target_figures(one), word])
    return table(rows)
