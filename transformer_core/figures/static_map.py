"""One head's map as a still picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.drawing import Box, Line, Mark, Pixels, Text
from transformer_core.figures.fonts import fitted, width_of
from transformer_core.figures.payload import Payload
from transformer_core.figures.shades import (
    TOKEN,
    WORDS,
    Laid,
    Theme,
    as_hex,
    coloured,
    upright_bar,
)

MAX_CELL, MAX_SIDE = 36.0, 620.0
SMALLEST_BOX = 7.0
"""Cells smaller than this are pixels of an image."""

SMALLEST_JOINED = 8.0
MAX_LABEL = 120.0
KEY_ANGLE = -55.0
QUERY_STEP, KEY_STEP = 12.5, 16.0


def lay_map(payload: Payload, theme: Theme) -> Laid:
    """Queries down, keys across, the colour bar at the right; masked cells stay empty."""
    header, arrays = payload.header, payload.arrays
    array = arrays["maximum"] if "maximum" in arrays else arrays["weights"]
    queries = header["queries"]
    keys = header["keys"] or queries
    weights = np.asarray(array.values(), dtype=np.float64)
    peak = float(weights.max(initial=0.0)) or 1.0
    labels = _Axis.of(queries, weights.shape[0]), _Axis.of(keys, weights.shape[1])
    box = _MapBox.of(labels)
    marks = _cells(weights, array.masked if "weights" in arrays else None, box, theme, peak)
    marks += [*_query_labels(labels[0], box, theme), *_key_labels(labels[1], box, theme)]
    marks += _joints(labels, box, theme)
    middle = box.y + box.height / 2
    marks.append(Text(8, middle, "query (reads)", WORDS, theme["query"], "middle", -90))
    unit = "largest of a block" if "maximum" in arrays else header["unit"]
    bar_x = box.x + box.width + 22
    marks.append(Text(bar_x, box.y - 9, "key (is read)", WORDS, theme["key"]))
    length = max(60.0, min(box.height - 50, 320.0))
    marks += upright_bar((bar_x, box.y + 12), length, theme, peak, unit)
    return marks, bar_x + 104, max(box.y + box.height, box.y + length + 44)


@dataclass(frozen=True)
class _Axis:
    """The labels along one axis of a map; where it is pooled, of each block's first position."""

    labels: tuple[str, ...]
    is_special: tuple[bool, ...]
    joins: tuple[int, ...]

    @classmethod
    def of(cls, strip: dict[str, Any], n_cells: int) -> _Axis:
        n, special = len(strip["display"]), set(strip["special"])
        positions = [i * n // n_cells for i in range(n_cells)]
        return cls(
            tuple(strip["display"][i] for i in positions),
            tuple(i in special for i in positions),
            tuple(strip["joins"]) if n == n_cells else (),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def longest(self) -> float:
        """The room that the labels need."""
        lengths = sorted(set(self.labels), key=len)[-24:]
        return min(MAX_LABEL, max(width_of(label, TOKEN) for label in lengths))


@dataclass(frozen=True)
class _MapBox:
    """Where the cells of a map stand."""

    x: float
    y: float
    cell: float
    n_rows: int
    n_columns: int

    @classmethod
    def of(cls, axes: tuple[_Axis, _Axis]) -> _MapBox:
        rows, columns = len(axes[0]), len(axes[1])
        cell = min(MAX_CELL, MAX_SIDE / max(rows, columns))
        rise = math.sin(math.radians(-KEY_ANGLE)) * axes[1].longest
        return cls(axes[0].longest + 32, rise + 20, cell, rows, columns)

    @property
    def width(self) -> float:
        return self.cell * self.n_columns

    @property
    def height(self) -> float:
        return self.cell * self.n_rows

    def step(self, room: float) -> int:
        """Every how many cells a label has room."""
        return max(1, math.ceil(room / self.cell))


def _cells(
    weights: NDArray[np.float64],
    masked: NDArray[np.bool_] | None,
    box: _MapBox,
    theme: Theme,
    peak: float,
) -> list[Mark]:
    rgba = coloured(weights, masked, theme["sequential"], peak)
    if box.cell < SMALLEST_BOX:
        return [Pixels(box.x, box.y, box.width, box.height, rgba)]
    size = box.cell - (1.0 if box.cell >= 12 else 0.5)
    return [
        Box(box.x + j * box.cell, box.y + i * box.cell, size, size, as_hex(rgba[i, j]))
        for i in range(box.n_rows)
        for j in range(box.n_columns)
        if rgba[i, j, 3]
    ]


def _query_labels(axis: _Axis, box: _MapBox, theme: Theme) -> list[Mark]:
    return [
        Text(
            box.x - 8,
            box.y + (i + 0.5) * box.cell,
            fitted(axis.labels[i], TOKEN, MAX_LABEL),
            TOKEN,
            theme["muted" if axis.is_special[i] else "text"],
            "end",
        )
        for i in range(0, len(axis), box.step(QUERY_STEP))
    ]


def _key_labels(axis: _Axis, box: _MapBox, theme: Theme) -> list[Mark]:
    return [
        Text(
            box.x + (j + 0.5) * box.cell,
            box.y - 8,
            fitted(axis.labels[j], TOKEN, MAX_LABEL),
            TOKEN,
            theme["muted" if axis.is_special[j] else "text"],
            "start",
            KEY_ANGLE,
        )
        for j in range(0, len(axis), box.step(KEY_STEP))
    ]


def _joints(axes: tuple[_Axis, _Axis], box: _MapBox, theme: Theme) -> list[Mark]:
    """A quiet line holds together the tokens of one word."""
    if box.cell < SMALLEST_JOINED:
        return []
    x, y = box.x - 4, box.y - 4

    def row(i: int) -> tuple[float, float]:
        return x, box.y + (i + 0.5) * box.cell

    def column(j: int) -> tuple[float, float]:
        return box.x + (j + 0.5) * box.cell, y

    colour = theme["border"]
    return [
        *(Line(row(i - 1), row(i), colour) for i in axes[0].joins),
        *(Line(column(j - 1), column(j), colour) for j in axes[1].joins),
    ]
