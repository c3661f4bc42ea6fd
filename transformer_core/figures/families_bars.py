"""Probabilities as bars: classes of a picture, the next token, a hidden word."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from transformer_core.figures.wire_theme import wire_theme
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    import altair as alt
    from torch import Tensor

Bar = tuple[str, float]
"""What, and how probable."""

BAR = 20


def probability_bars(
    bars: Sequence[Bar], *, what: str, theme: Literal["light", "dark"] = "light"
) -> alt.LayerChart:
    """Draw probabilities as bars from 0 to 1, in the order given.

    Args:
        bars: Labels need not differ.
        what: What a label is: ``digit``, ``next token``.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    rows = [
        {"at": index, "label": label, "probability": probability, "shown": written(probability)}
        for index, (label, probability) in enumerate(bars)
    ]
    labels = {str(index): label for index, (label, _) in enumerate(bars)}
    name = f"{_as_object(labels)}[datum.value]"
    base = alt.Chart({"values": rows}).encode(
        x=alt.X(
            "probability:Q",
            title=None,
            scale=alt.Scale(domain=[0, 1.12], nice=False),
            axis=alt.Axis(grid=False, values=[0, 0.5, 1], format=".1f"),
        ),
        y=alt.Y("at:N", sort=None, title=None, axis=alt.Axis(labelExpr=name, labelLimit=140)),
        tooltip=[
            alt.Tooltip("label:N", title=what),
            alt.Tooltip("probability:Q", title="probability", format=".3g"),
        ],
    )
    drawn = base.mark_bar(color=colours["value"], cornerRadiusEnd=2)
    words = base.mark_text(align="left", dx=4, color=colours["text"]).encode(text="shown:N")
    return alt.LayerChart(layer=[drawn, words], height=alt.Step(BAR))


def written(probability: float) -> str:
    """Return a probability with three digits, and none as 1 or 0 that is not."""
    if probability >= 0.9995:
        return "> 0.999" if probability < 1 else "1"
    return f"{probability:.3f}" if probability >= 0.0005 else "< 0.001"


def class_bars(logits: Tensor, labels: Sequence[str], *, n_bars: int = 10) -> list[Bar]:
    """Return a classifier's probabilities: all in their order where there are few, else the best.

    Computes softmax(logits) over all classes, whatever is shown of them.
    """
    shares = logits.float().softmax(dim=-1)
    names = list(labels) or [str(index) for index in range(len(shares))]
    if len(shares) <= n_bars:
        return [(names[index], float(share)) for index, share in enumerate(shares)]
    best = shares.topk(n_bars)
    return [
        (names[int(index)], float(share))
        for share, index in zip(best.values, best.indices, strict=True)
    ]


def bars_to_csv(bars: Sequence[Bar], what: str) -> str:
    """The same numbers as a table."""
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow([what, "probability"])
    writer.writerows([label, f"{probability:.6g}"] for label, probability in bars)
    return out.getvalue()


def _as_object(labels: dict[str, str]) -> str:
    """A Vega expression that looks a label up: texts are quoted, whatever is in them."""
    import json

    return json.dumps(labels)
