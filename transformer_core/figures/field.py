"""A matrix of signed numbers as a picture, such as position by dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from transformer_core.errors import InputError
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Picture, TokenStrip
from transformer_core.figures.wire import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EXACT_CELLS = 65_536
"""Up to this many cells numbers travel in float32, above in float16."""


@dataclass(frozen=True)
class Axis:
    """What one axis of a matrix means.

    Attributes:
        name: Beside the axis: ``position``.
        labels: One for each row or column; None counts them from 0.
        one: What a single one is called, where it is not the axis' name.
        part: Colour of its name: ``query``, ``key``, ``value``, or none.
    """

    name: str
    labels: Sequence[str] | None = None
    one: str = ""
    part: str = ""

    def strip(self, n: int) -> TokenStrip:
        """The labels of ``n`` rows or columns.

        Raises:
            InputError: If there are more or fewer labels.
        """
        if self.labels is None:
            return TokenStrip(tuple(map(str, range(n))))
        if len(self.labels) != n:
            raise InputError(f"{len(self.labels)} labels for {n} {self.name}s.")
        return TokenStrip(tuple(self.labels))


@dataclass(frozen=True)
class FieldWords:
    """What a matrix says beside its numbers.

    Attributes:
        title: The question that it answers.
        subtitle: One line under it.
        caption: What it shows, in words; also its alternative text.
        unit: What a number is.
        notes: What is cut, pooled or rounded.
    """

    title: str
    caption: str
    subtitle: str = ""
    unit: str = "value"
    notes: tuple[str, ...] = ()


def field(
    values: ArrayLike, rows: Axis, columns: Axis, words: FieldWords, *, limit: float | None = None
) -> Payload:
    """Draw a matrix with a diverging scale centred on 0.

    Options: ``axes`` (name, one, part of rows and columns), ``limit``, ``selected``.

    Args:
        values: ``[row column]``, finite.
        rows: What goes down.
        columns: What goes across.
        words: Title, caption and notes.
        limit: What the ends of the scale stand for; None takes the largest absolute value.

    Raises:
        InputError: If a number is not finite, or the matrix is empty.
    """
    matrix = np.asarray(values, dtype=np.float32)
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(f"A matrix of shape {matrix.shape} cannot be drawn; give it two axes.")
    if not np.isfinite(matrix).all():
        raise InputError("Some numbers of the matrix are not finite, so it cannot be drawn.")
    is_small = matrix.size <= MAX_EXACT_CELLS
    encoded = raw(matrix, "float32" if is_small else "float16")
    notes = words.notes
    if not is_small:
        notes = (*notes, f"Rounded to half precision: off by {encoded.max_error:.1g} at most.")
    picture = Picture(
        title=words.title,
        subtitle=words.subtitle,
        queries=rows.strip(matrix.shape[0]),
        keys=columns.strip(matrix.shape[1]),
        notes=notes,
        caption=words.caption,
    )
    options = {
        "axes": [
            {"name": axis.name, "one": axis.one or axis.name, "part": axis.part}
            for axis in (rows, columns)
        ],
        "limit": float(limit if limit is not None else np.abs(matrix).max()),
        "selected": None,
    }
    return make_payload("field", picture, options, {"values": encoded}, unit=words.unit)
