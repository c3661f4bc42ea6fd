"""A model's sense of order on a sentence: other orders, later positions, none at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from transformer_core.figures import compare
from transformer_core.figures.field import Axis, FieldWords, field
from transformer_core.figures.numbers import written
from transformer_core.figures.picture import Badge
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn

if TYPE_CHECKING:
    from transformer_core.analysis.positions_live import Order, Reordered, Shifted
    from transformer_core.figures.views import Place
    from transformer_core.tracing.trace import Trace

SAME = 1e-4
"""Differences up to this share of the largest number are rounding."""
Away = Literal["Pattern", "Weight by distance"]
AWAY: tuple[Away, ...] = ("Pattern", "Weight by distance")


def reordered(trace: Trace, result: Reordered, order: Order) -> Drawn:
    """Does the model notice another order of the words?

    Args:
        trace: The sentence.
        result: What the model made of both orders.
        order: How the words were exchanged.
    """
    is_causal = trace.light(trace.sites[0], 0).is_causal
    share = result.away_difference / max(result.scale, 1e-12)
    usual, away = result.usual_distance.tolist(), result.away_distance.tolist()
    differs = (
        f"max |Δ| {written(result.away_difference, 2)} of numbers up to {written(result.scale, 2)}"
    )
    badge = Badge(f"without positions the outputs permute along: {differs}", share <= SAME)
    chart = Chart(
        title="Does the model notice another order of the words?",
        subtitle=f"{order.capitalize()}: “{result.tokens.text}”",
        bars={"as it runs": usual, "positions taken away": away},
        labels=tuple(trace.source.display),
        axes=Axes("1 − cos of the token's output in the two orders", "token"),
        badge=None if is_causal else badge,
        notes=_order_notes(differs, is_causal=is_causal),
        caption=f"{trace.model_name}: “{trace.text}”, words {order}.",
    )
    arrays = {
        "usual_distance": result.usual_distance.numpy(),
        "away_distance": result.away_distance.numpy(),
        "places": np.array(result.places),
    }
    return Drawn(chart, arrays)


def _order_notes(differs: str, *, is_causal: bool) -> tuple[str, ...]:
    where = "decoder" if is_causal else "encoder"
    notes = [
        f"Compared is each token's output of the last {where} layer, with that of the same token "
        "where it stands in the other order; special tokens stay in their places.",
    ]
    if is_causal:
        notes.append(
            "A causal mask tells order by itself: each token sees one more than the token before "
            "it (Haviv et al. 2022), so a decoder is no set reader even without positions. Here "
            f"its outputs still differ: {differs}."
        )
    return tuple(notes)


def shifted(results: Mapping[str, tuple[str, Shifted]], n_front: int, *, text: str = "") -> Drawn:
    """Do scores move when tokens are put in front? The largest change by layer, a line a model.

    Args:
        results: By model's name: its kind of positions, and the sentence at both positions.
        n_front: Tokens in front.
        text: The sentence.
    """
    lines, arrays, words = [], {}, []
    for name, (kind, result) in results.items():
        by_layer = result.largest.amax(dim=1)
        # The y axis is logarithmic: an exact 0 is drawn at the smallest step of float32 at 1.
        drawn = by_layer.clamp(min=1e-8).tolist()
        lines.append(Line(f"{name} ({kind})", range(len(drawn)), drawn))
        arrays[name] = result.largest.numpy()
        words.append(
            f"{name} ({kind}): max |Δ| {written(float(result.largest.max()), 2)} of scores up to "
            f"{written(float(result.scale.max()), 2)}"
        )
    own = [
        float(result.largest.max()) <= SAME * float(result.scale.max())
        for kind, result in results.values()
        if kind in {"rotary", "alibi", "relative"}
    ]
    chart = Chart(
        title=f"Do scores move when {n_front} tokens are put in front?",
        subtitle="The same tokens, so many positions later: positions added to the embeddings "
        "move the scores, rotary ones must not.",
        lines=tuple(lines),
        axes=Axes("layer", "largest change of a score (log)", is_log=True),
        badge=Badge(" · ".join(words), all(own)),
        caption=f"“{text}”, {n_front} tokens in front.",
        notes=(
            "Compared are scaled scores before softmax of the sentence's own tokens, largest "
            "change over all heads and token pairs of a layer. The tokens in front are hidden from "
            "all others (masked), so nothing but positions changes.",
            "What is left with rotary positions is rounding in float32.",
        ),
    )
    return Drawn(chart, arrays)


def shifted_head(result: Shifted, place: Place) -> Drawn:
    """How did one head's scores move?"""
    before, after = result.scores(place.layer, place.head)
    seen = before.isfinite()
    change = (after - before).masked_fill(~seen, 0.0).numpy()
    largest = float(np.abs(change).max())
    labels = list(result.trace.query_tokens(place.site).display)
    scale = float(before[seen].abs().max())
    hidden = () if bool(seen.all()) else ("Cells that a query may not see are 0.",)
    words = FieldWords(
        title=f"How do the scores of L{place.layer} H{place.head} move?",
        subtitle=f"After − before, {result.n_front} positions later; scores are up to "
        f"{written(scale)}.",
        caption=f"{result.trace.model_name}, {place.site} L{place.layer} H{place.head}, "
        f"“{result.trace.text}”: largest change {written(largest)}.",
        unit="change of score",
        notes=(
            "The tokens in front are hidden from all others, so nothing but positions changes.",
            *hidden,
        ),
    )
    axes = (
        Axis("query (reads)", labels, one="query", part="query"),
        Axis("key (is read)", labels, one="key", part="key"),
    )
    # A scale of its own would make noise of 1e-6 look like a change.
    limit = max(largest, 0.01 * scale)
    return Drawn(field(change, *axes, words, limit=limit), {"change": change})


def away_pattern(trace: Trace, away: Trace, place: Place, *, is_live: bool = False) -> Drawn:
    """What does a head read without positions? Both patterns and their difference."""
    first, second = compare.Side(trace, place), compare.Side(away, place)
    payload = compare.pair(
        first, second, ranking=compare.rank_heads(first, second), is_live=is_live
    )
    header: dict[str, Any] = {
        **payload.header,
        "title": "What does the pattern become without positions?",
        "subtitle": f"L{place.layer} H{place.head}: as the model runs, beside positions taken away "
        "in the whole model",
        "caption": f"{trace.model_name}, {place.site} L{place.layer} H{place.head}, with positions "
        f"and without: “{trace.text}”.",
        "options": {
            **payload.header["options"],
            "labels": ["as the model runs", "positions taken away"],
        },
    }
    arrays = {
        "pattern": trace.pattern(place.site, layer=place.layer, head=place.head).numpy(),
        "without_positions": away.pattern(place.site, layer=place.layer, head=place.head).numpy(),
    }
    return Drawn(replace(payload, header=header), arrays)


def away_distance(trace: Trace, away: Trace, *, layer: int | None = None) -> Drawn:
    """Does attention still depend on distance without positions?"""
    from transformer_core.analysis.positions_live import weight_by_distance

    sides = {"as it runs": trace, "positions taken away": away}
    weights = {name: weight_by_distance(side, layer=layer) for name, side in sides.items()}
    where = "all layers" if layer is None else f"layer {layer}"
    lines: Sequence[Line] = [
        Line(name, range(len(values)), values.tolist()) for name, values in weights.items()
    ]
    chart = Chart(
        title="Does attention still depend on distance without positions?",
        subtitle=f"Mean weight that a query gives a key so many tokens away, over all heads of "
        f"{where}.",
        lines=tuple(lines),
        axes=Axes("distance, tokens", "mean attention weight"),
        caption=f"{trace.model_name}, {trace.sites[0]}: “{trace.text}”.",
        notes=(
            "Far distances have few pairs, and first and last token are often special: a sink "
            "shows there.",
        ),
    )
    return Drawn(chart, {name.replace(" ", "_"): v.numpy() for name, v in weights.items()})
