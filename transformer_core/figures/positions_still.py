"""A chart of positions as a still picture: one drawing for SVG and PNG, with its words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from transformer_core.figures import drawing, raster
from transformer_core.figures.drawing import Box, Drawing, Line, Text
from transformer_core.figures.fonts import wrapped
from transformer_core.figures.numbers import written
from transformer_core.figures.positions_charts import PARTS, Chart, Theme
from transformer_core.figures.shades import WORDS
from transformer_core.figures.static import MARGIN, TITLE
from transformer_core.figures.wire_theme import wire_theme

WIDTH, HEIGHT = 860, 320
LEFT, STEP, BAR = 92, 18, 9
Mark = Any
Scale = Callable[[float], float]


def to_svg(chart: Chart, *, theme: Theme = "light") -> str:
    """Write a chart as SVG."""
    return drawing.to_svg(draw(chart, theme=theme))


def to_png(chart: Chart, *, theme: Theme = "light") -> bytes:
    """Paint a chart as PNG."""
    return raster.to_png(draw(chart, theme=theme))


def draw(chart: Chart, *, theme: Theme = "light") -> Drawing:
    """Lay a chart out: its question and legend above, its proof, notes and caption below."""
    colours = wire_theme()[theme]
    marks: list[Mark] = [Text(MARGIN, MARGIN + 8, chart.title, TITLE, colours["text"])]
    y = MARGIN + 8.0
    for line in wrapped(chart.subtitle, WORDS, WIDTH):
        y += STEP
        marks.append(Text(MARGIN, y, line, WORDS, colours["muted"]))
    for i, name in enumerate([line.name for line in chart.lines] or list(chart.bars)):
        y += STEP
        marks.append(Box(MARGIN + LEFT, y - 5, 14, 10, colours[PARTS[i % len(PARTS)]]))
        marks.append(Text(MARGIN + LEFT + 22, y, name, WORDS, colours["text"]))
    inner, height = (_lines if chart.lines else _bars)(chart, y + 40, colours)
    y += height + 40
    words = [chart.badge.text] if chart.badge else []
    for sentence in (*words, *chart.notes, chart.caption):
        for line in wrapped(sentence, WORDS, WIDTH):
            marks.append(Text(MARGIN, y, line, WORDS, colours["muted"]))
            y += STEP
    size = WIDTH + 2 * MARGIN, y + 4
    return Drawing(*size, colours["card"], (*marks, *inner), chart.title, chart.caption)


def _lines(chart: Chart, top: float, colours: dict[str, Any]) -> tuple[list[Mark], float]:
    axes, lift = chart.axes, math.log10 if chart.axes.is_log else float
    xs = axes.extent or _ends([x for line in chart.lines for x in line.x])
    values = [y for line in chart.lines for y in line.y]
    bands = [y for line in chart.lines if line.band for side in line.band for y in side]
    low, high = axes.domain or _ends([*values, *bands])
    low, high = lift(low), lift(high)

    def across(x: float) -> float:
        return MARGIN + LEFT + (x - xs[0]) / (xs[1] - xs[0]) * (WIDTH - LEFT)

    def down(y: float) -> float:
        return top + HEIGHT - (lift(y) - low) / (high - low) * HEIGHT

    marks: list[Mark] = []
    for i in range(5):
        value = low + (high - low) * i / 4
        marks += _tick_left(10**value if axes.is_log else value, down, colours)
        at = round(xs[0] + (xs[1] - xs[0]) * i / 4)
        marks.append(
            Text(across(at), top + HEIGHT + 14, f"{at:,}", WORDS, colours["muted"], "middle")
        )
    if axes.mark is not None:
        x = across(axes.mark[0])
        marks.append(Line((x, top), (x, top + HEIGHT), colours["muted"]))
        marks.append(Text(x + 5, top + 40, axes.mark[1], WORDS, colours["muted"]))
    inside, edges = _inside(down, top), {top, top + HEIGHT}
    for i, line in enumerate(chart.lines):
        colour = colours[PARTS[i % len(PARTS)]]
        sides = [line.y, *(line.band or ())]
        for side, width in zip(sides, (1.8, 0.6, 0.6), strict=False):
            points = [(across(x), inside(y)) for x, y in zip(line.x, side, strict=True)]
            # What lies wholly beyond an edge is left out, not drawn along it.
            marks += [
                Line(a, b, colour, width)
                for a, b in itertools.pairwise(points)
                if not (a[1] == b[1] and a[1] in edges and axes.domain)
            ]
    middle = MARGIN + LEFT + (WIDTH - LEFT) / 2
    marks.append(Text(middle, top + HEIGHT + 34, axes.x, WORDS, colours["text"], "middle"))
    marks.append(Text(MARGIN, top - 12, axes.y, WORDS, colours["text"]))
    return marks, HEIGHT + 58


def _inside(down: Scale, top: float) -> Scale:
    """What a domain leaves out is drawn at its edge."""
    return lambda y: min(max(down(y), top), top + HEIGHT)


def _tick_left(value: float, down: Scale, colours: dict[str, Any]) -> list[Mark]:
    y = down(value)
    return [
        Line((MARGIN + LEFT, y), (MARGIN + WIDTH, y), colours["border"]),
        Text(MARGIN + LEFT - 8, y, written(value), WORDS, colours["muted"], "end"),
    ]


def _bars(chart: Chart, top: float, colours: dict[str, Any]) -> tuple[list[Mark], float]:
    largest = max((v for values in chart.bars.values() for v in values), default=0.0) or 1.0
    marks: list[Mark] = []
    y = top
    for row, label in enumerate(chart.labels):
        middle = y + len(chart.bars) * BAR / 2
        marks.append(Text(MARGIN + LEFT - 8, middle, label, WORDS, colours["text"], "end"))
        for i, values in enumerate(chart.bars.values()):
            length = (WIDTH - LEFT - 80) * values[row] / largest
            marks.append(Box(MARGIN + LEFT, y, max(0.5, length), BAR - 2, colours[PARTS[i]]))
            y += BAR
        best = written(max(values[row] for values in chart.bars.values()))
        marks.append(Text(MARGIN + WIDTH, middle, best, WORDS, colours["muted"], "end"))
        y += 6
    marks.append(Text(MARGIN + LEFT, y + 10, chart.axes.x, WORDS, colours["text"]))
    return marks, y - top + 34


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
