"""The reply to ``status`` as text for people; memory and processor time come from /proc or ps."""

from __future__ import annotations

from fapws.lean import Any, Sequence
from fapws.supervisor.control.status import LAST_RELOAD
from fapws.supervisor.core import texts
from fapws.supervisor.core.outlook import pool_words
from fapws.supervisor.process.usage import Usage, put_in, usage_of_proc

_HEADINGS = (
    *("worker", "pid", "state", "age", "gen"),
    *("requests", "in-flight", "connections", "RSS", "CPU", "request"),
)


def add_usage(reply: dict[str, Any]) -> None:
    """Gives every worker its ``rss`` (bytes) and ``cpu`` (seconds), None where the system does not tell."""
    pids = [worker["pid"] for worker in reply["workers"] if worker["pid"]]
    put_in(reply, usage_of_proc(pids) or _usage_of_ps(pids))


def render(reply: dict[str, Any]) -> str:
    """Lines for people, of a status with RSS."""
    lines = [
        f"fapws: {reply['state']} (pid {reply['pid']}), generation {reply['generation']}, "
        f"up {span(reply['uptime'])}"
    ]
    for pool in reply["pools"]:
        stage = reply.get("draining", {}).get(pool["name"], "")
        words = pool_words(pool["name"], pool["serving"], pool["workers"], stage)
        lines.append(f"{words} on {', '.join(pool['listen'])}")
    lines += [_preload(zygote) for zygote in reply.get("zygotes", ())]
    lines += [f"{key} on {url}" for key, url in reply.get("monitors", {}).items()]
    lines += table([_HEADINGS, *map(_worker_row, reply["workers"]), _total_row(reply)])
    lines += history(reply)
    return "\n".join(lines)


def _preload(zygote: dict[str, Any]) -> str:
    where = f"pid {zygote['pid']}" if zygote["pid"] else "no process"
    kept = f", can be gone back to for {span(zygote['kept_for'])} (rollback)" if zygote["kept_for"] else ""
    return (
        f"preload {zygote['pool']}: {where}, {zygote['state']}, generation {zygote['generation']}, "
        f"{span(zygote['age'])} old{kept}"
    )


def _worker_row(worker: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{worker['pool']}/{worker['slot']}",
        str(worker["pid"] or "-"),
        worker["state"],
        span(worker["age"]),
        str(worker["generation"]),
        str(worker["requests"]),
        str(worker["in_flight"]),
        str(worker["connections"]),
        _memory(worker),
        f"{worker['cpu']:.1f}s" if worker["cpu"] is not None else "-",
        f"{worker['request']} ({span(worker['request_age'] or 0)})" if worker.get("request") else "",
    )


def _memory(worker: dict[str, Any]) -> str:
    """What is resident, and how much of that is the worker's own, where it shares with its zygote."""
    if not worker["rss"]:
        return "-"
    own = worker.get("private")
    return f"{worker['rss'] / 2**20:.1f}M" + ("" if own is None else f" ({own / 2**20:.1f}M own)")


def _total_row(reply: dict[str, Any]) -> tuple[str, ...]:
    totals = reply["totals"]
    counts = (str(totals[name]) for name in ("requests", "in_flight", "connections"))
    return ("total", "", "", "", "", *counts, "", "", "")


def table(rows: Sequence[tuple[str, ...]], left: Sequence[int] | None = None) -> list[str]:
    """Lines. ``left``: the columns that begin at the left, a space apart; the others end at the right. None:
    all begin at the left, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    if left is None:
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    places = [str.ljust if at in left else str.rjust for at in range(len(widths))]
    return [" ".join(put(*cell) for put, cell in zip(places, zip(row, widths))).rstrip() for row in rows]


def history(reply: dict[str, Any], newest_first: bool = False) -> list[str]:
    """How the last reload ended, and the last deaths, a line each."""
    lines = [_last_reload(reply)] if reply["last_reload"] else []
    deaths = reversed(reply["last_deaths"]) if newest_first else reply["last_deaths"]
    return lines + [f"death {span(death['ago'])} ago: {death['text']}" for death in deaths]


def _last_reload(reply: dict[str, Any]) -> str:
    """Of a traceback it has what that comes to."""
    reload = reply["last_reload"]
    text = reload["text"].strip("\n")
    said = texts.headline(text)
    more = "" if said == text else " (fapwsctl why tells more)"
    return f"{LAST_RELOAD}: {'done' if reload['ok'] else 'failed'} {span(reload['ago'])} ago: {said}{more}"


def span(seconds: float) -> str:
    """A length of time in the unit that suits it: 12s, 5m, 3h, 2d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds / size)}{unit}"
    return f"{int(seconds)}s"


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
