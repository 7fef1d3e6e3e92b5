"""What a run's samples of memory say: the largest growth, and a plot. Pure: figures in, SVG out.

A sample is the number of requests so far and RSS in KB by process. The first process of the first
sample is the master. A process is judged from its first sample after the warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.plot import FAPWS, FONT, INK, LINE, MUTED, PAPER, PYTHON, svg_line, svg_text

Sample = tuple[int, dict[int, int]]

WARM_UP = 0.1
"""The share of the requests that Python, malloc and the core may fill their pools in."""

WIDTH, HEIGHT = 960, 480
LEFT, RIGHT, TOP, BOTTOM = 84, 170, 96, 62  # margins of the panel; lines are named to the right of it
SPACING = 17  # at least, between two of these names
OTHERS = ("#3d7a4e", "#7b5ea7", "#a8842c")


class Growth(NamedTuple):
    """KB that a process has gained since the warm-up; negative: it has shrunk."""

    pid: int
    largest: int
    at: int
    """Requests so far when it was largest."""
    last: int
    """At the end."""


def growths(samples: Sequence[Sample], requests: int) -> list[Growth]:
    """One for each process that was sampled twice or more after the warm-up, the master first."""
    after = [sample for sample in samples if sample[0] >= requests * WARM_UP]
    found = []
    for pid, points in series(after):
        if len(points) > 1:
            base = points[0][1]
            at, most = max(points[1:], key=lambda point: point[1])
            found.append(Growth(pid, most - base, at, points[-1][1] - base))
    return found


def largest_growth(samples: Sequence[Sample], requests: int) -> Growth | None:
    """Of the process that grew most; None: there was nothing to compare."""
    return max(growths(samples, requests), key=lambda growth: growth.largest, default=None)


def series(samples: Sequence[Sample]) -> list[tuple[int, list[tuple[int, int]]]]:
    """For each process the requests so far and its KB, in the order in which they were first seen."""
    found: dict[int, list[tuple[int, int]]] = {}
    for done, memory in samples:
        for pid, size in memory.items():
            found.setdefault(pid, []).append((done, size))
    return list(found.items())


def svg(samples: Sequence[Sample], requests: int, machine: str) -> str:
    """The plot. requests: all of the run; machine: what is said of where it ran."""
    lines = series(samples)
    megabytes = max((size for _, points in lines for _, size in points), default=0) / 1024
    x_step, y_step = step(max(requests, 1), 6), step(max(megabytes, 1.0), 7)
    top_value = y_step * math.ceil(max(megabytes, 1.0) * 1.1 / y_step)  # some room above the lines
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x_of(done: float) -> float:
        return LEFT + (right - LEFT) * done / max(requests, 1)

    def y_of(value: float) -> float:
        return bottom - (bottom - TOP) * value / top_value

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {FONT} role='img' "
        f"aria-label='Memory of the server over a long run'>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='{PAPER}'/>",
        svg_text(24, 36, f"Memory over {requests:,} requests of mixed kinds", 21, INK, weight="bold"),
        svg_text(24, 60, _sentence(largest_growth(samples, requests), lines), 13, INK),
        svg_text(24, 84, "RSS, MB", 12, MUTED),
        svg_text(right, bottom + 38, "requests", 12, MUTED, anchor="end"),
        svg_text(24, HEIGHT - 10, machine, 11, MUTED),
    ]
    for number in range(round(top_value / y_step) + 1):
        y = y_of(number * y_step)
        parts.append(svg_line(LEFT, y, right, y, LINE if number else MUTED))
        parts.append(svg_text(LEFT - 8, y + 4, f"{number * y_step:g}", 12, MUTED, anchor="end"))
    for number in range(math.floor(requests / x_step) + 1):
        x = x_of(number * x_step)
        parts.append(svg_line(x, bottom, x, bottom + 5, MUTED))
        parts.append(svg_text(x, bottom + 20, f"{number * x_step:,.0f}", 12, MUTED, anchor="middle"))
    warm = x_of(requests * WARM_UP)
    parts.append(svg_line(LEFT, TOP, LEFT, bottom, MUTED))
    parts.append(svg_line(warm, TOP, warm, bottom, MUTED))
    parts.append(svg_text(warm + 6, bottom - 8, "warmed up", 11, MUTED, style="italic"))

    ends = apart([y_of(points[-1][1] / 1024) for _, points in lines], SPACING)
    for number, (pid, points) in enumerate(lines):
        colour = (PYTHON, FAPWS, *OTHERS)[number % (2 + len(OTHERS))]
        path = " ".join(f"{x_of(done):.1f},{y_of(size / 1024):.1f}" for done, size in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        name = f"{_name(number)}: {points[-1][1]:,} KB"
        parts.append(svg_text(right + 8, ends[number] + 4, name, 12, colour, weight="bold"))
        parts.append(f"<!-- pid {pid}: {len(points)} samples -->")
    return "\n".join([*parts, "</svg>\n"])


def step(highest: float, most: int) -> float:
    """The distance of an axis's ticks: 1, 2 or 5 times a power of ten, at most ``most`` of them."""
    power = 10.0 ** math.floor(math.log10(highest / most))
    return next((factor * power for factor in (1, 2, 5) if highest / (factor * power) <= most), 10 * power)


def apart(places: Sequence[float], spacing: float) -> list[float]:
    """The places, moved down where two are closer than the spacing."""
    moved = list(places)
    before = -math.inf
    for number in sorted(range(len(places)), key=lambda number: places[number]):
        moved[number] = before = max(places[number], before + spacing)
    return moved


def _name(number: int) -> str:
    return f"worker {number}" if number else "master"


def _sentence(growth: Growth | None, lines: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> str:
    if growth is None:
        return "Too few samples to tell growth."
    name = _name([pid for pid, _ in lines].index(growth.pid))
    if growth.largest <= 0:
        return "After the first tenth no process was ever larger than it was then."
    return (
        f"After the first tenth the largest growth of any process was {growth.largest:,} KB "
        f"({name}, at request {growth.at:,}); at the end {growth.last:,} KB."
    )
