"""The reply to ``status`` as text for people; memory and processor time come from /proc or ps."""

from __future__ import annotations

import os

from fapws.lean import Any, Sequence
from fapws.supervisor.core import texts

Usage = dict[int, tuple[int, float]]
"""By PID: resident memory in bytes, and seconds of processor time."""

_HEADINGS = (
    *("worker", "pid", "state", "age", "gen"),
    *("requests", "in-flight", "connections", "RSS", "CPU", "request"),
)


def add_usage(reply: dict[str, Any]) -> None:
    """Gives every worker its ``rss`` (bytes) and ``cpu`` (seconds), None where the system does not tell."""
    pids = [worker["pid"] for worker in reply["workers"] if worker["pid"]]
    usage = _usage_of_proc(pids) or _usage_of_ps(pids)
    for worker in reply["workers"]:
        worker["rss"], worker["cpu"] = usage.get(worker["pid"], (None, None))


def render(reply: dict[str, Any]) -> str:
    """Lines for people, of a status with RSS."""
    lines = [
        f"fapws: {reply['state']} (pid {reply['pid']}), generation {reply['generation']}, "
        f"up {_span(reply['uptime'])}"
    ]
    for pool in reply["pools"]:
        lines.append(
            f"pool {pool['name']}: {pool['serving']} of {pool['workers']} serving on "
            f"{', '.join(pool['listen'])}"
        )
    lines += _table([_HEADINGS, *map(_worker_row, reply["workers"]), _total_row(reply)])
    lines += _history(reply)
    return "\n".join(lines)


def _worker_row(worker: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{worker['pool']}/{worker['slot']}",
        str(worker["pid"] or "-"),
        worker["state"],
        _span(worker["age"]),
        str(worker["generation"]),
        str(worker["requests"]),
        str(worker["in_flight"]),
        str(worker["connections"]),
        f"{worker['rss'] / 2**20:.1f}M" if worker["rss"] else "-",
        f"{worker['cpu']:.1f}s" if worker["cpu"] is not None else "-",
        f"{worker['request']} ({_span(worker['request_age'] or 0)})" if worker.get("request") else "",
    )


def _total_row(reply: dict[str, Any]) -> tuple[str, ...]:
    totals = reply["totals"]
    counts = (str(totals[name]) for name in ("requests", "in_flight", "connections"))
    return ("total", "", "", "", "", *counts, "", "", "")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _history(reply: dict[str, Any]) -> list[str]:
    lines = []
    reload = reply["last_reload"]
    if reload:
        word = "done" if reload["ok"] else "failed"
        lines.append(texts.after(f"last reload: {word} {_span(reload['ago'])} ago", reload["text"]))
    lines += [f"death {_span(death['ago'])} ago: {death['text']}" for death in reply["last_deaths"]]
    return lines


def _span(seconds: float) -> str:
    """A length of time in the unit that suits it: 12s, 5m, 3h, 2d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds / size)}{unit}"
    return f"{int(seconds)}s"


def _usage_of_proc(pids: Sequence[int]) -> Usage:
    """What Linux tells (proc(5)); a process that has just gone is left out."""
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    usage: Usage = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()  # the name before may hold anything
            usage[pid] = int(fields[21]) * page, (int(fields[11]) + int(fields[12])) / tick
        except (OSError, ValueError, IndexError):
            continue
    return usage


def _usage_of_ps(pids: Sequence[int]) -> Usage:
    """What every other system tells."""
    import subprocess

    command = ["ps", "-o", "pid=", "-o", "rss=", "-o", "time=", "-p", ",".join(map(str, pids))]
    try:
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.splitlines() if pids else []
        rows = [line.split() for line in lines]
        return {int(pid): (int(kilobytes) * 1024, cpu_seconds(time)) for pid, kilobytes, time in rows}
    except (OSError, ValueError):
        return {}


def cpu_seconds(text: str) -> float:
    """Of ps: ``[[days-]hours:]minutes:seconds``, on the BSDs with hundredths."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86400 * int(days or 0)
