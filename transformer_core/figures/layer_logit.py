"""Where a logit comes from, as the browser component takes it: view ``logit``.

Options: ``token`` (as people read it), ``total`` and ``logit``, ``n_layers``, ``rows`` (name and
one number a layer), ``ends`` (before the first layer and behind the last), ``writers`` (name,
group, layer, value): every part, which add up to the logit.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.analysis.logit_attribution import Attribution, Writer
    from transformer_core.tracing.trace import Trace

GROUPS = {
    "attention": "self-attention heads",
    "cross": "cross-attention heads",
    "feed-forward": "feed-forward",
    "bias": "biases, of norms too",
}

SHIFT = (
    "The same number added to every logit changes no probability, and may be in these bars: "
    "compare with the mean, or with another token."
)


@dataclass(frozen=True)
class Asked:
    """Which logit.

    Attributes:
        token_id: The output token.
        token: As people read it.
        probability: What the model gives it.
        rank: How many tokens are likelier.
        against: What it is compared with: another token's id, the mean's, or nothing.
        other: What that is called.
    """

    token_id: int
    token: str
    probability: float
    rank: int
    against: int | None = None
    other: str = ""

    @property
    def over(self) -> str:
        """The comparison in words, behind the token's name."""
        return "" if self.against is None else f" over {self.other}"


def layer_logit(trace: Trace, found: Attribution, asked: Asked) -> Payload:
    """Which parts of the model wrote this logit? One bar a layer and kind, heads on demand.

    Args:
        trace: The trace.
        found: The position's logits, taken apart.
        asked: The output token.
    """
    values = found.contributions(asked.token_id, asked.against).tolist()
    writers = [
        {"name": writer.name, "group": group_of(writer), "layer": writer.layer, "value": value}
        for writer, value in zip(found.writers, values, strict=True)
    ]
    inside = [w for w in writers if 0 <= int(w["layer"]) < found.n_layers]
    groups = [name for name in GROUPS if any(w["group"] == name for w in inside)]
    options = {
        "token": f"{asked.token}{asked.over}",
        "total": sum(values),
        "logit": found.logit(asked.token_id, asked.against),
        "n_layers": found.n_layers,
        "rows": [
            {
                "group": group,
                "name": GROUPS[group],
                "values": [_sum(writers, group, layer) for layer in range(found.n_layers)],
            }
            for group in groups
        ],
        "ends": [
            {"name": w["name"], "value": w["value"], "is_first": w["layer"] < 0}
            for w in writers
            if w not in inside and w["value"] != 0
        ],
        "writers": writers,
    }
    return make_payload("logit", _picture(trace, found, asked, values), options, {}, unit="logit")


def group_of(writer: Writer) -> str:
    """Which row of the picture a writer belongs to."""
    if writer.kind == "head":
        return "cross" if writer.site == "cross" else "attention"
    return writer.kind


def to_csv(trace: Trace, found: Attribution, asked: Asked) -> str:
    """A row a part; the first line says of what."""
    out = io.StringIO()
    table = TableWriter(out)
    logit = found.logit(asked.token_id, asked.against)
    table.writerow(
        [
            f"# model {trace.model_id} · revision {trace.revision} · text {trace.text} · position "
            f"{found.position} · token {asked.token} ({asked.token_id}){asked.over} "
            f"· logit {logit:.9g}"
        ]
    )
    table.writerow(["part", "kind", "layer", "site", "head", "contribution"])
    for writer, value in zip(
        found.writers, found.contributions(asked.token_id, asked.against).tolist(), strict=True
    ):
        head = "" if writer.head is None else writer.head
        table.writerow([writer.name, writer.kind, writer.layer, writer.site, head, f"{value:.9g}"])
    return out.getvalue()


def _sum(writers: list[dict[str, Any]], group: str, layer: int) -> float:
    return float(sum(w["value"] for w in writers if w["group"] == group and w["layer"] == layer))


def _picture(trace: Trace, found: Attribution, asked: Asked, values: list[float]) -> Picture:
    tokens = TokenStrip.of(trace.query_tokens(found.stack))
    here = tokens.display[found.position]
    logit, total = found.logit(asked.token_id, asked.against), sum(values)
    rank = "the largest" if not asked.rank else f"number {asked.rank + 1:,}"
    name = asked.token.strip() or asked.token
    own = found.logit(asked.token_id)
    title = f"Who wrote the logit of “{name}”{asked.over}?"
    where = f"at position {found.position}, “{here}”"
    difference = found.difference(asked.token_id, asked.against)
    return Picture(
        title=title,
        subtitle=f"{written(own, 4)} {where}: {rank} of {len(found.logits):,} logits, "
        f"probability {written(asked.probability)}.",
        hint="A click on a layer lists its heads.",
        queries=tokens,
        keys=tokens,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=found.stack,
        badge=Badge(
            text=f"{len(values)} parts add up to {written(total, 5)}, the model's "
            f"{'logit' if asked.against is None else 'difference'} is {written(logit, 5)} · "
            f"max |Δ| {written(difference, 2)}",
            is_ok=found.is_proven(asked.token_id, asked.against),
            details=(
                "The parts were added in double precision and compared with the logit that the "
                "model itself computed.",
            ),
        ),
        notes=(
            *trace.notes,
            *found.notes,
            *((SHIFT,) if asked.against is None else ()),
        ),
        caption=f"The logit of “{asked.token}”{asked.over} {where} as a sum of what "
        "each part of the model wrote into the residual stream.",
    )
