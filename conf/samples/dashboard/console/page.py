"""The page, made of the data of watcher.py. Pure: whatever comes from outside goes through escape()."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Optional

from console import units
from console.chart import Line, bar, chart
from console.verdict import FULL, NEARLY_FULL

_HERE = os.path.dirname(os.path.abspath(__file__))
REFRESHES = (5, 10, 60, 0)
"""Seconds that the page offers; ?refresh= takes others too. 0: it does not refresh itself."""

Cell = Optional[str]
"""HTML of a cell of a table."""


def _asset(name: str) -> str:
    with open(os.path.join(_HERE, name), encoding="utf-8") as file:
        return file.read()


_STYLE, _SCRIPT = _asset("style.css"), _asset("refresh.js")


def render(found: dict[str, Any], refresh: int, nonce: str) -> str:
    """The whole page. nonce: what the Content-Security-Policy of this response lets in."""
    title = escape(found["title"])
    bad = sum(trouble["level"] == "bad" for trouble in found["troubles"])
    again = f'<noscript><meta http-equiv="refresh" content="{refresh}"></noscript>' if refresh else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{f"({bad}) " if bad else ""}{title}</title>
<link rel="icon" href="data:,">
{again}
<style nonce="{nonce}">
{_STYLE}</style>
</head>
<body>
<p id="stale" role="alert" hidden>No answer: these numbers are old.</p>
<div id="parts">
<header>
<h1>{title}</h1>
<p class="faint">{_facts(found)}</p>
</header>
<main>
{_verdict(found)}
<div class="grid tiles">
{_cpu(found)}
{_load(found)}
{_memory(found)}
{_network_tile(found)}
</div>
<div class="grid pairs">
{_fapws(found["fapws"], wide=not found["services"])}
{_services(found["services"])}
{_disks(found["disks"])}
<div class="stack">
{_network(found["network"])}
{_temperatures(found["temperatures"])}
</div>
{_processes(found)}
</div>
</main>
</div>
<footer>
{_refreshes(refresh)}
<p>{_histories(found)}</p>
<p><a href="metrics.json">metrics.json</a></p>
</footer>
<script nonce="{nonce}" data-seconds="{refresh}">
{_SCRIPT}</script>
</body>
</html>
"""


def _facts(found: dict[str, Any]) -> str:
    now = time.localtime(found["time"])
    stamp, shown = time.strftime("%Y-%m-%dT%H:%M:%S%z", now), time.strftime("%d %b %Y, %H:%M:%S %Z", now)
    facts = [escape(found["system"])]
    if found["cores"]:
        facts.append(units.counted(found["cores"], "core"))
    facts.append(f"up {units.span(found['uptime_s'])}")
    facts.append(f'<time datetime="{stamp}">{shown}</time>')
    return " · ".join(facts)


def _histories(found: dict[str, Any]) -> str:
    pid, window = found["worker_pid"], units.minutes(found["window_s"])
    several = len(found["fapws"]["workers"]) > 1
    each = "; each worker keeps its own, so another answer may show other lines" if several else ""
    return f"Charts: up to {window}, sampled by worker {pid} since it started{each}."


def _refreshes(chosen: int) -> str:
    links = []
    for seconds in sorted({*REFRESHES, chosen}, key=lambda seconds: seconds or 1e9):
        here = ' aria-current="true"' if seconds == chosen else ""
        links.append(f'<a href="?refresh={seconds}"{here}>{units.span(seconds) if seconds else "off"}</a>')
    return f'<nav aria-label="Refresh">Refresh {" ".join(links)}</nav>'


# ---- The verdict -----------------------------------------------------------------------------------


def _verdict(found: dict[str, Any]) -> str:
    troubles, missing = found["troubles"], found["missing_psutil"]
    level = troubles[0]["level"] if troubles else "good"
    marks = {"bad": "▲", "warn": "◆"}
    rows = "".join(
        f'<li><span class="mark {one["level"]}" aria-hidden="true">{marks[one["level"]]}</span>'
        f" {escape(one['text'])}</li>"
        for one in troubles
    )
    say = f"{units.counted(len(troubles), 'thing')} to look at" if troubles else "All is well"
    install = ""
    if missing:
        install = (
            '<p class="note">psutil is missing, so only a part is shown. Install it where this application'
            " runs, <code>pip install psutil</code> (or the system's package python3-psutil, py3-psutil),"
            f" and reload Fapws. Python said: {escape(missing)}</p>"
        )
    return (
        f'<section class="card verdict {level}" aria-labelledby="verdict">'
        f'<h2 id="verdict">{say}</h2>{f"<ul>{rows}</ul>" if rows else ""}{install}</section>'
    )


# ---- Tiles -----------------------------------------------------------------------------------------


def _tile(name: str, title: str, value: str, under: str, drawn: str, axis: str, window: float) -> str:
    return (
        f'<section class="card tile" aria-labelledby="{name}"><h2 id="{name}">{title}</h2>'
        f'<p class="value">{value}</p><p class="faint">{under}</p>{drawn}'
        f'<p class="axis"><span>&minus;{units.minutes(window)}</span><span>{axis}</span><span>now</span></p>'
        "</section>"
    )


def _peak(*columns: Sequence[float | None]) -> float | None:
    return max((value for column in columns for value in column if value is not None), default=None)


def _drawn(found: dict[str, Any], name: str, title: str, lines: Sequence[Line], top: float, peak: str) -> str:
    window = found["window_s"]
    text = f"The last {units.minutes(window)} at most; the highest value is {peak}."
    return chart(name, title, text, found["history"]["ago_s"], lines, window, top)


def _cpu(found: dict[str, Any]) -> str:
    past = found["history"]["cpu_percent"]
    peak = units.percent(_peak(past))
    drawn = _drawn(found, "cpu-chart", "Processor, percent", [Line("line", past)], 100.0, peak)
    under = f"of {units.counted(found['cores'], 'core')}" if found["cores"] else "of all cores"
    value = units.percent(found["cpu_percent"])
    return _tile("cpu", "Processor", value, under, drawn, f"peak {peak}", found["window_s"])


def _load(found: dict[str, Any]) -> str:
    past, load = found["history"]["load"], found["load"]
    highest = _peak(past)
    top = max(highest or 0.0, float(found["cores"] or 1))
    peak = units.DASH if highest is None else f"{highest:.2f}"
    drawn = _drawn(found, "load-chart", "Load of one minute", [Line("line", past)], top, peak)
    value = f"{load[0]:.2f}" if load else units.DASH
    under = f"{load[1]:.2f} in 5 min, {load[2]:.2f} in 15 min" if load else "not known here"
    return _tile("load", "Load", value, under, drawn, f"peak {peak}", found["window_s"])


def _memory(found: dict[str, Any]) -> str:
    past, memory, swap = found["history"]["memory_percent"], found["memory"], found["swap"]
    peak = units.percent(_peak(past))
    drawn = _drawn(found, "memory-chart", "Memory taken, percent", [Line("line", past)], 100.0, peak)
    value = units.DASH
    if memory:
        value = (
            f"{units.percent(memory['used_percent'])} "
            f"<small>{units.size(memory['used_bytes'])} of {units.size(memory['total_bytes'])}</small>"
        )
    if swap is None:
        under = f"swap {units.DASH}"
    elif swap["total_bytes"]:
        under = f"swap {units.size(swap['used_bytes'])} of {units.size(swap['total_bytes'])}"
    else:
        under = "no swap"
    return _tile("memory", "Memory", value, under, drawn, f"peak {peak}", found["window_s"])


def _network_tile(found: dict[str, Any]) -> str:
    network, past = found["network"], found["history"]
    inward, outward = past["in_bytes_per_s"], past["out_bytes_per_s"]
    peak = _peak(inward, outward)
    lines = [Line("line", inward), Line("other", outward)]
    title = "Network, bytes a second: in is filled, out a line"
    drawn = _drawn(found, "network-chart", title, lines, max(peak or 0.0, 10_000.0), units.rate(peak))
    value = f'<span class="key in">↓ {units.rate(network["in_bytes_per_s"])}</span> <small>in</small>'
    sent = units.rate(network["out_bytes_per_s"])
    under = f'<span class="key out">↑ {sent}</span> <small>out</small>'
    head = "Network <small>in is filled</small>"
    return _tile("network", head, value, under, drawn, f"peak {units.rate(peak)}", found["window_s"])


# ---- Tables ----------------------------------------------------------------------------------------


def _card(name: str, title: str, content: str, wide: bool = False) -> str:
    kind = "card wide" if wide else "card"
    return f'<section class="{kind}" aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'


def _table(name: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first cell of a row is its head. Cells are HTML."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f'<table aria-labelledby="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'


def _services(services: list[dict[str, Any]]) -> str:
    if not services:
        return ""
    words = {
        True: '<span class="mark good">● up</span>',
        False: '<span class="mark bad">▲ down</span>',
        None: units.DASH,
    }
    rows = [
        (f"{escape(one['name'])} <small>{escape(one['check'])}</small>", words[one["up"]]) for one in services
    ]
    return _card("services", "Services", _table("services", ("Service", "State"), rows))


def _disks(disks: list[dict[str, Any]]) -> str:
    rows = []
    for disk in disks:
        used = disk["used_percent"]
        kind = "bad" if (used or 0) >= FULL else "warn" if (used or 0) >= NEARLY_FULL else "good"
        name = f"{escape(disk['mount'])} <small>{escape(disk['type'])}</small>{bar(used or 0.0, kind)}"
        free, total = units.size(disk["free_bytes"]), units.size(disk["total_bytes"])
        rows.append((name, units.percent(used), free, total))
    if not rows:
        return _card("disks", "Disks", _note("None is known here."))
    return _card("disks", "Disks", _table("disks", ("Mounted on", "Used", "Free", "Size"), rows))


def _network(network: dict[str, Any]) -> str:
    rows = [
        (
            escape(one["name"]),
            units.rate(one["in_bytes_per_s"]),
            units.rate(one["out_bytes_per_s"]),
            units.size(one["in_bytes"]),
            units.size(one["out_bytes"]),
        )
        for one in network["interfaces"]
    ]
    heads = ("Interface", "In", "Out", "In, all", "Out, all")
    content = _table("interfaces", heads, rows) if rows else _note("None is known here.")
    return _card("interfaces", "Interfaces", content)


def _temperatures(sensors: list[dict[str, Any]]) -> str:
    if not sensors:
        return ""
    rows = []
    for sensor in sensors:
        high = sensor["high_celsius"]
        value = f"{sensor['celsius']:.0f} °C"
        if high and sensor["celsius"] >= high:
            value = f'<span class="mark warn">▲ {value}</span>'
        rows.append((escape(sensor["name"]), value, f"{high:.0f} °C" if high else units.DASH))
    return _card("temperatures", "Temperatures", _table("temperatures", ("Sensor", "Now", "High from"), rows))


def _fapws(fapws: dict[str, Any], wide: bool) -> str:
    rows = [_fapws_row(row) for row in [fapws["master"], *fapws["workers"]]]
    heads = ("Process", "Requests", "CPU", "Memory")
    content = _note(_fapws_facts(fapws)) + _table("fapws", heads, rows)
    notes = []
    reload = fapws["last_reload"]
    if reload:
        how = "done" if reload["ok"] else "failed"
        notes.append(f"Last reload {how} {units.span(reload['ago'])} ago.")
    for death in fapws["last_deaths"][-3:]:
        who = f"{death['pool']}/{death['slot']}"
        notes.append(f"{escape(who)} {escape(death['text'])}, {units.span(death['ago'])} ago.")
    if fapws["error"]:
        notes.append(f"Asked for more, {escape(fapws['error'])}.")
    return _card("fapws", "Fapws", content + "".join(_note(note) for note in notes), wide)


def _fapws_facts(fapws: dict[str, Any]) -> str:
    facts = [f"{escape(fapws['state'])}, {units.span(fapws['uptime_s'])}"] if fapws["state"] else []
    totals = fapws["totals"]
    if totals:
        facts.append(units.counted(totals["requests"], "request"))
        facts.append(f"{units.number(totals['refused'])} refused")
        facts.append(units.counted(totals["connections"], "connection"))
    for pool in fapws["pools"]:
        serving = "asleep" if pool["asleep"] else f"{pool['serving']} of {pool['workers']} serve"
        facts.append(f"{escape(pool['name'])}: {serving}")
    return " · ".join(facts) or "Requests and states take the master's control socket: DASHBOARD_CONTROL."


def _fapws_row(row: dict[str, Any]) -> tuple[str, ...]:
    facts = [f"pid {row['pid'] or units.DASH}", units.span(row["age_s"])]
    if row["state"] not in (None, "serving"):
        facts.append(escape(row["state"]))
    return (
        f"{escape(row['name'])} <small>{' · '.join(facts)}</small>",
        units.number(row["requests"]),
        units.percent(row["cpu_percent"]),
        units.size(row["rss_bytes"]),
    )


def _processes(found: dict[str, Any]) -> str:
    processes = found["processes"]
    if processes is None:
        return _card("by-cpu", "Processes", _note("They take psutil."), wide=True)
    span = processes["cpu_over_s"]
    over = f"in the last {units.span(span)}" if span else "over each process's life"
    cards = []
    for name, title in (("by_cpu", "Processes by CPU"), ("by_memory", "Processes by memory")):
        anchor = name.replace("_", "-")
        rows = [_process_row(row) for row in processes[name]]
        table = _table(anchor, ("Process", "CPU", "Memory"), rows)
        note = f"{processes['count']} processes. CPU {over}; 100 % is one core."
        cards.append(_card(anchor, title, table + _note(note)))
    return "\n".join(cards)


def _process_row(row: dict[str, Any]) -> tuple[str, ...]:
    user = f" · {escape(row['user'])}" if row["user"] else ""
    return (
        f"{escape(row['name'])} <small>{row['pid']}{user}</small>",
        units.percent(row["cpu_percent"]),
        units.size(row["rss_bytes"]),
    )
