"""Small charts as inline SVG, described for those who do not see them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 300, 56
"""Units of the drawing; the page stretches it."""
_BREAK = 1 / 15
"""A hole wider than this part of the chart is shown as one, not bridged by a line."""


class Line(NamedTuple):
    """One series: its class in style.css, and a value for each moment."""

    kind: str
    values: Sequence[float | None]


def chart(
    name: str, title: str, text: str, ago: Sequence[float], lines: Sequence[Line], window: float, top: float
) -> str:
    """name: unique on the page. ago: seconds before now of each value, falling. top: the upper end.

    The first line has its area filled, so that two can be told apart without their colours.
    """
    drawn = []
    for line in lines:
        for run in _runs(ago, line.values, window):
            points = [
                (WIDTH * (1 - at / window), HEIGHT - 1 - (HEIGHT - 3) * min(1.0, value / top))
                for at, value in run
            ]
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("h0" if len(points) == 1 else "")
            if line is lines[0] and len(points) > 1:
                under = f"{path}L{points[-1][0]:.1f} {HEIGHT}L{points[0][0]:.1f} {HEIGHT}Z"
                drawn.append(f'<path class="area" d="{under}"/>')
            drawn.append(f'<path class="{line.kind}" d="{path}"/>')
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(text)}</desc>'
        f'<path class="ground" d="M0 {HEIGHT - 0.5}H{WIDTH}"/>{"".join(drawn)}</svg>'
    )


def _runs(
    ago: Sequence[float], values: Sequence[float | None], window: float
) -> list[list[tuple[float, float]]]:
    """The values without holes, each with its distance from now."""
    runs: list[list[tuple[float, float]]] = []
    before = None
    for at, value in zip(ago, values):
        if value is None or at > window:
            before = None
            continue
        if before is None or before - at > window * _BREAK:
            runs.append([])
        runs[-1].append((at, value))
        before = at
    return runs


def bar(percent: float, kind: str) -> str:
    """A filled bar; decoration beside the number, so hidden from screen readers."""
    return (
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="6"/>'
        f'<rect class="{kind}" width="{max(0.0, min(100.0, percent)):.1f}" height="6"/></svg>'
    )
