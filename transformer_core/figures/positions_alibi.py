"""ALiBi: no position vectors at all, a penalty on the scores that grows with distance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from transformer_core.errors import ConfigError
from transformer_core.figures.field import Axis, FieldWords
from transformer_core.figures.numbers import written
from transformer_core.figures.positions import Source, formula_badge, positions_matrix
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MAX_LINES = 6
SMALL = 0.01
"""A key whose weight is cut to this share is called out of reach."""
FLOOR = -12.0
FLOOR_NOTE = "Drawn down to −12, where a weight is 0.000006 of what it was; the lines go on."
_AXES = (
    Axis("query (reads)", one="query", part="query"),
    Axis("key (is read)", one="key", part="key"),
)


def check_heads(n_heads: int) -> None:
    """Refuse what is no number of heads.

    Raises:
        ConfigError: If it is out of range.
    """
    from transformer_core.analysis.positions import MAX_HEADS

    if not 1 <= n_heads <= MAX_HEADS:
        raise ConfigError(f"n_heads is {n_heads:,}; it must be from 1 to {MAX_HEADS}.")


def _slopes(n_pos: int, n_heads: int) -> Tensor:
    from transformer_core.analysis.positions import check_size
    from transformer_core.model.positional import alibi_slopes

    check_size(n_pos, 2)
    check_heads(n_heads)
    return alibi_slopes(n_heads)


def matrix(n_pos: int, n_heads: int, *, head: int = 0) -> Drawn:
    """What does one head subtract from each score?

    Args:
        n_pos: Positions.
        n_heads: Heads of the model; the slopes depend on it.
        head: The one to show.
    """
    from transformer_core.model.positional import AlibiPositions

    slopes = _slopes(n_pos, n_heads)
    head = min(head, n_heads - 1)
    bias = AlibiPositions(n_heads)(n_pos, n_pos)[head].numpy()
    place = np.arange(n_pos, dtype=np.float64)
    exact = -float(slopes[head]) * np.abs(place[:, None] - place)
    badge = formula_badge(bias, exact, "−m · |i − j|", most=1e-4)
    slope = written(float(slopes[head]))
    words = FieldWords(
        title=f"What does head {head} subtract from each score?",
        subtitle=f"Its slope m is {slope}. A causal decoder: keys after a query are not seen.",
        caption=f"ALiBi, head {head} of {n_heads}, slope {slope}, {n_pos:,} positions (Press et "
        "al. 2022, section 3).",
        unit="bias",
    )
    source = Source({"kind": "alibi", "slope": float(slopes[head]), "is_causal": True})
    picked = n_pos - 1, n_pos // 2
    payload = positions_matrix(bias, words, source, axes=_AXES, badge=badge, selected=picked)
    return Drawn(payload, {"bias": np.tril(bias), "slopes": slopes.numpy()})


def similarity(n_pos: int, n_heads: int) -> Drawn:
    """How far does each head see? The bias against distance, a line a head."""
    slopes = _slopes(n_pos, n_heads)
    lines = _lines(slopes, range(n_pos))
    reach = [math.log(1 / SMALL) / float(slope) for slope in slopes]
    chart = Chart(
        title="How far does each head see?",
        subtitle=f"The bias lowers a key's weight to {SMALL:.0%} at {written(min(reach))} "
        f"positions for the steepest head, at {written(max(reach))} for the flattest.",
        lines=lines,
        axes=Axes("distance, positions", "bias on the score", domain=_domain(lines)),
        caption=f"ALiBi, {n_heads} heads, {n_pos:,} positions.",
        notes=(FLOOR_NOTE, *_left_out(n_heads, len(lines))),
    )
    return Drawn(chart, {"slopes": slopes.numpy(), "reach": np.array(reach)})


def beyond(trained: int, n_heads: int) -> Drawn:
    """What happens beyond the trained length? The line simply goes on."""
    slopes = _slopes(trained, n_heads)
    n_pos = 2 * trained
    lines = _lines(slopes, range(n_pos))
    last = [math.exp(-float(slope) * (trained - 1)) for slope in slopes]
    gone = sum(weight < SMALL for weight in last)
    chart = Chart(
        title="Beyond the trained length the line goes on",
        subtitle=f"{gone} of {n_heads} heads gave a key at the trained length less than "
        f"{SMALL:.0%} of its weight already: for them nothing new can come into sight.",
        lines=lines,
        axes=Axes(
            "distance, positions",
            "bias on the score",
            mark=(trained - 1, f"trained up to {trained - 1:,}"),
            domain=_domain(lines),
        ),
        caption=f"ALiBi, {n_heads} heads, trained on {trained:,}.",
        notes=(
            "One reason why ALiBi reads longer texts than it was trained on (Press et al. 2022, "
            "figure 1): only the flat heads meet distances that they have not seen.",
            FLOOR_NOTE,
            *_left_out(n_heads, len(lines)),
        ),
    )
    return Drawn(chart, {"slopes": slopes.numpy(), "weight_at_trained_length": np.array(last)})


def _lines(slopes: Tensor, distances: range) -> tuple[Line, ...]:
    n = len(slopes)
    shown = range(n) if n <= MAX_LINES else np.linspace(0, n - 1, MAX_LINES).round().astype(int)
    return tuple(
        Line(
            f"head {int(head)}, m = {written(float(slopes[int(head)]))}",
            distances,
            [-float(slopes[int(head)]) * apart for apart in distances],
        )
        for head in shown
    )


def _domain(lines: Sequence[Line]) -> tuple[float, float]:
    lowest = min(min(line.y) for line in lines)
    return max(FLOOR, lowest) or -1.0, 0.0


def _left_out(n_heads: int, n_shown: int) -> tuple[str, ...]:
    if n_heads == n_shown:
        return ()
    return (f"{n_shown} of {n_heads} heads are drawn, evenly spread; all are in the files.",)
