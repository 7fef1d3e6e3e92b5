"""What `fapwsctl top` shows: two looks at a server become lines of a given width. Pure.

Rates are differences between the two looks, of the same process: a worker that is new has counted from 0.
"""

from __future__ import annotations

from fapws.cli.status_text import history, span, table
from fapws.lean import Any, Iterable, NamedTuple, Sequence
from fapws.supervisor.core.outlook import pool_words
from fapws.visible import visible_line

WIDE = 100
"""Columns from which on there is room for PIDs."""
ORDERS = ("worker", "requests", "busy", "age", "RSS", "CPU")
_HEADINGS = ("worker", "state", "req/s", "busy", "p50", "p99", "fly", "conn", "RSS", "CPU", "request")
_LEFT = (0, 1, 10)
"""Columns that begin at the left; numbers end at the right."""
_NAME_MAX = 14
_FOOT_MIN = 3
"""Lines of what happened that stay when workers need the room: the first of them say most."""
_UNKNOWN = "-"


class Look(NamedTuple):
    """What the server said at one moment."""

    at: float
    """Monotonic seconds."""
    reply: dict[str, Any]
    """To ``top``, with RSS and CPU."""


class Row(NamedTuple):
    """A worker, or the sum of a pool."""

    name: str
    pool: str
    state: str
    pid: int
    rate: float | None
    """Requests a second."""
    busy: float | None
    """Part of the time, 0 to 1."""
    durations: tuple[int, ...] | None
    """Of the interval; None: not counted."""
    in_flight: int
    connections: int
    rss: int
    cpu: float | None
    """Part of one processor."""
    request: str
    age: float


class View(NamedTuple):
    """How people want to see it."""

    order: str = ORDERS[0]
    pool: str = ""
    """The only one that is shown; empty: all."""
    width: int = 80
    height: int = 24


def workers(before: Look | None, now: Look) -> list[Row]:
    """A row for each worker."""
    past = {_key(worker): worker for worker in before.reply["workers"]} if before else {}
    seconds = now.at - before.at if before else 0.0
    return [_row(worker, past.get(_key(worker)), seconds) for worker in now.reply["workers"]]


def totals(rows: Sequence[Row], reply: dict[str, Any]) -> list[Row]:
    """A row for each pool."""
    return [_total(pool, [row for row in rows if row.pool == pool["name"]]) for pool in reply["pools"]]


def sorted_by(rows: Iterable[Row], order: str) -> list[Row]:
    """The largest first, or by name."""
    keys = {
        "requests": lambda row: row.rate or 0,
        "busy": lambda row: row.busy or 0,
        "age": lambda row: row.age,
        "RSS": lambda row: row.rss,
        "CPU": lambda row: row.cpu or 0,
    }
    return sorted(rows, key=keys[order], reverse=True) if order in keys else list(rows)


def quantile(part: float, durations: Sequence[int] | None, bounds: Sequence[float]) -> str:
    """The bound below which this part of the requests stayed, which is all that a histogram tells."""
    if not durations or not sum(durations):
        return _UNKNOWN
    wanted = part * sum(durations)
    for bound, number in zip(bounds, durations):
        wanted -= number
        if wanted <= 0:
            return f"<{_duration(bound)}"
    return f">{_duration(bounds[-1])}"


def render(before: Look | None, now: Look, view: View) -> list[str]:
    """The lines, no longer and no more than there is room for."""
    rows = workers(before, now)
    sums = totals(rows, now.reply)
    if view.pool:
        rows, sums = ([row for row in some if row.pool == view.pool] for some in (rows, sums))
    top = _head(now.reply, sums, view)
    below = _foot(now.reply, rows)
    room = view.height - len(top) - len(sums) - 4
    below = below[: max(_FOOT_MIN, room - len(rows))]
    room = max(1, room - len(below))
    shown = sorted_by(rows, view.order)
    if len(shown) > room:
        left = len(shown) - room + 1
        shown = shown[: room - 1]
        below = [f"{left} more workers have no room here", *below]
    bounds = now.reply["bounds"]
    cells = [_heading(view), *(_cells(row, bounds, view) for row in (*shown, *sums))]
    drawn = table(cells, _LEFT if view.width < WIDE else (0, 2, 11))
    end = 1 + len(shown)
    lines = [*top, "", *drawn[:end], "", *drawn[end:], "", *below]
    return [_cut(visible_line(line), view.width).rstrip() for line in lines[: view.height]]


# ---- Rows ----------------------------------------------------------------------------------------


def _key(worker: dict[str, Any]) -> tuple[Any, ...]:
    return worker["pool"], worker["slot"], worker["pid"]


def _row(worker: dict[str, Any], past: dict[str, Any] | None, seconds: float) -> Row:
    if past is None and worker["age"] <= seconds:
        past = {"requests": 0, "busy": 0.0, "cpu": 0.0, "durations": None}  # it began meanwhile
    return Row(
        name=f"{worker['pool']}/{worker['slot']}",
        pool=worker["pool"],
        state=worker["state"],
        pid=worker["pid"] or 0,
        rate=_growth("requests", worker, past, seconds),
        busy=_busy(worker, past, seconds),
        durations=_durations(worker, past),
        in_flight=worker["in_flight"],
        connections=worker["connections"],
        rss=worker["rss"] or 0,
        cpu=_growth("cpu", worker, past, seconds),
        request=worker["request"] or "",
        age=worker["request_age"] or 0.0,
    )


def _growth(name: str, worker: dict[str, Any], past: dict[str, Any] | None, seconds: float) -> float | None:
    if past is None or seconds <= 0 or worker[name] is None or past[name] is None:
        return None
    grown: float = worker[name] - past[name]
    return max(0.0, grown / seconds)


def _busy(worker: dict[str, Any], past: dict[str, Any] | None, seconds: float) -> float | None:
    """Time with work is counted when the work is done: what is still in hand is added by its age."""
    counted = _growth("busy", worker, past, seconds)
    held = worker["request_age"] or 0.0
    if counted is None:
        return 1.0 if 0 < seconds <= held else None
    return min(1.0, counted + min(held, seconds) / seconds)


def _durations(worker: dict[str, Any], past: dict[str, Any] | None) -> tuple[int, ...] | None:
    now = worker["durations"]
    if now is None or past is None:
        return None
    before = past["durations"] or [0] * len(now)
    return tuple(max(0, one - other) for one, other in zip(now, before))


def _total(pool: dict[str, Any], rows: Sequence[Row]) -> Row:
    oldest = max(rows, key=lambda row: row.age, default=None)
    busy = [row.busy for row in rows if row.busy is not None]
    return Row(
        name=pool["name"],
        pool=pool["name"],
        state="asleep" if pool["asleep"] else f"{pool['serving']} of {pool['workers']}",
        pid=0,
        rate=_sum(row.rate for row in rows),
        busy=sum(busy) / len(busy) if busy else None,
        durations=_sum_each([row.durations for row in rows if row.durations is not None]),
        in_flight=sum(row.in_flight for row in rows),
        connections=sum(row.connections for row in rows),
        rss=sum(row.rss for row in rows),
        cpu=_sum(row.cpu for row in rows),
        request="",
        age=oldest.age if oldest else 0.0,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _sum_each(all_of: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    return tuple(map(sum, zip(*all_of))) if all_of else None


# ---- Lines ---------------------------------------------------------------------------------------


def _head(reply: dict[str, Any], sums: Sequence[Row], view: View) -> list[str]:
    rate = _sum(row.rate for row in sums)
    flying, connections = sum(row.in_flight for row in sums), sum(row.connections for row in sums)
    lines = [
        f"fapws: {reply['state']} (pid {reply['pid']}), generation {reply['generation']}, "
        f"up {span(reply['uptime'])}",
        f"{_number(rate)} requests/s, {flying} in flight, {connections} connections"
        f"; pool {view.pool or '(all)'}; by {view.order}",
    ]
    pools = [pool for pool in reply["pools"] if view.pool in ("", pool["name"])]
    lines += [words for words in (_unready(pool, reply["draining"]) for pool in pools) if words]
    return lines + ([f"trouble: {reply['trouble']}"] if reply["trouble"] else [])


def _unready(pool: dict[str, Any], draining: dict[str, str]) -> str:
    """A drained pool, and one that lacks workers: the trouble names one pool only."""
    stage = draining.get(pool["name"], "")
    lacks = pool["serving"] < pool["workers"] and not pool["asleep"]
    return pool_words(pool["name"], pool["serving"], pool["workers"], stage) if stage or lacks else ""


def _foot(reply: dict[str, Any], rows: Sequence[Row]) -> list[str]:
    lines = []
    living = [worker for worker in reply["workers"] if worker["pid"]]
    if living and all(worker["durations"] is None for worker in living):
        lines.append("p50, p99 and busy: counted only with `status` in [fapws]")
    return lines + history(reply, newest_first=True)  # what has no room at the end is the oldest


def _cut(line: str, width: int) -> str:
    """A line that is cut says so."""
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}~"


def _heading(view: View) -> tuple[str, ...]:
    return _with_pid(_HEADINGS, "pid", view)


def _cells(row: Row, bounds: Sequence[float], view: View) -> tuple[str, ...]:
    cells = (
        _short(row.name),
        row.state,
        _number(row.rate),
        _percent(row.busy),
        quantile(0.5, row.durations, bounds),
        quantile(0.99, row.durations, bounds),
        str(row.in_flight),
        str(row.connections),
        f"{row.rss / 2**20:.0f}M" if row.rss else _UNKNOWN,
        _percent(row.cpu),
        f"{span(row.age)} {row.request}" if row.request else "",
    )
    return _with_pid(cells, str(row.pid or ""), view)


def _short(name: str) -> str:
    """Both ends of a long one: its end tells the workers of a pool apart."""
    half = _NAME_MAX // 2
    return name if len(name) <= _NAME_MAX else f"{name[: half - 1]}~{name[-half:]}"


def _with_pid(cells: tuple[str, ...], pid: str, view: View) -> tuple[str, ...]:
    return (cells[0], pid, *cells[1:]) if view.width >= WIDE else cells


def _percent(part: float | None) -> str:
    return _UNKNOWN if part is None else f"{100 * part:.0f}%"


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:g}ms" if seconds < 1 else f"{seconds:g}s"
