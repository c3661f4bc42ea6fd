"""Learned positions: the table of a real model, row by row what training made of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.errors import InputError
from transformer_core.figures.field import FieldWords
from transformer_core.figures.numbers import written
from transformer_core.figures.picture import Badge
from transformer_core.figures.positions import Source, positions_matrix
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn

if TYPE_CHECKING:
    from torch import Tensor

NAMES = {
    "sinusoidal": "fixed waves (sinusoidal)",
    "rotary": "rotary positions, which turn queries and keys",
    "alibi": "ALiBi, a bias on the scores",
    "relative": "a learned bias by distance, added to the scores",
}


def why_none(model: Any) -> str | None:
    """Why a model has no learned table, in one sentence; None if it has one."""
    from transformer_core.analysis.positions_live import kinds_of

    kinds = kinds_of(model)
    if "learned" in kinds:
        return None
    name = model.card.name
    if not kinds:
        return f"{name} makes its positions in no module of its own, so there is no table to show."
    return f"{name} has no learned positions but {NAMES[kinds[0]]}."


def _table(model: Any) -> tuple[Tensor, str]:
    from transformer_core.analysis.positions_live import positions_of

    part = next((part for part in positions_of(model) if part.kind == "learned"), None)
    if part is None:
        raise InputError(str(why_none(model)))
    return part.table, part.name


def matrix(model: Any, n_pos: int, *, dim: int = 0) -> Drawn:
    """What did training make of each position?

    Args:
        model: A loaded model with learned positions.
        n_pos: Positions to show, from 0; the whole table if it has fewer.
        dim: The dimension picked at first.

    Raises:
        InputError: If the model has no such table.
    """
    from transformer_core.analysis.positions import dominant_period

    table, place = _table(model)
    n_all = len(table)
    table = table[: max(1, n_pos)]
    n_shown, width = table.shape
    periods = [dominant_period(table[:, i]) for i in range(width)]
    finite = [[p, s] if math.isfinite(p) else [0.0, 0.0] for p, s in periods]
    name = model.card.name
    words = FieldWords(
        title=f"What did training make of each position in {name}?",
        subtitle="Each number was learned; no formula stands behind it.",
        caption=f"Table {place} of {name}: {n_shown:,} of {n_all:,} positions × {width:,}.",
    )
    source = Source({"kind": "table", "periods": finite}, name, model.card.revision)
    badge = Badge(
        f"the model's own {place}, {n_all:,} × {width:,}",
        details=("These are the model's weights, read where it adds them to the embeddings.",),
    )
    picked = min(n_shown - 1, n_shown // 8), min(dim, width - 1)
    array = table.numpy()
    payload = positions_matrix(array, words, source, badge=badge, selected=picked)
    return Drawn(payload, {"table": array})


def waves(model: Any, n_pos: int, *, dim: int = 0) -> Drawn:
    """One learned dimension along the positions."""
    from transformer_core.analysis.positions import dominant_period

    table, _ = _table(model)
    table = table[: max(1, n_pos)]
    dim = min(dim, table.shape[1] - 1)
    column = table[:, dim]
    period, share = dominant_period(column)
    has_wave = math.isfinite(period) and share > 0
    chart = Chart(
        title=f"Dimension {dim} of {model.card.name}, as it was learned",
        subtitle=f"Its strongest wave has a period of {written(period)} positions and holds "
        f"{share:.0%} of its variance."
        if has_wave
        else "One position has no wave.",
        lines=(Line(f"dimension {dim}", range(len(column)), column.tolist()),),
        axes=Axes("position", "value"),
        caption=f"{model.card.name}, {len(column):,} positions.",
        notes=("Strongest wave: the largest term of the discrete Fourier transform.",),
    )
    return Drawn(chart, {f"dimension_{dim}": column.numpy()})


def similarity(model: Any, n_pos: int) -> Drawn:
    """Did the model learn that near positions are alike?"""
    from transformer_core.analysis.positions import table_similarity

    table, _ = _table(model)
    table = table[: max(1, n_pos)]
    like = table_similarity(table)
    distances = range(len(table))
    name = model.card.name
    mean, low, high = like.mean.tolist(), like.low.tolist(), like.high.tolist()
    chart = Chart(
        title=f"How alike are two positions of {name} so far apart?",
        subtitle="Cosine of two rows of the learned table: mean over all pairs, band from the "
        f"10th to the 90th percentile. Distance alone does not decide: it is up to "
        f"{written(like.spread, 2)} wide.",
        lines=(Line(name, distances, mean, band=(low, high)),),
        axes=Axes("distance, positions", "cosine similarity"),
        caption=f"Learned positions of {name}, the first {len(table):,}.",
    )
    return Drawn(chart, {"mean": like.mean.numpy(), "low": like.low.numpy()})


def beyond(model: Any) -> Drawn:
    """What is there beyond the last row of the table?"""
    table, _ = _table(model)
    n = len(table)
    norms = table.norm(dim=1)
    name = model.card.name
    chart = Chart(
        title=f"Position {n:,} does not exist in {name}",
        subtitle=f"The table ends at {n - 1:,}. There is no vector beyond: a longer text must be "
        "cut, and this app says so instead of guessing one.",
        lines=(Line("length of the position's vector", range(n), norms.tolist()),),
        axes=Axes(
            "position",
            "length (L2 norm) of its vector",
            mark=(n - 1, f"the last is {n - 1:,}"),
            extent=(0, 2 * n - 1),
        ),
        caption=f"Learned positions of {name}: {n:,} rows.",
        notes=(
            "A row that training seldom met (late positions) stays near its first random values; "
            "having a row is not the same as having learned it.",
        ),
    )
    return Drawn(chart, {"norm": np.asarray(norms)})
