"""The switchboard: which heads are off, what that does, and which heads matter most.

Options of its payload, beside the switches: ``mode`` (what "off" means), ``is_live`` (whether
somebody computes what is switched), ``unit`` (of importance) and ``effect``: ``size unit measure``
of the output's change, ``rows`` ``{label, special, before, after, change}`` and ``rows_title``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from transformer_core.figures.payload import Payload, switchboard_payload
from transformer_core.figures.picture import Badge, Picture
from transformer_core.figures.readings import Place, badge, strips
from transformer_core.figures.wire_theme import wire_theme
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    import altair as alt
    from torch import Tensor

    from transformer_core.analysis.ablation import Effect
    from transformer_core.analysis.proof import Check
    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.interventions import AblationMode
    from transformer_core.tracing.trace import Trace

MEANINGS = {
    "zero": "it writes 0",
    "mean": "it writes its mean over positions, everywhere",
    "uniform": "it reads all visible keys equally",
}
"""What "off" means, by mode."""

MAX_ROWS = 32
"""Up to so many tokens' changes are listed; of longer texts those that change most."""

N_RANKED = 16

MEAN_NOTE = (
    "Mean: of the head's output z over all positions of this text; in a decoder, later ones too."
)
ALONE_NOTE = (
    "Colour: what each head does when it alone is off. Heads that stand in for one another look "
    "unimportant alone."
)


@dataclass(frozen=True, eq=False)
class Board:
    """What a switchboard shows.

    Attributes:
        switches: Heads that are off, and how.
        mode: How the next one will be switched off.
        effect: What the switches do to the output.
        checks: How it was checked that these heads are off, and no others.
        importance: ``[layer head]``, effect of each head alone; NaN where not known yet.
        is_live: Whether somebody listens and computes what is switched.
    """

    switches: Mapping[tuple[int, int], AblationMode] = field(default_factory=dict)
    mode: AblationMode = "zero"
    effect: Effect | None = None
    checks: Sequence[Check] = ()
    importance: Tensor | None = None
    is_live: bool = False


def switchboard(trace: Trace, place: Place, board: Board) -> Payload:
    """What changes when heads are off? A switch for each head of a site, the effect beside it.

    Args:
        trace: The untouched model's trace.
        place: The site; layer and head are those whose pattern is proved while nothing is off.
        board: Switches, effect and importance.
    """
    shape = (trace.n_layers(place.site), trace.n_heads(place.site))
    options = {
        "mode": board.mode,
        "is_live": board.is_live,
        "unit": unit_of(trace),
        "effect": None if board.effect is None else effect_rows(trace, board.effect),
    }
    return switchboard_payload(
        _picture(trace, place, board),
        board.switches,
        shape=shape,
        importance=None if board.importance is None else board.importance.numpy(),
        extras=options,
    )


def unit_of(trace: Trace) -> str:
    """What a change of this model's output is measured in."""
    predicts = trace.target is not None or (
        trace.sites == ("decoder",) and trace.next_logits is not None
    )
    return "bits (KL)" if predicts else "cosine distance"


def effect_rows(trace: Trace, effect: Effect) -> dict[str, Any]:
    """Say what an effect is, with a row for each token that it concerns."""
    from transformer_core.analysis.ablation import EmbeddingEffect, NextTokenEffect

    if isinstance(effect, EmbeddingEffect):
        rows = _token_rows(trace.source, range(len(trace.source)), change=effect.tokens)
        return {
            "size": effect.size,
            "unit": "cosine distance",
            "measure": "Sentence embeddings: mean of the final residual stream; 0 is no change.",
            "rows_title": "Final residual stream of each token: ‖Δr‖ ÷ ‖r‖",
            **_longest_changes(rows),
        }
    if isinstance(effect, NextTokenEffect):
        facts = zip(effect.names, effect.before.tolist(), effect.after.tolist(), strict=True)
        return {
            "size": effect.size,
            "unit": "bits",
            "measure": "KL(before ‖ after) of the next token, whole vocabulary; 0 is no change.",
            "rows_title": "Likeliest next tokens: probability before and after",
            "rows": [_row(name, before=p, after=q, change=q - p) for name, p, q in facts],
            "left_out": 0,
        }
    target = trace.target
    assert target is not None  # noqa: S101  (a target's effect is measured on a target)
    change = effect.after - effect.before
    rows = _token_rows(
        target, range(1, len(target)), change=change, before=effect.before, after=effect.after
    )
    return {
        "size": effect.size,
        "unit": "bits",
        "measure": "KL(before ‖ after), mean over the target's positions; 0 is no change.",
        "rows_title": "Target tokens: probability before and after",
        **_longest_changes(rows),
    }


def importance_chart(
    importance: Tensor, *, unit: str, theme: Literal["light", "dark"] = "light"
) -> alt.LayerChart:
    """Which heads matter most? The most important heads, each switched off alone.

    Args:
        importance: ``[layer head]``; heads that are not known yet (NaN) are left out.
        unit: What it is measured in.
        theme: Whose colours to take.
    """
    import altair as alt

    colours = wire_theme()[theme]
    ranked = ranking(importance)[:N_RANKED]
    rows = [{"head": f"L{layer} H{head}", "size": size} for layer, head, size in ranked]
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("size:Q", title=unit, axis=alt.Axis(grid=False, tickCount=4, format="~g")),
        y=alt.Y("head:N", sort=None, title=None),
        tooltip=[
            alt.Tooltip("head:N", title="head"),
            alt.Tooltip("size:Q", title=unit, format=".3g"),
        ],
    )
    bars = base.mark_bar(color=colours["sequential"][3], cornerRadiusEnd=2)
    words = base.mark_text(align="left", dx=4, color=colours["muted"]).encode(
        text=alt.Text("size:Q", format=".3g")
    )
    return alt.LayerChart(layer=[bars, words], height=alt.Step(20))


def ranking(importance: Tensor) -> list[tuple[int, int, float]]:
    """Layer, head and importance of all heads that are known, most important first."""
    known = [
        (layer, head, size)
        for layer, row in enumerate(importance.tolist())
        for head, size in enumerate(row)
        if size == size  # noqa: PLR0124  (not NaN)
    ]
    return sorted(known, key=lambda found: -found[2])


def to_csv(trace: Trace, place: Place, board: Board) -> str:
    """The board as a table: a row a head, and the effect of all that are off in the first line."""
    out = io.StringIO()
    writer = TableWriter(out)
    facts = _facts(trace, place, board)
    writer.writerow(["# " + " · ".join(f"{name} {value}" for name, value in facts.items())])
    writer.writerow(["layer", "head", "off", f"importance ({board.mode}, {unit_of(trace)})"])
    for layer in range(trace.n_layers(place.site)):
        for head in range(trace.n_heads(place.site)):
            size = None if board.importance is None else float(board.importance[layer, head])
            known = "" if size is None or size != size else f"{size:.6g}"  # noqa: PLR0124
            writer.writerow([layer, head, board.switches.get((layer, head), ""), known])
    return out.getvalue()


def to_json(trace: Trace, place: Place, board: Board) -> str:
    """The board as JSON: switches, effect and importance with where they came from."""
    payload = switchboard(trace, place, board).header["options"]
    names = ("switches", "importance", "effect")
    content = {**_facts(trace, place, board), **{name: payload[name] for name in names}}
    return json.dumps(content, ensure_ascii=False)


def _facts(trace: Trace, place: Place, board: Board) -> dict[str, Any]:
    return {
        "model": trace.model_id,
        "revision": trace.revision,
        "text": trace.text,
        "target_text": trace.target_text,
        "site": place.site,
        "mode": board.mode,
        "unit": unit_of(trace),
        "effect_size": None if board.effect is None else board.effect.size,
    }


def _picture(trace: Trace, place: Place, board: Board) -> Picture:
    queries, keys = strips(trace, place.site)
    n_heads = trace.n_layers(place.site) * trace.n_heads(place.site)
    n_off = len(board.switches)
    off = f"{n_off} of {n_heads} heads off" if n_off else f"All {n_heads} heads are on"
    notes = [*trace.notes]
    if board.mode == "mean":
        notes.append(MEAN_NOTE)
    if len(trace.sites) > 1:
        notes.append("Heads of the other sites stay on.")
    if board.importance is not None:
        notes.append(ALONE_NOTE)
    if not board.is_live:
        notes.append("Switches work in the app; this picture shows the state that was saved.")
    return Picture(
        title="What changes when heads are off?",
        subtitle=f"{off}. Off means: {MEANINGS[board.mode]}.",
        queries=queries,
        keys=keys,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=place.site,
        badge=_badge(trace, place, board.checks),
        notes=tuple(notes),
        caption=f"Switchboard: {off.lower()} (off: {MEANINGS[board.mode]}){_change(trace, board)}.",
    )


def _change(trace: Trace, board: Board) -> str:
    size = None if board.effect is None else board.effect.size
    return "" if size is None else f"; the output changes by {size:.3g} {unit_of(trace)}"


def _badge(trace: Trace, place: Place, checks: Sequence[Check]) -> Badge:
    if not checks:
        return badge(trace, place)
    worst = max(check.difference for check in checks)
    return Badge(
        text=" · ".join(check.name for check in checks) + f" · max |Δ| {worst:.1e}",
        is_ok=all(check.is_ok for check in checks),
        details=tuple(
            f"{check.name}: largest difference {check.difference:.2e}" for check in checks
        ),
    )


def _token_rows(
    tokens: Tokens,
    positions: range,
    *,
    change: Tensor,
    before: Tensor | None = None,
    after: Tensor | None = None,
) -> list[dict[str, Any]]:
    """A row for each of some positions; the tensors hold a number for each of them."""
    return [
        _row(
            tokens.display[position],
            special=tokens.is_special[position],
            before=None if before is None else float(before[i]),
            after=None if after is None else float(after[i]),
            change=float(change[i]),
        )
        for i, position in enumerate(positions)
    ]


def _row(
    label: str, *, change: float, special: bool = False, **probabilities: Any
) -> dict[str, Any]:
    return {"label": label, "special": special, "change": change, **probabilities}


def _longest_changes(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows to list, in the text's order, and how many are left out."""
    if len(rows) <= MAX_ROWS:
        return {"rows": rows, "left_out": 0}
    order = sorted(range(len(rows)), key=lambda i: -abs(rows[i]["change"]))
    return {
        "rows": [rows[i] for i in sorted(order[:MAX_ROWS])],
        "left_out": len(rows) - MAX_ROWS,
    }
