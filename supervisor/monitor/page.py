"""The page for people at the status address: plain HTML, no script, readable on a telephone. Pure."""

from __future__ import annotations

from fapws.lean import Any, Sequence
from fapws.supervisor.core.outlook import pool_words
from fapws.supervisor.core.worker_states import BACKING_OFF

REFRESH = 5
"""Seconds."""

_STYLE = """\
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --bad: #b3261e; --good: #1b6e3c }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7fd8a4 } }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem }
p { margin: .25rem 0 } .good { color: var(--good) } .bad { color: var(--bad) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap } td { white-space: nowrap } td.n, th.n { text-align: right }
td, pre { font-variant-numeric: tabular-nums } td.w { white-space: normal; overflow-wrap: anywhere }
td:first-child { font-weight: 600 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .75rem }
footer { margin-top: 2rem; font-size: .875rem; opacity: .75 }
@media (max-width: 40rem) {
  thead { display: none } table, tbody { display: block } tr { border-bottom: 1px solid var(--line) }
  tr { display: grid; grid-template-columns: 1fr 1fr; column-gap: 1rem }
  td:first-child, td.w { grid-column: 1 / -1 }
  td, td.n { border: 0; padding: .1rem 0; text-align: left; white-space: normal } tr { padding: .5rem 0 }
  td:before { content: attr(data-is) " "; opacity: .7; font-weight: 400 }
  td:first-child:before { content: "" }
  td:empty { display: none }
}
"""
_POOL_COLUMNS = ("pool", "workers", "address")
_WORKER_COLUMNS = (
    *("worker", "pid", "state", "age", "generation", "requests"),
    *("in flight", "connections", "memory", "CPU", "request in hand"),
)
_NUMBERS = frozenset(("pid", "age", "generation", "requests", "in flight", "connections", "memory", "CPU"))
_WIDE = frozenset(("workers", "address", "request in hand", "what"))


def render(status: dict[str, Any]) -> str:
    """The page of a status with memory and CPU."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="refresh" content="{REFRESH}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>fapws: {escape(status['state'])}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"{_heading(status)}{_pools(status)}{_workers(status)}{_history(status)}"
        f"<footer>Refreshed every {REFRESH} seconds. The same for programs: "
        '<a href="/status.json">status.json</a>; for probes: <a href="/livez">livez</a>, '
        '<a href="/readyz">readyz</a>.</footer>\n</body>\n</html>\n'
    )


def escape(text: object) -> str:
    """Text of anybody's, in HTML, in an attribute too."""
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace('"', "&quot;").replace("'", "&#39;")


def _heading(status: dict[str, Any]) -> str:
    trouble = status["trouble"]
    verdict = f'<p class="bad">{escape(trouble)}</p>' if trouble else '<p class="good">healthy</p>'
    return (
        f"<h1>fapws: {escape(status['state'])}</h1>\n{verdict}\n"
        f"<p>pid {status['pid']}, generation {status['generation']}, up {span(status['uptime'])}</p>\n"
        f"<p>{escape(status['config'])}</p>\n"
    )


def _pools(status: dict[str, Any]) -> str:
    rows = []
    for pool in status["pools"]:
        words = "asleep until a client comes" if pool["asleep"] else ""
        stage = status["draining"].get(pool["name"], "")
        told = pool_words(pool["name"], pool["serving"], pool["workers"], stage)
        words = words or told.partition(": ")[2] + (": no client is to be sent here" if stage else "")
        rows.append((pool["name"], words, ", ".join(pool["listen"])))
    short = [pool["serving"] < pool["workers"] and not pool["asleep"] for pool in status["pools"]]
    return "<h2>Pools</h2>\n" + _table(_POOL_COLUMNS, rows, short)


def _workers(status: dict[str, Any]) -> str:
    rows = [_worker(worker) for worker in status["workers"]]
    totals = status["totals"]
    counts = [str(totals[name]) for name in ("requests", "in_flight", "connections")]
    rows.append(("total", "", "", "", "", *counts, "", "", ""))
    down = [not worker["pid"] and worker["state"] == BACKING_OFF for worker in status["workers"]]
    return "<h2>Workers</h2>\n" + _table(_WORKER_COLUMNS, rows, [*down, False])


def _worker(worker: dict[str, Any]) -> tuple[str, ...]:
    request = worker["request"]
    return (
        f"{worker['pool']}/{worker['slot']}",
        str(worker["pid"] or ""),
        worker["state"],
        span(worker["age"]),
        str(worker["generation"]),
        *(str(worker[name]) for name in ("requests", "in_flight", "connections")),
        f"{worker['rss'] / 2**20:.1f} MB" if worker["rss"] else "",
        f"{worker['cpu']:.1f} s" if worker["cpu"] is not None else "",
        f"{request} ({span(worker['request_age'] or 0)})" if request else "",
    )


def _history(status: dict[str, Any]) -> str:
    parts = []
    reload = status["last_reload"]
    if reload:
        word = "done" if reload["ok"] else "failed"
        kind = "" if reload["ok"] else ' class="bad"'
        parts.append(f"<h2{kind}>Last reload: {word} {span(reload['ago'])} ago</h2>\n")
        parts.append(f"<pre>{escape(reload['text'].rstrip())}</pre>\n")
    if status["last_deaths"]:
        deaths = reversed(status["last_deaths"])  # what people look for is the last
        rows = [(f"{span(death['ago'])} ago", death["text"]) for death in deaths]
        parts.append("<h2>Last deaths</h2>\n" + _table(("when", "what"), rows))
    return "".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], bad: Sequence[bool] = ()) -> str:
    """``bad``: for each row, whether it tells of trouble; none: no row does."""
    kinds = [' class="n"' if c in _NUMBERS else ' class="w"' if c in _WIDE else "" for c in columns]
    head = "".join(f"<th{kind}>{column}</th>" for kind, column in zip(kinds, columns))
    lines = [
        ('<tr class="bad">' if trouble else "<tr>")
        + "".join(
            f'<td{kind} data-is="{column}">{escape(cell)}</td>'
            for kind, column, cell in zip(kinds, columns, row)
        )
        + "</tr>\n"
        for row, trouble in zip(rows, bad or [False] * len(rows))
    ]
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table>\n{body}</table></div>\n'


def span(seconds: float) -> str:
    """A length of time in the unit that suits it: 12 s, 5 min, 3 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds)} s"
