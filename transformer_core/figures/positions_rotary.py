"""Rotary positions: what turns queries and keys, and what distance does to their scores."""

from __future__ import annotations

import numpy as np

from transformer_core.figures.field import Axis, FieldWords
from transformer_core.figures.numbers import written
from transformer_core.figures.positions import (
    POSITION,
    Source,
    differences_badge,
    formula_badge,
    positions_matrix,
    rotation,
)
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn

BASE = 10_000.0
BASES = (10_000, 100_000, 500_000, 1_000_000)
WIDTH = "d_head"
_ANGLE_STEP = 2.0**-23
"""Relative step of float32: an angle of p radians is known to about p times this."""


def matrix(n_pos: int, d_head: int, *, base: float = BASE, pair: int = 0) -> Drawn:
    """By how much is each pair turned at each position?"""
    from transformer_core.analysis.positions import check_size, rotary_formula, rotary_table

    check_size(n_pos, d_head, name=WIDTH)
    table = rotary_table(n_pos, d_head, base).numpy()
    exact = rotary_formula(n_pos, d_head, base)
    half = d_head // 2
    labels = [*(f"cos {i}" for i in range(half)), *(f"sin {i}" for i in range(half))]
    words = FieldWords(
        title="By how much is each pair turned at each position?",
        subtitle="Left the cosine of each pair's angle, right its sine; nothing is added to the "
        "embeddings.",
        caption=f"Rotary positions, {n_pos:,} × d_head {d_head:,}, base {base:,.0f} (Su et al. "
        "2021, section 3.2).",
    )
    badge = formula_badge(
        table,
        exact,
        "cos and sin of p · base^(−2i/d_head)",
        most=max(1e-6, 2 * n_pos * _ANGLE_STEP),
        why="Models compute the angle in float32, which knows an angle of p radians only to about "
        f"p × 1.2e-7: by position {n_pos - 1:,} that is the difference seen here.",
    )
    source = Source({"kind": "rotary", "width": d_head, "base": float(base)})
    picked = min(n_pos - 1, n_pos // 8), min(pair, half - 1)
    axes = POSITION, Axis("cosines, then sines", labels, one="entry", part="key")
    payload = positions_matrix(table, words, source, axes=axes, badge=badge, selected=picked)
    return Drawn(payload, {"cos_sin": table})


def motion(
    n_pos: int, d_head: int, *, base: float = BASE, pair: int = 0, distance: int = 4
) -> Drawn:
    """Query and key as hands that turn: the angle between them stays when both shift."""
    from transformer_core.analysis.positions import check_size, rates

    check_size(n_pos, d_head, name=WIDTH)
    pair, distance = min(pair, d_head // 2 - 1), min(distance, n_pos - 1)
    payload = rotation(d_head, n_pos, base=float(base), pair=pair, distance=distance)
    return Drawn(payload, {"radians_per_position": rates(d_head, base).numpy()})


def waves(n_pos: int, d_head: int, *, base: float = BASE, pair: int = 0) -> Drawn:
    """Cosine and sine of one pair's angle along the positions."""
    from transformer_core.analysis.positions import check_size, rotary_table, wavelengths

    check_size(n_pos, d_head, name=WIDTH)
    half = d_head // 2
    pair = min(pair, half - 1)
    table, lengths = rotary_table(n_pos, d_head, base), wavelengths(d_head, base)
    long = written(float(lengths[pair]))
    columns = {"cos_angle": table[:, pair], "sin_angle": table[:, pair + half]}
    chart = Chart(
        title=f"Pair {pair} is back where it was after {long} positions",
        subtitle=f"It turns dimensions {pair} and {pair + half}; wavelengths run from "
        f"{written(float(lengths[0]))} to {written(float(lengths[-1]))} positions.",
        lines=tuple(
            Line(name.replace("_", " of the "), range(n_pos), column.tolist())
            for name, column in columns.items()
        ),
        axes=Axes("position", "value", domain=(-1.05, 1.05)),
        caption=f"Rotary positions, d_head {d_head}, base {base:,.0f}, pair {pair}.",
    )
    return Drawn(chart, {name: column.numpy() for name, column in columns.items()})


def similarity(n_pos: int, d_head: int, *, base: float = BASE) -> Drawn:
    """How does the score of an equal query and key fall with their distance?"""
    import torch

    from transformer_core.analysis.positions import (
        check_size,
        decay_bound,
        rates,
        rotary_scores,
        similarity_by_distance,
    )

    check_size(n_pos, d_head, name=WIDTH)
    speed, distances = rates(d_head, base), torch.arange(n_pos, dtype=torch.float64)
    scores, bound = similarity_by_distance(speed, distances), decay_bound(speed, distances)
    apart = min(8, n_pos - 1)
    starts = torch.tensor([0.0, 1, 10, 100, 1000, 2000])
    turned = rotary_scores(d_head, starts, apart, base).double()
    off = float((turned - scores[apart]).abs().max())
    chart = Chart(
        title="A rotary score falls with distance, in waves",
        subtitle="Score of equal vectors q = k, all components equal, relative to distance 0.",
        lines=(
            Line("q · k of equal vectors", distances.tolist(), scores.tolist()),
            Line(
                "mean |S_j| of the paper's bound",
                distances.tolist(),
                bound.tolist(),
                is_dashed=True,
            ),
        ),
        axes=Axes("distance, positions", "score, relative to distance 0"),
        badge=differences_badge(
            [(f"at distance {apart} the same from 6 starts, 0 to 2,000", off, 1e-3)]
        ),
        caption=f"Rotary positions, d_head {d_head}, base {base:,.0f}.",
        notes=(
            "Real queries and keys weigh the pairs differently: the model, not the rotation, "
            "decides what distance does.",
            "Broken: the mean of |S_j|, relative to distance 0 (Su et al. 2021, section 3.4.3 and "
            "figure 2); it bounds scores up to a factor that the vectors decide, so a score may "
            "lie above it.",
        ),
    )
    return Drawn(chart, {"score": scores.numpy(), "bound": bound.numpy()})


def beyond(trained: int, d_head: int, *, base: float = BASE) -> Drawn:
    """Which angles were never seen in training, and what does interpolation do?"""
    from transformer_core.analysis.positions import check_size, nearest_seen, rates, turns_seen

    check_size(trained, d_head, name=WIDTH)
    n_pos = 2 * trained
    speed = rates(d_head, base)
    near = nearest_seen(speed, n_pos, trained)
    squeezed = nearest_seen(speed, n_pos, trained, step=trained / n_pos)
    partial = int((turns_seen(speed, trained) < 1).sum())
    chart = Chart(
        title="Beyond the trained distances, the slow pairs reach angles never seen",
        subtitle=f"{partial} of {d_head // 2} pairs do not finish one turn within {trained:,} "
        "positions.",
        lines=(
            Line("positions as they are", range(n_pos), near.tolist()),
            Line("positions halved (interpolation)", range(n_pos), squeezed.tolist()),
        ),
        axes=Axes(
            "distance, positions",
            "cosine to the most similar trained set of angles",
            mark=(trained - 1, f"trained up to {trained - 1:,}"),
        ),
        caption=f"Rotary positions, d_head {d_head}, base {base:,.0f}, trained on {trained:,}.",
        notes=(
            "A rotation is defined at any distance. Halving positions (Chen et al. 2023) keeps "
            "every angle in the trained range, between the trained ones; a larger base slows the "
            "pairs instead.",
        ),
    )
    arrays = {"nearest": near.numpy(), "interpolated": squeezed.numpy()}
    return Drawn(chart, arrays | {"turns_seen": np.asarray(turns_seen(speed, trained))})
