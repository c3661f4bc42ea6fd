"""Weights as colours, and the bar that says which is which, in pictures without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.drawing import Mark, Pixels, Text
from transformer_core.figures.fonts import Face
from transformer_core.figures.numbers import written

Theme = dict[str, Any]
Laid = tuple[list[Mark], float, float]
"""Marks, width and height."""

BAR_WIDTH = 14.0
WORDS, TOKEN = Face(12), Face(12, is_mono=True)


def upright_bar(
    at: tuple[float, float], length: float, theme: Theme, peak: float, unit: str
) -> list[Mark]:
    """Which colour is which weight, upright at the right of a map."""
    x, y = at
    shades = coloured(np.linspace(peak, 0, 256)[:, None], None, theme["sequential"], peak)
    marks: list[Mark] = [Pixels(x, y, BAR_WIDTH, length, shades)]
    for share, value in ((0.0, peak), (0.5, peak / 2), (1.0, 0.0)):
        middle = y + 5 + share * (length - 10)
        marks.append(Text(x + BAR_WIDTH + 8, middle, written(value, 2), WORDS, theme["muted"]))
    return [*marks, Text(x, y + length + 18, unit, WORDS, theme["muted"])]


def lying_bar(
    at: tuple[float, float], length: float, theme: Theme, peak: float, unit: str
) -> list[Mark]:
    """Which colour is which weight, lying below small maps."""
    x, y = at
    shades = coloured(np.linspace(0, peak, 256)[None], None, theme["sequential"], peak)
    ends = ((0.0, "0", "start"), (peak / 2, written(peak / 2, 2), "middle"))
    marks: list[Mark] = [Pixels(x, y, length, BAR_WIDTH - 4, shades)]
    for value, label, anchor in (*ends, (peak, written(peak, 2), "end")):
        marks.append(
            Text(x + length * value / peak, y + BAR_WIDTH + 5, label, WORDS, theme["muted"], anchor)
        )
    return [*marks, Text(x + length + 8, y + 5, unit, WORDS, theme["muted"])]


def coloured(
    weights: NDArray[np.float64],
    masked: NDArray[np.bool_] | None,
    stops: Sequence[str],
    peak: float,
) -> NDArray[np.uint8]:
    """Colours of weights along a palette, ``[row column rgba]``; masked cells are clear."""
    palette = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    at = np.clip(weights / peak, 0, 1) * (len(stops) - 1)
    rgba = np.full((*weights.shape, 4), 255, dtype=np.uint8)
    for channel in range(3):
        shade = np.interp(at, np.arange(len(stops)), palette[:, channel])
        rgba[..., channel] = np.rint(shade).astype(np.uint8)
    if masked is not None:
        rgba[masked, 3] = 0
    return rgba


def as_hex(rgba: NDArray[np.uint8]) -> str:
    """Write a colour as ``#rrggbb``."""
    return "#" + "".join(f"{channel:02x}" for channel in rgba[:3].tolist())
