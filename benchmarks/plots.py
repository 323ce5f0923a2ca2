"""Plots as SVG files that follow the reader's light or dark scheme.

They are drawn by hand: three small charts need no plotting library, and none of them writes styles for both schemes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 800, 170, 70, 64, 50
ROW, GAP, PLOT_HEIGHT = 13, 10, 260

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 } .small { font-size: 10px }
.end { text-anchor: end } .middle { text-anchor: middle } .grid { stroke: #d0d7de } .axis { stroke: #57606a }
.s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #1a7f37; stroke: #1a7f37 } .s2 { fill: #bc4c00; stroke: #bc4c00 }
.s3 { fill: #8250df; stroke: #8250df } .line { fill: none; stroke-width: 2 } .background { fill: #fff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .grid { stroke: #30363d } .axis { stroke: #8b949e } .background { fill: #0d1117 }
.s0 { fill: #58a6ff; stroke: #58a6ff } .s1 { fill: #3fb950; stroke: #3fb950 } .s2 { fill: #f0883e; stroke: #f0883e }
.s3 { fill: #bc8cff; stroke: #bc8cff } .line { fill: none } }
"""


class Plot(NamedTuple):
    name: str
    title: str
    svg: str


class Axis(NamedTuple):
    """An axis from `low` to `high` that is drawn from `start` to `end`."""

    label: str
    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = True

    def place(self, value: float) -> float:
        scale = math.log10 if self.is_logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.is_logarithmic:
            return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        return [self.low + (self.high - self.low) * step / 5 for step in range(6)]


Rows = Mapping[str, Mapping[str, tuple[float, ...]]]
"""The values of series, by row and by series."""


def draw_rows(name: str, title: str, label: str, series: Sequence[str], rows: Rows) -> Plot:
    """Draw rows on a logarithmic axis: a bar to the only value of a series, or a line from its first value to its last."""
    height = TOP + sum(len(values) * ROW + GAP for values in rows.values()) + BOTTOM
    low, high = decades(value for values in rows.values() for each in values.values() for value in each)
    axis = Axis(label, low, high, LEFT, WIDTH - RIGHT)
    parts = [*head(title, series), *x_axis(axis, height - BOTTOM)]
    y = TOP
    for row, values in rows.items():
        parts.append(text(LEFT - 8, y + len(values) * ROW / 2 + 4, row, "end"))
        for index, each in enumerate(series):
            if each in values:
                parts += mark(axis, y, values[each], f"s{index}")
                y += ROW
        y += GAP
    return Plot(name, title, document(height, parts))


def mark(axis: Axis, y: float, values: tuple[float, ...], style: str) -> list[str]:
    first, last = axis.place(values[0]), axis.place(values[-1])
    numbers = " to ".join(number(value) for value in values)
    label = text(last + 8, y + ROW - 3, numbers, "small")
    if len(values) == 1:
        return [
            f'<rect class="{style}" x="{axis.start}" y="{y + 1}" width="{last - axis.start:.1f}" height="{ROW - 3}"/>',
            label,
        ]
    middle = y + ROW / 2
    return [
        f'<line class="{style} line" x1="{first:.1f}" x2="{last:.1f}" y1="{middle}" y2="{middle}"/>',
        *(f'<circle class="{style}" cx="{x:.1f}" cy="{middle}" r="3.5"/>' for x in (first, last)),
        label,
    ]


def draw_lines(name: str, title: str, labels: tuple[str, str], lines: Mapping[str, Sequence[tuple[float, float]]]) -> Plot:
    """Draw lines of points: x on a logarithmic axis, y from zero."""
    low, high = decades(x for points in lines.values() for x, _ in points)
    floor = TOP + PLOT_HEIGHT
    across = Axis(labels[0], low, high, LEFT, WIDTH - RIGHT)
    most = max(y for points in lines.values() for _, y in points)
    up = Axis(labels[1], 0, rounded_up(most), floor, TOP, is_logarithmic=False)
    parts = [*head(title, list(lines)), *x_axis(across, floor), text(16, TOP - 10, up.label, "small")]
    for tick in up.ticks():
        y = up.place(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(LEFT - 8, y + 4, number(tick), "end"))
    for index, points in enumerate(lines.values()):
        placed = [(across.place(x), up.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="s{index} line" points="{path}"/>')
        parts += [f'<circle class="s{index}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in placed]
    return Plot(name, title, document(floor + BOTTOM, parts))


def head(title: str, series: Sequence[str]) -> list[str]:
    """Draw the title and the legend."""
    parts = [text(16, 24, title, "title")]
    for index, each in enumerate(series):
        x = LEFT + index * (WIDTH - LEFT - RIGHT) / len(series)
        parts += [f'<rect class="s{index}" x="{x:.1f}" y="36" width="10" height="10"/>', text(x + 16, 45, each)]
    return parts


def x_axis(axis: Axis, floor: float) -> list[str]:
    parts = []
    for tick in axis.ticks():
        x = axis.place(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        parts.append(text(x, floor + 16, number(tick), "middle"))
    parts.append(f'<line class="axis" x1="{axis.start}" x2="{axis.end}" y1="{floor}" y2="{floor}"/>')
    parts.append(text((axis.start + axis.end) / 2, floor + 36, axis.label, "middle"))
    return parts


def text(x: float, y: float, content: str, style: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>'


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def decades(values: Iterable[float]) -> tuple[float, float]:
    """Return the powers of ten around all values."""
    known = list(values)
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def rounded_up(value: float) -> float:
    """Return the next number of the form 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def document(height: float, parts: Sequence[str]) -> str:
    background = '<rect class="background" width="100%" height="100%"/>'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
    return "\n".join([opening, f"<style>{STYLE}</style>", background, *parts, "</svg>", ""])
