"""The report for a terminal. Pure: the JSON of a run in, text out."""

from __future__ import annotations

from collections.abc import Sequence

from .results import Json, slowest_imports
from .targets import BEST_CLOSING, BEST_PYTHON, NO_PEER, TITLES, UNITS

QUIET_CORES = 0.2  # what other programs may use of the machine before the figures carry a warning


def text(data: Json) -> str:
    parts = [_heading(data)]
    parts += [_speed(name, one) for name, one in data["speed"].items()]
    sections = (
        ("memory", _memory),
        ("startup", _startup),
        ("imports", _imports),
        ("syscalls", _syscalls),
        ("fair", _fair),
        ("crowd", _crowd),
        ("preload", _preload),
    )
    parts += [write(data) for name, write in sections if data.get(name)]
    parts.append(targets(data))
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left, figures to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _heading(data: Json) -> str:
    m, plan = data["machine"], data["plan"]
    lines = [
        f"{m['date']}: {m['cpu']}, {m['cores']} cores, {m['memory']}, {m['system']}, {m['kernel']}",
        f"{m['python']}; wrk {m['wrk']}; other programs used {data['cores_used_by_others']:.2f} of a core",
        "servers: " + ", ".join(f"{name} {version}" for name, version in data["versions"].items()),
        f"Network: {m['network']}.",
        "One core for the server, one for the client; one worker, no access log, one application.",
        "CPU us/request: of all processes of the server, user and system, counted in nanoseconds.",
        "requests/s is the server's own limit only where its core was busy, else the client's.",
        f"Medians (min-max) of {plan['rounds']} rounds of {plan['seconds']} s, taking turns; "
        f"{plan['far_rounds']} of {plan['far_seconds']} s for servers that are no rivals.",
    ]
    if data["cores_used_by_others"] > QUIET_CORES:
        lines.append("NOISY: other programs were busy meanwhile; repeat it on a quiet machine.")
    lines += [f"FAILED: {name}: not installed: {why}" for name, why in data["absent"].items()]
    return "\n".join(lines)


def _speed(name: str, workload: Json) -> str:
    titles = [
        "server",
        "CPU us/request",
        "(min-max)",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "core busy",
        "fapws : it",
    ]
    measured = [one for one in workload["servers"] if one["cpu_us"]]
    rows = [titles]
    for one in sorted(measured, key=lambda server: server["cpu_us"]["median"]):
        figure = one["cpu_us"]
        rows.append(
            [
                one["server"],
                f"{figure['median']:,.2f}",
                f"({figure['low']:,.2f}-{figure['high']:,.2f})",
                f"{one['per_second']['median']:,.0f}",
                *(f"{one[key]['median']:,.2f}" if one[key] else "-" for key in ("p50_ms", "p99_ms")),
                f"{one['busy']['median']:.0%}",
                _ratio(one["fapws_to_it"]) if one["fapws_to_it"] else "-",
            ]
        )
    notes = [f"  {one['server']}: {'; '.join(one['notes'])}" for one in measured if one["notes"]]
    failed = [one for one in workload["servers"] if one["failure"]]
    notes += [f"  FAILED: {one['server']}: {one['failure']}" for one in failed]
    return "\n".join([f"{name}: {workload['what']}", table(rows), *notes])


def _ratio(figure: Json) -> str:
    return f"{figure['median']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})"


def _mb(figure: Json | None) -> str:
    return f"{figure['median']:.1f}" if figure else "-"


def _memory(data: Json) -> str:
    rows = [
        ["server", "PSS MB", "(min-max)", "USS MB", "1,000 served", "10,000 idle", "they add", "processes"]
    ]
    measured = [rest for rest in data["memory"] if rest["rest_pss_mb"]]
    for rest in sorted(measured, key=lambda one: one["rest_pss_mb"]["median"]):
        figure = rest["rest_pss_mb"]
        idle = _mb(rest["idle_pss_mb"]) if rest["idle_pss_mb"] else f"held {rest['held']:,}"
        rows.append(
            [
                rest["server"],
                _mb(figure),
                f"({figure['low']:.1f}-{figure['high']:.1f})",
                _mb(rest["rest_uss_mb"]),
                _mb(rest["used_pss_mb"]),
                idle,
                _mb(rest["idle_adds_mb"]),
                rest["processes"],
            ]
        )
    notes = [f"  FAILED: {rest['server']}: {rest['failure']}" for rest in data["memory"] if rest["failure"]]
    notes += [
        f"  {rest['server']}: others ran the same program file: PSS and USS are too small"
        for rest in data["memory"]
        if not rest["alone"]
    ]
    title = "memory: PSS of all processes; at rest after one request, after 1,000 connections, idle"
    return "\n".join([title, table(rows), *notes])


def _startup(data: Json) -> str:
    rows = [["server", "first answer ms", "(min-max)", "fapwsctl start ms", "(min-max)"]]
    measured = [one for one in data["startup"] if one["answer_ms"]]
    for one in sorted(measured, key=lambda start: start["answer_ms"]["median"]):
        cells = [one["server"]]
        for figure in (one["answer_ms"], one["ready_ms"]):
            cells += (
                [f"{figure['median']:.0f}", f"({figure['low']:.0f}-{figure['high']:.0f})"]
                if figure
                else ["-", "-"]
            )
        rows.append(cells)
    notes = [f"  FAILED: {one['server']}: {one['failure']}" for one in data["startup"] if one["failure"]]
    return "\n".join(["startup: from exec to the first right answer", table(rows), *notes])


def _imports(data: Json) -> str:
    found = data["imports"]
    whole = sum(one["own_us"] for one in found)
    rows = [["module", "own us", "with its own imports us"]]
    rows += [[one["module"], str(one["own_us"]), str(one["whole_us"])] for one in slowest_imports(data)]
    count = f"{len(found)} modules, {whole / 1000:.0f} ms; the slowest"
    title = f"imports up to READY (python -X importtime): {count}"
    return "\n".join([title, table(rows)])


def per_request(one: Json) -> str:
    """`recv 1.02, send 1.00`: calls per request, from the most frequent."""
    requests = max(one["requests"], 1)
    said = []
    for call in one["calls"]:
        share = call["calls"] / requests
        if share < 0.005:
            continue
        vain = f" ({call['errors'] / requests:.2f} in vain)" if call["errors"] / requests >= 0.005 else ""
        said.append(f"{call['name']} {share:.2f}{vain}")
    return ", ".join(said) or "none"


def _syscalls(data: Json) -> str:
    rows = [["workload, server", "calls a request", "which"]]
    for one in data["syscalls"]:
        total = sum(call["calls"] for call in one["calls"]) / max(one["requests"], 1)
        what = f"FAILED: {one['failure']}" if one["failure"] else per_request(one)
        rows.append([f"{one['workload']}: {one['server']}", f"{total:.2f}", what])
    width = max(len(row[0]) for row in rows)
    lines = [f"{name.ljust(width)}  {total.rjust(15)}  {what}" for name, total, what in rows]
    return "\n".join(["system calls (strace -c -f), per request; less than 0.005 is left out", *lines])


def _fair(data: Json) -> str:
    rows = [
        [
            "two workers, 64 connections",
            "busiest : idlest",
            "worst round",
            "wake-ups a connection",
            "accepts in vain",
        ]
    ]
    notes = []
    for one in data["fair"]:
        if one["failure"]:
            notes.append(f"  FAILED: {one['how']}: {one['failure']}")
            continue
        rows.append(
            [
                one["how"],
                _share(one["busiest_to_idlest"]),
                _share(one["worst"]),
                f"{one['wakeups']['median']:.2f}" if one["wakeups"] else "-",
                f"{one['in_vain']:.2f}" if one["in_vain"] is not None else "-",
            ]
        )
    return "\n".join([table(rows), *notes])


def _preload(data: Json) -> str:
    """Of the workers the medians, in MB."""
    keys = (
        "pss_start_mb",
        "uss_start_mb",
        "pss_used_mb",
        "uss_used_mb",
        "total_used_mb",
        "refill_ms",
        "many_ms",
    )
    titles = ("PSS", "own", "PSS, used", "own, used", "all, used", "back ms", "200 ms")
    rows = [["server, 8 workers", *titles]]
    for one in data["preload"]:
        rows.append([one["way"], *(f"{one[key]['median']:.1f}" if one[key] else "" for key in keys)])
    notes = [f"  FAILED: {one['way']}: {one['failure']}" for one in data["preload"] if one["failure"]]
    what = "preload: MB a worker of a Django site, after the start and used by 10,000 requests"
    return "\n".join([what, table(rows), *notes])


def _crowd(data: Json) -> str:
    rows = [["server", "longest wait ms", "(min-max)", "before ms"]]
    for one in data["crowd"]:
        if one["wait_ms"]:
            found = one["wait_ms"]
            between = f"({found['low']:.1f}-{found['high']:.1f})"
            rows.append(
                [one["server"], f"{found['median']:.1f}", between, f"{one['quiet_ms']['median']:.1f}"]
            )
    notes = [f"  FAILED: {one['server']}: {one['failure']}" for one in data["crowd"] if one["failure"]]
    return "\n".join(["crowd: one client while 10,000 idle connections close", table(rows), *notes])


def _share(figure: float | None) -> str:
    if figure is None:
        return "-"
    return "one got none" if figure >= 1e6 else f"{figure:.2f}"


def targets(data: Json) -> str:
    rows = [["target", "at most", "measured", "verdict"]]
    rows += [[target_name(one), *target_figures(one), one["verdict"]] for one in data["targets"]]
    met = sum(one["verdict"] == "met" for one in data["targets"])
    measured = sum(one["figure"] is not None for one in data["targets"])
    return "\n".join(
        [f"targets: {met} met of {measured} measured, {len(data['targets'])} in all", table(rows)]
    )


def target_name(one: Json) -> str:
    """What the target compares."""
    title = TITLES.get(one["measured"], f"{one['measured']}, CPU a request")
    if one["against"] == NO_PEER:
        return title
    against = one["against"]
    if against in (BEST_PYTHON, BEST_CLOSING) and one["peer"]:
        against = f"{against} ({one['peer']})"
    return f"{title}, fapws : {against}"


def target_figures(one: Json) -> list[str]:
    """At most, and measured."""
    unit = UNITS.get(one["measured"], "")
    digits = 0 if unit == " ms" else 2
    measured = "-" if one["figure"] is None else f"{one['figure']:.{digits}f}{unit}"
    if one["figure"] is not None and one["figure"] >= 1e6:
        measured = "one got none"
    return [f"{one['limit']:.{digits}f}{unit}", measured]
