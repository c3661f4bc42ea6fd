"""What becomes cheaper and what that costs: the links that are lost, and the charts beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.payload import Payload, heatmap_payload, make_payload
from transformer_core.figures.readings import Place, evidence_of, picture_of
from transformer_core.figures.wire import raw
from transformer_core.figures.wire_theme import wire_theme

if TYPE_CHECKING:
    import altair as alt

    from transformer_core.efficiency.attention_cost import LengthPoint
    from transformer_core.efficiency.comparison import Comparison
    from transformer_core.efficiency.curves import PruningCurve
    from transformer_core.efficiency.key_values import CachePoint
    from transformer_core.efficiency.sparse import SparseEffect

Theme = Literal["light", "dark"]

MAX_MARKED = 512
"""Up to this many tokens lost links are drawn one by one."""

LOST_NOTE = (
    "Colours: the untouched model's weights. Small and struck out: a link that the sparse model "
    "does not have. What stays is renormalised there, and later layers read another input."
)


def lost_links(effect: SparseEffect, place: Place) -> Payload:
    """Which links are lost? The untouched model's map of one head, lost links struck out.

    The strongest lost link is picked.

    Array ``lost`` ``[query key]``: 1 where a link is lost.

    Args:
        effect: A text with and without all its links.
        place: Which head.

    Raises:
        InputError: If there are more tokens than can be marked.
    """
    import numpy as np

    from transformer_core.errors import InputError

    trace = effect.plain
    record = trace.light(place.site, place.layer)
    longest = max(record.n_query, record.n_key)
    if longest > MAX_MARKED:
        raise InputError(
            f"{longest:,} tokens are too many to mark every lost link; the map shows up to "
            f"{MAX_MARKED}. Shorten the text to see it."
        )
    lost = effect.lost(place.site, place.layer, place.head).numpy()
    gone = effect.weight_lost(place.site, place.layer, place.head)
    share = float(gone.mean())
    picture = picture_of(
        trace,
        place,
        "Which links are lost?",
        subtitle=f"{effect.rule}: {int(lost.sum()):,} links of this head are lost, which carried "
        f"{share:.1%} of its attention.",
        notes=(LOST_NOTE,),
    )
    visible = record.visible(place.head)
    pattern = trace.pattern(place.site, layer=place.layer, head=place.head).numpy()
    strongest = np.unravel_index(int((pattern * (lost if lost.any() else 1)).argmax()), lost.shape)
    made = heatmap_payload(
        picture,
        pattern,
        evidence=evidence_of(trace, place),
        allowed=None if visible is None else visible.numpy(),
        selected=(int(strongest[0]), int(strongest[1])),
    )
    arrays = {**made.arrays, "lost": raw(lost.astype(np.uint8), "uint8")}
    return make_payload("heatmap", picture, made.header["options"], arrays)


def cost_chart(comparison: Comparison, *, theme: Theme = "light") -> alt.LayerChart:
    """What does each variant cost, and how good is it? The plain model is at 1 on both axes.

    Time with its quartiles, size of the weights, and the cache where it is what shrinks.
    """
    import altair as alt

    colours = wire_theme()[theme]
    rows = cost_rows(comparison)
    kinds = [k for k in ("time", "size of weights", "cache") if any(r["cost"] == k for r in rows)]
    # From 0 on, and never so near that a difference of a percent fills the picture.
    highest = max(1.1, *(row["high"] * 1.05 for row in rows))
    good = [row["y"] for row in rows]
    across = alt.Scale(domain=[0, highest])
    up = alt.Scale(
        domain=[min(0.9, *(y - 0.02 for y in good)), max(1.05, *(y + 0.02 for y in good))]
    )
    ticks = alt.Axis(tickCount=6)
    x = alt.X("x:Q", title="cost, plain model = 1 (left is cheaper)", scale=across, axis=ticks)
    y = alt.Y("y:Q", title="quality, plain = 1 (up is better)", scale=up)
    base = alt.Chart({"values": rows})
    hue = alt.Color(
        "cost:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[colours[n] for n in ("query", "key", "value")]),
        legend=alt.Legend(orient="top"),
    )
    points = base.mark_point(filled=True, size=95, opacity=1).encode(
        x=x, y=y, color=hue, shape=alt.Shape("cost:N", title=None, legend=None), tooltip=_tooltip()
    )
    spread = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", y=y, color=hue)
    # Words stand where there is room: left of a point that is near the right edge.
    beside: list[tuple[str, Literal["left", "right"], int]] = [
        ("<=", "left", 9),
        (">", "right", -9),
    ]
    words = [
        base.transform_filter(f"datum.cost == 'time' && datum.x {side} {0.6 * highest}")
        .mark_text(align=align, dx=dx, dy=-9, color=colours["text"], fontSize=12)
        .encode(x=x, y=y, text="name:N")
        for side, align, dx in beside
    ]
    rule = {"color": colours["muted"], "strokeDash": [4, 4]}
    one = alt.Chart({"values": [{"one": 1}]})
    rules = [
        one.mark_rule(**rule).encode(x=alt.X("one:Q", scale=across)),
        one.mark_rule(**rule).encode(y=alt.Y("one:Q", scale=up)),
    ]
    return alt.LayerChart(layer=[*rules, spread, points, *words], height=330)


def _tooltip() -> list[alt.Tooltip]:
    """What is said of a point of the cost chart."""
    import altair as alt

    numbers = {"x": "cost", "low": "lower quartile", "high": "upper quartile", "y": "quality"}
    return [
        alt.Tooltip("name:N", title="variant"),
        alt.Tooltip("cost:N"),
        *(alt.Tooltip(f"{field}:Q", title=title, format=".3f") for field, title in numbers.items()),
    ]


def cost_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each cost of each variant, relative to the plain model."""
    from transformer_core.efficiency.comparison import cache_share

    rows = []
    for row in comparison.rows:
        common = {"name": row.name, "y": comparison.quality(row)}
        t = row.time_ratio
        rows.append({**common, "cost": "time", "x": t.median, "low": t.low, "high": t.high})
        size = comparison.size(row)
        rows.append({**common, "cost": "size of weights", "x": size, "low": size, "high": size})
        if "plain_cache_bytes" in row.facts:
            cache = cache_share(row)
            rows.append({**common, "cost": "cache", "x": cache, "low": cache, "high": cache})
    return rows


def importance_bars(
    importance: Mapping[tuple[str, int, int], float],
    gone: Sequence[tuple[str, int, int]],
    *,
    unit: str,
    theme: Theme = "light",
) -> alt.Chart:
    """How important is each head, one by one? Those that go are told apart.

    Args:
        importance: By site, layer and head.
        gone: The heads that are taken out.
        unit: What it is measured in.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    out = set(gone)
    order = sorted(importance, key=lambda head: importance[head])
    rows = [
        {
            "head": f"{head[0]} L{head[1]} H{head[2]}",
            "value": importance[head],
            "state": "taken out" if head in out else "stays",
        }
        for head in order
    ]
    hue = alt.Scale(domain=["stays", "taken out"], range=[colours["query"], colours["bad"]])
    heads = alt.X(
        "head:N",
        sort=None,
        title="heads, least important first",
        axis=alt.Axis(labels=False, ticks=False),
    )
    return alt.Chart({"values": rows}, mark=alt.MarkDef(type="bar"), height=250).encode(
        x=heads,
        y=alt.Y("value:Q", title=unit),
        color=alt.Color("state:N", title=None, scale=hue, legend=alt.Legend(orient="top")),
        tooltip=["head:N", alt.Tooltip("value:Q", title=unit, format=".3g"), "state:N"],
    )


def pruning_chart(curve: PruningCurve, *, theme: Theme = "light") -> alt.LayerChart:
    """How much quality is left when so many heads are gone? Least important first, and at random.

    The band is the range of the random orders, the grey line their median.
    """
    import altair as alt

    colours = wire_theme()[theme]
    kind = "" if curve.plain is None else curve.plain.kind
    lines, band = pruning_rows(curve)
    names = ["least important first", "random order (median)"]
    hue = alt.Scale(domain=names, range=[colours["query"], colours["muted"]])
    x = alt.X("gone:Q", title="heads taken out", axis=alt.Axis(tickMinStep=1, tickCount=8))
    y = alt.Y("value:Q", title=kind, scale=alt.Scale(zero=False))
    area = (
        alt.Chart({"values": band})
        .mark_area(opacity=0.25, color=colours["muted"])
        .encode(x=x, y=alt.Y("low:Q", title=kind), y2="high:Q")
    )
    line = (
        alt.Chart({"values": lines})
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=alt.Color("order:N", title=None, scale=hue, legend=alt.Legend(orient="top")),
            tooltip=["order:N", alt.Tooltip("gone:Q", title="heads gone"),
                     alt.Tooltip("value:Q", title=kind, format=".2f")],
        )
    )  # fmt: skip
    return alt.LayerChart(layer=[area, line], height=280)


def pruning_rows(curve: PruningCurve) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the two lines, and of the band between the best and the worst random order."""
    import statistics

    if curve.plain is None:
        return [], []
    start = curve.plain.value
    chosen = {0: start} | {n: quality.value for n, quality in curve.chosen.items()}
    lines = [
        {"order": "least important first", "gone": n, "value": value} for n, value in chosen.items()
    ]
    band = []
    whole = [found for found in curve.random.values() if len(found) == len(curve.chosen)]
    for n in [0, *curve.chosen] if whole else []:
        values = [start] if n == 0 else [found[n].value for found in whole]
        median = statistics.median(values)
        lines.append({"order": "random order (median)", "gone": n, "value": median})
        band.append({"gone": n, "low": min(values), "high": max(values)})
    return lines, band


def soft_labels(
    names: Sequence[str],
    at_one: Sequence[float],
    at_t: Sequence[float],
    *,
    temperature: float,
    theme: Theme = "light",
) -> alt.Chart:
    """What does a teacher say beside the likeliest token? Its probabilities, plain and softened.

    Args:
        names: Tokens, likeliest first.
        at_one: Their probabilities.
        at_t: The same at the temperature.
        temperature: What logits are divided by.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    soft = f"T = {temperature:g}"
    rows = [
        {"token": f"{i + 1}. {name}", "how": how, "p": p}
        for i, name in enumerate(names)
        for how, p in (("T = 1", at_one[i]), (soft, at_t[i]))
    ]
    hue = alt.Scale(domain=["T = 1", soft], range=[colours["muted"], colours["query"]])
    return alt.Chart({"values": rows}, mark=alt.MarkDef(type="bar"), height=alt.Step(11)).encode(
        y=alt.Y("token:N", sort=None, title=None),
        yOffset=alt.YOffset("how:N", sort=["T = 1", soft]),
        x=alt.X("p:Q", title="probability", axis=alt.Axis(tickCount=5)),
        color=alt.Color("how:N", title=None, scale=hue, legend=alt.Legend(orient="top")),
        tooltip=["token:N", "how:N", alt.Tooltip("p:Q", title="probability", format=".3g")],
    )


def length_charts(points: Sequence[LengthPoint], *, theme: Theme = "light") -> list[alt.LayerChart]:
    """How do time and memory grow with length? Step by step against the fused kernel."""
    rows = [
        {"length": p.length, "how": how, "value": value, "low": low, "high": high, "what": what}
        for p in points
        for how, what, value, low, high in (
            (_NAIVE, "time (ms)", p.naive.median * 1e3, p.naive.low * 1e3, p.naive.high * 1e3),
            (_FUSED, "time (ms)", p.sdpa.median * 1e3, p.sdpa.low * 1e3, p.sdpa.high * 1e3),
            (_NAIVE, "tensors (MB)", *[p.naive_bytes / 1e6] * 3),
            (_FUSED, "tensors (MB)", *[p.sdpa_bytes / 1e6] * 3),
        )
    ]
    return _growth(rows, ("time (ms)", "tensors (MB)"), (_NAIVE, _FUSED), theme)


def cache_charts(points: Sequence[CachePoint], *, theme: Theme = "light") -> list[alt.LayerChart]:
    """What does the next token cost, with a key-value cache and without?"""
    rows = []
    for p in points:
        for how, t in ((_WITHOUT, p.without), (_WITH, p.with_cache)):
            values = {"value": t.median * 1e3, "low": t.low * 1e3, "high": t.high * 1e3}
            rows.append({"length": p.length, "how": how, "what": "time (ms)", **values})
        size = p.cache_bytes / 1e6
        held = {"value": size, "low": size, "high": size}
        rows.append({"length": p.length, "how": _WITH, "what": "cache (MB)", **held})
    return _growth(rows, ("time (ms)", "cache (MB)"), (_WITHOUT, _WITH), theme)


_NAIVE, _FUSED = "step by step", "fused (SDPA)"
_WITHOUT, _WITH = "everything read again", "with the cache"


def _growth(
    rows: list[dict[str, Any]], whats: tuple[str, str], hows: tuple[str, str], theme: Theme
) -> list[alt.LayerChart]:
    """Two charts over length, both axes logarithmic, quartiles as bars."""
    import altair as alt

    colours = wire_theme()[theme]
    hue = alt.Scale(domain=list(hows), range=[colours["key"], colours["query"]])
    charts = []
    for what in whats:
        base = alt.Chart({"values": [row for row in rows if row["what"] == what]})
        lengths = alt.Axis(values=sorted({row["length"] for row in rows}))
        scale = alt.Scale(type="log", base=2)
        x = alt.X("length:Q", title="tokens", scale=scale, axis=lengths)
        y = alt.Y(
            "value:Q",
            title=what,
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format="~g", tickCount=4),
        )
        color = alt.Color("how:N", title=None, scale=hue, legend=alt.Legend(orient="top"))
        tooltip = ["how:N", "length:Q", alt.Tooltip("value:Q", title=what, format=".3g")]
        line = base.mark_line(point=True).encode(x=x, y=y, color=color, tooltip=tooltip)
        bar = base.mark_rule(strokeWidth=2).encode(x=x, y="low:Q", y2="high:Q", color=color)
        charts.append(alt.LayerChart(layer=[bar, line], height=260))
    return charts
