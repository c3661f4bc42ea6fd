"""Runs as a still picture, for papers: the four charts of the Train page in one drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from transformer_core.figures.drawing import Drawing, Line, Mark, Text
from transformer_core.figures.fonts import Face
from transformer_core.figures.learning_curves import (
    ACCURACY,
    GRADIENT,
    LOSS,
    RATE,
    Curve,
    Series,
    Theme,
    run_colours,
)
from transformer_core.figures.wire_theme import wire_theme

PANELS = {
    "How wrong is it? Loss of a token, in nats": LOSS,
    "How much does it get right? Share of unseen strings": ACCURACY,
    "How fast does it learn? The learning rate": RATE,
    "How steep is the loss? The gradient's norm before clipping": GRADIENT,
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 420.0, 150.0, 56.0, 46.0, 44.0
_HEAD, _WORDS = Face(13, is_bold=True), Face(11)
_DASH, _PAUSE = 6.0, 4.0

Place = tuple[float, float]


def curve_drawing(curves: Sequence[Curve], *, theme: Theme = "light") -> Drawing:
    """Draw loss, accuracy, rate and gradient of one run or of several.

    Args:
        curves: The runs.
        theme: Whose colours to take.
    """
    colours = wire_theme()[theme]
    marks: list[Mark] = []
    for index, (question, series) in enumerate(PANELS.items()):
        x = _LEFT + (index % 2) * (_WIDTH + _LEFT + 20)
        y = _TOP + (index // 2) * (_HEIGHT + _TOP + _GAP)
        marks.append(Text(x - _LEFT + 16, y - 30, question, _HEAD, colours["text"]))
        marks += _panel(curves, series, (x, y), theme)
    width, bottom = 2 * (_WIDTH + _LEFT) + 40, 2 * (_HEIGHT + _TOP + _GAP) + 10
    names = run_colours(theme)
    for index, curve in enumerate(curves):
        y = bottom + 20 * index
        marks.append(Line((16, y), (40, y), names[index % len(names)], 2.0))
        marks.append(Text(48, y, curve.name, _WORDS, colours["text"]))
    title = "Training: " + " and ".join(curve.name for curve in curves)
    last = "; ".join(f"{c.name}: {c.points[-1].step:,} steps" for c in curves if c.points)
    height = bottom + 20 * len(curves) + 8
    return Drawing(width, height, colours["card"], tuple(marks), title, f"{title}. {last}.")


def _panel(curves: Sequence[Curve], series: Series, at: Place, theme: Theme) -> Iterator[Mark]:
    colours = wire_theme()[theme]
    x0, y0 = at
    drawn = [
        (index, kind, [(s, v) for s, v in read(curve) if math.isfinite(v)])
        for index, curve in enumerate(curves)
        for kind, (_, read) in enumerate(series.kinds)
    ]
    last = max((step for *_, part in drawn for step, _ in part), default=1)
    top = max((value for *_, part in drawn for _, value in part), default=1.0) or 1.0
    top = series.domain[1] if series.domain else top

    def place(step: float, value: float) -> Place:
        return x0 + _WIDTH * step / last, y0 + _HEIGHT * (1 - min(value, top) / top)

    for share in (0.0, 0.5, 1.0):
        y = y0 + _HEIGHT * (1 - share)
        yield Line((x0, y), (x0 + _WIDTH, y), colours["border"])
        yield Text(x0 - 6, y, f"{top * share:.3g}", _WORDS, colours["muted"], "end")
        x = x0 + _WIDTH * share
        yield Text(x, y0 + _HEIGHT + 14, f"{last * share:,.0f}", _WORDS, colours["muted"], "middle")
    yield Text(x0 + _WIDTH / 2, y0 + _HEIGHT + 30, "step", _WORDS, colours["muted"], "middle")
    if len(series.kinds) > 1:
        words = "plain: {}; broken: {}".format(*(name for name, _ in series.kinds))
        yield Text(x0 - _LEFT + 16, y0 - 13, words, _WORDS, colours["muted"])
    palette = run_colours(theme)
    for index, kind, part in drawn:
        path = [place(step, value) for step, value in part]
        colour = palette[index % len(palette)]
        for start, end in _broken(path) if kind else pairwise(path):
            yield Line(start, end, colour, 1.6)


def _broken(path: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """The dashes along a path."""
    done = 0.0
    for (x1, y1), (x2, y2) in pairwise(path):
        length = math.hypot(x2 - x1, y2 - y1)
        at = 0.0
        while at < length:
            phase = (done + at) % (_DASH + _PAUSE)
            ends = at + (_DASH - phase if phase < _DASH else _DASH + _PAUSE - phase)
            stop = min(max(ends, at + 0.1), length)
            if phase < _DASH:
                a, b = at / length, stop / length
                yield (
                    (x1 + a * (x2 - x1), y1 + a * (y2 - y1)),
                    (x1 + b * (x2 - x1), y1 + b * (y2 - y1)),
                )
            at = stop
        done += length
