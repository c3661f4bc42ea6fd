"""Tables of positions as pictures: colours in bytes, numbers from their formula.

View ``positions``. Options: ``axes`` (as in :mod:`.field`), ``limit``, ``shape`` (rows and columns
of the whole table), ``selected``, and ``formula``: ``kind`` (``sinusoidal``, ``tutorial``,
``difference``, ``rotary``, ``alibi`` or ``table``) with ``width base slope is_causal periods`` as
it needs. Arrays: ``codes`` (0 … 254 for −limit … limit, 255 masked) where the browser has a formula
for each number, else ``values`` in half precision; both pooled to 512 × 512 blocks at most.

View ``rotation``. Options: ``width base n_pos pair distance``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transformer_core.errors import InputError
from transformer_core.figures.field import Axis, FieldWords
from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import EncodedArray, raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BLOCKS = 512
COMMON = 0.995
"""So large a share of a learned table's numbers lies within its colour scale."""
_MIDDLE, _MASKED = 127, 255

POSITION = Axis("position", one="position", part="query")
DIMENSION = Axis("dimension", one="dimension", part="key")


@dataclass(frozen=True)
class Source:
    """Where the numbers of a table come from, for its caption and files.

    Attributes:
        formula: What the browser computes single numbers by; ``{"kind": "table"}`` for none.
        model: The model's name, where it is a model's table; ``revision`` pins it.
    """

    formula: Mapping[str, Any] = field(default_factory=lambda: {"kind": "table"})
    model: str = ""
    revision: str = ""


def positions_matrix(
    values: ArrayLike,
    words: FieldWords,
    source: Source,
    *,
    axes: tuple[Axis, Axis] = (POSITION, DIMENSION),
    badge: Badge | None = None,
    selected: tuple[int, int] | None = None,
) -> Payload:
    """Draw a table of positions on a diverging scale centred on 0.

    Args:
        values: ``[row column]``, finite; masked cells are told by the formula's ``is_causal``.
        words: Title, caption and notes.
        source: Formula or model.
        axes: What rows and columns are.
        selected: The cell picked at first.

    Raises:
        InputError: If a number is not finite, or the table is empty.
    """
    table = np.asarray(values, dtype=np.float32)
    _check_table(table)
    formula = dict(source.formula)
    seen = np.tril(table) if formula.get("is_causal") else table
    limit, beyond = _limit(seen, formula["kind"])
    blocks = pooled(table)
    name, array = _encoded(blocks, limit, formula)
    picture = Picture(
        title=words.title,
        subtitle=words.subtitle,
        queries=axes[0].strip(table.shape[0]),
        keys=axes[1].strip(table.shape[1]),
        model=source.model,
        revision=source.revision,
        badge=badge,
        notes=(*words.notes, *_notes(table.shape, blocks.shape, name), *beyond),
        caption=words.caption,
        hint="Double-click or Enter: the dimension as a wave."
        if formula["kind"] != "alibi"
        else "",
    )
    options = {
        "axes": _axes(axes),
        "limit": limit,
        "shape": list(table.shape),
        "formula": formula,
        "selected": selected and list(selected),
    }
    return make_payload("positions", picture, options, {name: array}, unit=words.unit)


def _encoded(
    blocks: NDArray[np.float32], limit: float, formula: Mapping[str, Any]
) -> tuple[str, EncodedArray]:
    """Bytes for colours where the browser has a formula, else the numbers themselves."""
    if formula["kind"] == "table":
        return "values", raw(blocks, "float16")
    return "codes", _codes(blocks, limit, is_causal=bool(formula.get("is_causal")))


def _check_table(table: NDArray[np.float32]) -> None:
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise InputError(
            f"A table of shape {table.shape} cannot be drawn: give it two axes and finite numbers."
        )


def _axes(axes: tuple[Axis, Axis]) -> list[dict[str, str]]:
    return [{"name": axis.name, "one": axis.one or axis.name, "part": axis.part} for axis in axes]


def _limit(table: NDArray[np.float32], kind: str) -> tuple[float, tuple[str, ...]]:
    """The ends of the colour scale, and what must be said of them.

    A learned table has a few numbers far larger than all others, which would leave no colour for
    the rest.
    """
    sizes = np.abs(table)
    largest = float(sizes.max()) or 1.0
    if kind != "table":
        return largest, ()
    limit = float(np.quantile(sizes, COMMON)) or largest
    n_beyond = int((sizes > limit).sum())
    if not n_beyond:
        return limit, ()
    return limit, (
        f"The colour scale ends at the {COMMON:.1%} quantile: {n_beyond:,} numbers beyond it, up "
        f"to {written(largest)}, have the colour of its end.",
    )


def pooled(table: NDArray[np.float32], most: int = MAX_BLOCKS) -> NDArray[np.float32]:
    """Means of blocks, at most ``most`` each way; a table that is small enough stays as it is."""
    for axis, n in enumerate(table.shape):
        if n > most:
            starts = (np.arange(most) * n) // most
            sizes = np.diff(np.append(starts, n)).astype(np.float32)
            sums = np.add.reduceat(table, starts, axis=axis)
            table = np.divide(sums, sizes[:, None] if axis == 0 else sizes, dtype=np.float32)
    return table


def rotation(
    width: int, n_pos: int, *, base: float = 10_000.0, pair: int = 0, distance: int = 1
) -> Payload:
    """Why does a rotary score depend on distance alone? Query and key as hands that turn.

    Args:
        width: d_head.
        n_pos: Positions to move along.
        base: Of the wavelengths.
        pair: The pair of dimensions shown large at first.
        distance: From key to query.
    """
    picture = Picture(
        title="Why does a rotary score depend on the distance alone?",
        subtitle="Move both along the text: each hand turns, the angle between them stays.",
        queries=TokenStrip(tuple(map(str, range(width // 2)))),
        keys=TokenStrip((f"{n_pos}", f"{base:g}")),
        caption=(
            f"Rotary positions, d_head {width}, base {base:,.0f}: a query (blue) and an equal key "
            "(orange), turned by position × ω in each pair of dimensions."
        ),
        notes=(
            "Query and key begin as equal vectors (angle 0 at position 0); λ is the wavelength in "
            "positions. Between whole positions the motion is drawn, not computed by any model.",
        ),
    )
    options = {"width": width, "base": base, "n_pos": n_pos, "pair": pair, "distance": distance}
    return make_payload("rotation", picture, options, {}, unit="radian")


def formula_badge(
    values: ArrayLike, exact: ArrayLike, what: str, *, most: float, why: str = ""
) -> Badge:
    """Compare a table with its formula in float64, here and now.

    Args:
        what: The formula in words.
        most: The largest difference that is right.
        why: A sentence for the details.
    """
    numbers, formula = np.asarray(values, np.float64), np.asarray(exact, np.float64)
    difference = float(np.abs(numbers - formula).max())
    size = " × ".join(f"{n:,}" for n in numbers.shape)
    return Badge(
        f"equals {what} in float64 · max |Δ| {difference:.1e}",
        difference <= most,
        (
            f"All {size} numbers of the float32 table against the formula evaluated in NumPy's "
            f"float64; at most {most:.0e} is right.",
            *((why,) if why else ()),
        ),
    )


def differences_badge(checks: Sequence[tuple[str, float, float]]) -> Badge:
    """Join checks ``(what must hold, largest difference, largest that is right)`` in one line."""
    text = " · ".join(f"{what}: max |Δ| {written(found, 2)}" for what, found, _ in checks)
    return Badge(text, all(found <= most for _, found, most in checks))


def _codes(blocks: NDArray[np.float32], limit: float, *, is_causal: bool) -> EncodedArray:
    shades = _MIDDLE + np.rint(np.clip(blocks / limit, -1, 1) * _MIDDLE)
    codes = shades.astype(np.uint8)
    if is_causal:
        codes[np.triu(np.ones(codes.shape, bool), 1)] = _MASKED
    return raw(codes, "uint8")


def _notes(whole: Sequence[int], blocks: Sequence[int], array: str) -> tuple[str, ...]:
    notes = []
    if tuple(whole) != tuple(blocks):
        size = " × ".join(f"{n:,}" for n in blocks)
        more = (
            "zoom in for every number."
            if array == "codes"
            else "single numbers are in the exported files."
        )
        notes.append(
            f"The overview is pooled to {size}: a cell is the mean of its block, so waves shorter "
            f"than a block fade to 0; {more}"
        )
    if array == "codes":
        notes.append(
            "Colours in 255 steps; numbers on hover are computed from the formula in the browser, "
            "in double precision."
        )
    return tuple(notes)
