"""The plot: one panel a workload, one bar a server. Pure: the JSON of a run in, SVG out.

A bar is the server's cost divided by fapws's, on a logarithmic scale that starts where fapws is: to
the right of the line it costs more, to the left less. Written by hand: no library in the bench.
"""

from __future__ import annotations

import math
from typing import Callable, NamedTuple
from xml.sax.saxutils import escape

from .results import Json

FAPWS, PYTHON, OTHER = "#c2410c", "#5b7fa6", "#8a8f98"
INK, MUTED, LINE, PAPER, STRIPE = "#1c1f23", "#5d636b", "#d5d9de", "#ffffff", "#f7f8fa"
PALE = "0.5"  # opacity
FONT = "font-family='DejaVu Sans, Verdana, Helvetica, sans-serif'"

WIDTH, COLUMNS, MARGIN, GAP = 1500, 3, 30, 26
ROW, BAR = 19, 13  # height of a server's row and of its bar
TITLE, HEAD = 46, 118  # above the rows of a panel; above the first panel
NAME = 122  # width of the servers' names
LABEL = 112  # room for the figure behind the longest bar
TIMES = "\u00d7"
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Row(NamedTuple):
    server: str
    figure: float | None  # None: it failed
    note: str = ""


class Panel(NamedTuple):
    title: str
    what: str
    unit: str
    rows: list[Row]


def svg(data: Json) -> str:
    found = panels(data)
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    parts, top = [], float(HEAD)
    for first in range(0, len(found), COLUMNS):
        line = found[first : first + COLUMNS]
        for column, panel in enumerate(line):
            parts.append(_panel(panel, MARGIN + column * (width + GAP), top, width))
        top += max(len(panel.rows) for panel in line) * ROW + TITLE + GAP + 14
    height = top + 30
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}' {FONT} "
            f"role='img' aria-label='Cost of fapws and other servers'>",
            f"<rect width='{WIDTH}' height='{height:.0f}' fill='{PAPER}'/>",
            *_heading(data),
            *parts,
            svg_text(MARGIN, height - 14, _footer(data), 12, MUTED),
            "</svg>\n",
        ]
    )


def panels(data: Json) -> list[Panel]:
    """What there is to show, cheapest first, failures last."""
    found = []
    for name, one in data["speed"].items():
        late = name == "slow"
        key, unit = ("p99_ms", "ms") if late else ("cpu_us", "µs")
        title = "slow: p99 of the fast clients" if late else name
        rows = _rows(one["servers"], key)
        if not late and min((row.figure for row in rows if row.figure), default=0.0) >= 1000:
            unit, rows = "ms", [row._replace(figure=row.figure / 1000) if row.figure else row for row in rows]
        rows += _absent(data)
        found.append(Panel(title, one["what"], unit, rows))
    if data["memory"]:
        what = "PSS of all processes of the server, after one request"
        found.append(
            Panel("memory at rest", what, "MB", _rows(data["memory"], "rest_pss_mb") + _absent(data))
        )
        rows = _rows(data["memory"], "idle_pss_mb") + _absent(data)
        found.append(Panel("memory, 10,000 idle connections", "PSS while they are open", "MB", rows))
    if data["startup"]:
        what = "from the command to the first right answer"
        found.append(Panel("start", what, "ms", _rows(data["startup"], "answer_ms") + _absent(data)))
    return found


def _rows(servers: list[Json], key: str) -> list[Row]:
    good = [Row(one["server"], one[key]["median"]) for one in servers if one[key] and not one["failure"]]
    bad = [
        Row(one["server"], None, one["failure"] or _lack(one))
        for one in servers
        if one["failure"] or not one[key]
    ]
    return sorted(good, key=lambda row: row.figure or 0.0) + bad


def _lack(one: Json) -> str:
    return f"holds only {one['held']:,} of them" if one.get("held") is not None else "not measured"


def _absent(data: Json) -> list[Row]:
    return [Row(name, None, f"not installed: {why}") for name, why in data["absent"].items()]


def _heading(data: Json) -> list[str]:
    x = float(WIDTH - MARGIN)
    legend = (
        ("fapws", FAPWS, "1"),
        ("fapws on PyPy", FAPWS, PALE),
        ("other Python servers", PYTHON, "1"),
        ("no Python", OTHER, "1"),
    )
    parts = [
        svg_text(MARGIN, 40, "What a request costs: fapws beside other servers", 25, INK, weight="bold"),
        svg_text(
            MARGIN,
            66,
            "Server CPU time per request (user and system, all processes), unless a panel says otherwise. "
            "Shorter is better.",
            14,
            INK,
        ),
        svg_text(
            MARGIN,
            88,
            "The vertical line is fapws. A bar to the right: so many times as much as fapws; to the left: "
            "less. The scale is logarithmic; the figure stands at the bar.",
            14,
            MUTED,
        ),
    ]
    for name, colour, opacity in reversed(legend):
        x -= 7.6 * len(name) + 36
        parts.append(f"<rect x='{x:.0f}' y='27' width='14' height='14' fill='{colour}' opacity='{opacity}'/>")
        parts.append(svg_text(x + 20, 39, name, 13, INK))
    return parts


def _footer(data: Json) -> str:
    m, plan = data["machine"], data["plan"]
    others = data["cores_used_by_others"]
    return (
        f"{m['date']} · {m['cpu']}, {m['cores']} cores, {m['system']}, {m['kernel']}, {m['python']} · "
        f"one worker, one core for the server, one for the client · medians of {plan['rounds']} rounds "
        f"that take turns · others used {others:.2f} of a core"
    )


def _panel(panel: Panel, left: float, top: float, width: float) -> str:
    figures = [row.figure for row in panel.rows if row.figure]
    base = next((row.figure for row in panel.rows if row.server == "fapws" and row.figure), None)
    unit = base or min(figures, default=1.0)
    low = min([figure / unit for figure in figures] + [0.95])
    high = max([figure / unit for figure in figures] + [2.0])
    start, end = left + NAME, left + width - LABEL
    scale = (end - start) / (math.log(high) - math.log(low))

    def place(value: float) -> float:
        return start + (math.log(value) - math.log(low)) * scale

    rows_top, one = top + TITLE, place(1.0)
    bottom = rows_top + len(panel.rows) * ROW
    parts = [
        svg_text(left, top + 12, panel.title, 16, INK, weight="bold"),
        svg_text(left, top + 30, _fitted(panel.what, width, 11), 11, MUTED),
    ]
    previous = -100.0
    for tick in TICKS:
        x = place(tick)
        if low <= tick <= high and x - previous > 30:
            previous = x
            parts.append(svg_line(x, rows_top, x, bottom, LINE))
            parts.append(svg_text(x, bottom + 12, f"{tick:g}{TIMES}", 10, MUTED, anchor="middle"))
    for number, row in enumerate(panel.rows):
        parts += _bar(row, panel.unit, rows_top + number * ROW, left, place, unit)
    parts.append(svg_line(one, rows_top - 2, one, bottom + 2, FAPWS if base else MUTED, 1.5))
    return "\n".join(parts)


def _bar(
    row: Row, unit: str, y: float, left: float, place: Callable[[float], float], base: float
) -> list[str]:
    """A name, a bar from the line of fapws, and its figure; or why there is none."""
    ours = row.server == "fapws"
    other = OTHER if row.server in ("nginx", "floor") else PYTHON
    colour = FAPWS if row.server.startswith("fapws") else other
    middle = y + ROW / 2 + 4
    weight = "bold" if ours else "normal"
    ink = colour if ours else INK
    parts = [svg_text(left + NAME - 8, middle, row.server, 12, ink, anchor="end", weight=weight)]
    if row.figure is None:
        said = row.note if row.note.startswith("holds") else f"fails: {row.note}"
        parts.append(svg_text(place(1.0) + 7, middle, _fitted(said, 330, 11), 11, MUTED, style="italic"))
        return parts
    one, x = place(1.0), place(row.figure / base)
    from_x, to_x = min(one, x), max(one, x)
    opacity = PALE if row.server == "fapws-pypy" else "1"
    parts.append(
        f"<rect x='{from_x:.1f}' y='{y + (ROW - BAR) / 2:.1f}' width='{max(to_x - from_x, 3):.1f}' "
        f"height='{BAR}' fill='{colour}' fill-opacity='{opacity}'/>"
    )
    times = "" if ours else f" · {_times(row.figure / base)}"
    parts.append(svg_text(to_x + 7, middle, f"{_figure(row.figure)} {unit}{times}", 12, ink, weight=weight))
    return parts


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _times(value: float) -> str:
    digits = 0 if value >= 10 else 1 if value >= 2 else 2
    return f"{value:.{digits}f}{TIMES}"


def _fitted(words: str, width: float, size: float) -> str:
    room = int(width / (size * 0.53))
    return words if len(words) <= room else words[: room - 1].rstrip() + "…"


def svg_line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    place = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {place} stroke='{colour}' stroke-width='{width}'/>"


def svg_text(
    x: float,
    y: float,
    words: str,
    size: float,
    colour: str,
    anchor: str = "start",
    weight: str = "normal",
    style: str = "normal",
) -> str:
    how = f"font-size='{size}' fill='{colour}'"
    if anchor != "start":
        how += f" text-anchor='{anchor}'"
    if weight != "normal":
        how += f" font-weight='{weight}'"
    if style != "normal":
        how += f" font-style='{style}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {how}>{escape(words)}</text>"
