"""The page for people at the status address: plain HTML, no script, readable on a telephone. Pure."""

from __future__ import annotations

from fapws.lean import Any, Sequence

REFRESH = 5
"""Seconds."""

_STYLE = """\
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --bad: #b3261e; --good: #1b6e3c }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7fd8a4 } }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem }
p { margin: .25rem 0 } .good { color: var(--good) } .bad { color: var(--bad) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap } td { white-space: nowrap } td.n, th.n { text-align: right }
td, pre { font-variant-numeric: tabular-nums } td.w { white-space: normal; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .75rem }
footer { margin-top: 2rem; font-size: .875rem; opacity: .75 }
@media (max-width: 40rem) {
  thead { display: none } table, tbody, tr, td { display: block } tr { border-bottom: 1px solid var(--line) }
  td, td.n { border: 0; padding: .1rem 0; text-align: left; white-space: normal } tr { padding: .5rem 0 }
  td { display: grid; grid-template-columns: 8.5rem 1fr } td:before { content: attr(data-is); opacity: .7 }
  td:empty { display: none }
}
"""
_POOL_COLUMNS = ("pool", "workers", "address")
_WORKER_COLUMNS = (
    *("worker", "pid", "state", "age", "generation", "requests"),
    *("in flight", "connections", "memory", "CPU", "request in hand"),
)
_NUMBERS = frozenset(("pid", "age", "generation", "requests", "in flight", "connections", "memory", "CPU"))
_WIDE = frozenset(("address", "request in hand", "what"))


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
        words = words or f"{pool['serving']} of {pool['workers']} serving"
        if pool["name"] in status["draining"]:
            words += f", {status['draining'][pool['name']]}: no client is to be sent here"
        rows.append((pool["name"], words, ", ".join(pool["listen"])))
    return "<h2>Pools</h2>\n" + _table(_POOL_COLUMNS, rows)


def _workers(status: dict[str, Any]) -> str:
    rows = [_worker(worker) for worker in status["workers"]]
    totals = status["totals"]
    counts = [str(totals[name]) for name in ("requests", "in_flight", "connections")]
    rows.append(("total", "", "", "", "", *counts, "", "", ""))
    return "<h2>Workers</h2>\n" + _table(_WORKER_COLUMNS, rows)


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
        parts.append(f"<h2>Last reload: {word} {span(reload['ago'])} ago</h2>\n")
        parts.append(f"<pre>{escape(reload['text'].rstrip())}</pre>\n")
    if status["last_deaths"]:
        rows = [(f"{span(death['ago'])} ago", death["text"]) for death in status["last_deaths"]]
        parts.append("<h2>Last deaths</h2>\n" + _table(("when", "what"), rows))
    return "".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    kinds = [' class="n"' if c in _NUMBERS else ' class="w"' if c in _WIDE else "" for c in columns]
    head = "".join(f"<th{kind}>{column}</th>" for kind, column in zip(kinds, columns))
    lines = [
        "<tr>"
        + "".join(
            f'<td{kind} data-is="{column}">{escape(cell)}</td>'
            for kind, column, cell in zip(kinds, columns, row)
        )
        + "</tr>\n"
        for row in rows
    ]
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table>\n{body}</table></div>\n'


def span(seconds: float) -> str:
    """A length of time in the unit that suits it: 12 s, 5 min, 3 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds)} s"
