"""The paper's positions: their table, its waves, and what distance does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from transformer_core.figures.field import FieldWords
from transformer_core.figures.numbers import written
from transformer_core.figures.picture import Badge
from transformer_core.figures.positions import (
    Source,
    differences_badge,
    formula_badge,
    positions_matrix,
)
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.analysis.positions import Mistake

BASE = 10_000.0
Shown = Literal["Difference", "Paper's", "Tutorials'", "Shift"]
SHOWN: tuple[Shown, ...] = ("Difference", "Paper's", "Tutorials'", "Shift")


def matrix(n_pos: int, d_model: int, *, dim: int = 0) -> Drawn:
    """Which number stands for which position?

    Args:
        n_pos: Positions.
        d_model: Dimensions; even.
        dim: The one picked at first.

    Raises:
        ConfigError: If a size cannot be shown.
        InputError: If a size cannot be shown.
    """
    from transformer_core.analysis.positions import check_size, paper_formula
    from transformer_core.functional import sinusoidal_encoding

    check_size(n_pos, d_model)
    table = sinusoidal_encoding(n_pos, d_model).numpy()
    badge = formula_badge(table, paper_formula(n_pos, d_model), "the paper's formula", most=1e-6)
    words = FieldWords(
        title="Which number stands for which position?",
        subtitle="A row is added to the embedding of the token that stands there.",
        caption=f"Sinusoidal positions, {n_pos:,} × {d_model:,} (Vaswani et al. 2017, section "
        "3.5).",
    )
    source = Source({"kind": "sinusoidal", "width": d_model, "base": BASE})
    picked = min(n_pos - 1, n_pos // 8), min(dim, d_model - 1)
    return Drawn(
        positions_matrix(table, words, source, badge=badge, selected=picked), {"table": table}
    )


def waves(n_pos: int, d_model: int, *, dim: int = 0) -> Drawn:
    """One dimension along the positions, with the one that shares its wavelength."""
    from transformer_core.analysis.positions import check_size, wavelengths
    from transformer_core.functional import sinusoidal_encoding

    check_size(n_pos, d_model)
    dim = min(dim, d_model - 1)
    pair, table = dim // 2, sinusoidal_encoding(n_pos, d_model)
    lengths = wavelengths(d_model)
    positions = range(n_pos)
    lines = tuple(
        Line(
            f"dimension {at} ({'cosine' if at % 2 else 'sine'})",
            positions,
            table[:, at].tolist(),
            is_dashed=at != dim,
        )
        for at in (dim, dim ^ 1)
    )
    long = written(float(lengths[pair]))
    chart = Chart(
        title=f"Dimension {dim} comes back after {long} positions",
        subtitle=f"Wavelengths grow geometrically from {written(float(lengths[0]))} positions "
        f"(dimensions 0 and 1) to {written(float(lengths[-1]))} (the last two).",
        lines=lines,
        axes=Axes("position", "value", domain=(-1.05, 1.05)),
        caption=f"Pair {pair} of sinusoidal positions, d_model {d_model}; wavelength {long}.",
        notes=("Between whole positions the line only joins the points: the model has no others.",),
    )
    arrays = {f"dimension_{at}": table[:, at].numpy() for at in (dim, dim ^ 1)}
    return Drawn(chart, arrays)


def similarity(n_pos: int, d_model: int) -> Drawn:
    """How alike are two positions so far apart?"""
    import torch

    from transformer_core.analysis.positions import check_size, rates, similarity_by_distance
    from transformer_core.functional import sinusoidal_encoding

    check_size(n_pos, d_model)
    table = sinusoidal_encoding(n_pos, d_model).double()
    products = {start: (table @ table[start] / (d_model / 2)) for start in (0, n_pos // 2)}
    lines = tuple(
        Line(
            f"from position {start}",
            [p - start for p in range(n_pos)],
            values.tolist(),
            is_dashed=start > 0,
        )
        for start, values in products.items()
    )
    speed = rates(d_model)
    off = 0.0
    for start, values in products.items():
        apart = (torch.arange(n_pos) - start).abs().double()
        off = max(off, float((values - similarity_by_distance(speed, apart)).abs().max()))
    chart = Chart(
        title="Likeness depends on the distance alone",
        subtitle="Cosine of the encodings of two positions: PE(p) · PE(p + k) ÷ (d_model / 2).",
        lines=lines if n_pos > 1 else lines[:1],
        axes=Axes("distance k, positions", "cosine similarity"),
        badge=differences_badge([("both lines = mean of cos(ω k)", off, 1e-6)]),
        caption=f"Sinusoidal positions, {n_pos:,} × {d_model:,}.",
    )
    return Drawn(chart, {f"from_{start}": v.numpy() for start, v in products.items()})


def beyond(trained: int, d_model: int) -> Drawn:
    """What is there beyond the length that a model was trained on?"""
    from transformer_core.analysis.positions import (
        MAX_POSITIONS,
        check_size,
        nearest_seen,
        rates,
        turns_seen,
    )

    check_size(trained, d_model)
    n_pos = min(2 * trained, 2 * MAX_POSITIONS)
    speed = rates(d_model)
    near = nearest_seen(speed, n_pos, trained)
    partial = int((turns_seen(speed, trained) < 1).sum())
    chart = Chart(
        title="Defined for every position, but soon unlike any that was trained",
        subtitle=f"{partial} of {d_model // 2} waves do not finish one turn within {trained:,} "
        "positions: beyond, they take values that training never showed.",
        lines=(Line("most similar trained position", range(n_pos), near.tolist()),),
        axes=Axes(
            "position",
            "cosine to the most similar trained position",
            mark=(trained - 1, f"trained up to {trained - 1:,}"),
        ),
        caption=f"Sinusoidal positions, d_model {d_model}, trained on {trained:,}.",
        notes=(
            "What a model makes of such vectors is its own matter; the paper only hoped that it "
            "may extrapolate (section 3.5), and Press et al. 2022 measured that it hardly does.",
        ),
    )
    return Drawn(chart, {"nearest": near.numpy()})


def tutorial(n_pos: int, d_model: int, *, shown: Shown = "Difference") -> Drawn:
    """What does the formula of many tutorials do?

    Args:
        shown: The difference, either table, or how far each pair is from a rotation.
    """
    from transformer_core.analysis.positions import check_size, mistake

    check_size(n_pos, d_model)
    both = mistake(n_pos, d_model)
    errors = both.shift_errors
    if shown == "Shift":
        return _shift(both, errors)
    tables = {"Difference": both.difference, "Paper's": both.paper, "Tutorials'": both.tutorial}
    kinds = {"Difference": "difference", "Paper's": "sinusoidal", "Tutorials'": "tutorial"}
    table = tables[shown].numpy()
    words = FieldWords(
        title="What does the exponent 2·dim / d_model on every dimension change?",
        subtitle=_why(both, errors),
        caption=(
            f"{shown} table of positions, shape ({n_pos:,}, {d_model:,})."
            if shown != "Difference"
            else f"Tutorials' minus paper's positions, shape ({n_pos:,}, {d_model:,}); the largest "
            f"difference is {written(both.largest)}."
        ),
        unit="difference" if shown == "Difference" else "value",
    )
    source = Source({"kind": kinds[shown], "width": d_model, "base": BASE})
    badge = Badge(f"largest difference of the two tables: {written(both.largest)}")
    arrays = {"shown": table, "paper": both.paper.numpy(), "tutorial": both.tutorial.numpy()}
    picked = np.unravel_index(int(np.abs(table).argmax()), table.shape)
    cell = int(picked[0]), int(picked[1])
    return Drawn(positions_matrix(table, words, source, badge=badge, selected=cell), arrays)


def _why(both: Mistake, errors: tuple[Tensor, Tensor]) -> str:
    """In one sentence, with this shape's numbers, why it matters."""
    n_pos, d_model = both.paper.shape
    if n_pos < 3:
        return "Take at least 3 positions to see whether a shift is a rotation."
    paper, tutorials = (written(float(error.max()), 2) for error in errors)
    return (
        "Why it matters: a sine and its neighbouring cosine no longer share a wavelength, so a "
        f"shift by one position is no rotation any more (off by up to {tutorials} "
        f"instead of {paper}), and {both.still[1]} instead of "
        f"{both.still[0]} of {d_model} dimensions hardly move within {n_pos} positions."
    )


def _shift(both: Mistake, errors: tuple[Tensor, Tensor]) -> Drawn:
    pairs = range(len(errors[0]))
    chart = Chart(
        title="Is a shift by one position a rotation of each pair?",
        subtitle=_why(both, errors),
        lines=tuple(
            Line(name, pairs, values.tolist())
            for name, values in zip(("paper's", "tutorials'"), errors, strict=True)
        ),
        axes=Axes("pair of dimensions (2i, 2i + 1)", "what the best 2 × 2 matrix leaves over"),
        caption=f"Shape {tuple(both.paper.shape)}.",
        notes=(
            "For each pair the matrix is fitted by least squares to all neighbouring positions; "
            "shown is the largest difference that is left. 0: PE(p + 1) is linear in PE(p).",
        ),
    )
    return Drawn(chart, {"paper": errors[0].numpy(), "tutorial": errors[1].numpy()})
