"""The answer to ``status`` as text for people; resident memory comes from /proc."""

from __future__ import annotations

import os

from fapws.lean import Any, Sequence
from fapws.supervisor import texts

_HEADINGS = (
    *("worker", "pid", "state", "age", "gen"),
    *("requests", "in-flight", "connections", "RSS", "request"),
)


def add_rss(answer: dict[str, Any]) -> None:
    """Gives every worker its ``rss`` in bytes, or None where the system does not tell."""
    for worker in answer["workers"]:
        worker["rss"] = _rss(worker["pid"])


def render(answer: dict[str, Any]) -> str:
    """Lines for people, of a status with RSS."""
    lines = [
        f"fapws: {answer['state']} (pid {answer['pid']}), generation {answer['generation']}, "
        f"up {_span(answer['uptime'])}"
    ]
    for pool in answer["pools"]:
        lines.append(
            f"pool {pool['name']}: {pool['serving']} of {pool['workers']} serving on "
            f"{', '.join(pool['listen'])}"
        )
    lines += _table([_HEADINGS, *map(_worker_row, answer["workers"]), _total_row(answer)])
    lines += _history(answer)
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
        f"{worker['request']} ({_span(worker['request_age'] or 0)})" if worker.get("request") else "",
    )


def _total_row(answer: dict[str, Any]) -> tuple[str, ...]:
    totals = answer["totals"]
    counts = (str(totals[name]) for name in ("requests", "in_flight", "connections"))
    return ("total", "", "", "", "", *counts, "", "")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _history(answer: dict[str, Any]) -> list[str]:
    lines = []
    reload = answer["last_reload"]
    if reload:
        word = "done" if reload["ok"] else "failed"
        lines.append(texts.after(f"last reload: {word} {_span(reload['ago'])} ago", reload["text"]))
    lines += [f"death {_span(death['ago'])} ago: {death['text']}" for death in answer["last_deaths"]]
    return lines


def _span(seconds: float) -> str:
    """A length of time in the unit that suits it: 12s, 5m, 3h, 2d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds / size)}{unit}"
    return f"{int(seconds)}s"


def _rss(pid: int | None) -> int | None:
    """Bytes of resident memory."""
    if not pid:
        return None
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
