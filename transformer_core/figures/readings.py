"""How a head is read: its place, its tokens as shown, its proof, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformer_core.figures.evidence import Evidence
from transformer_core.figures.numbers import written
from transformer_core.figures.picture import Badge, Picture, TokenStrip

if TYPE_CHECKING:
    from transformer_core.tracing.records import AttentionRecord
    from transformer_core.tracing.trace import Trace

MAX_PROVEN = 512
"""Up to this many tokens pattern · v is compared with the module's output unasked."""

ROWS_AT_ONCE = 256
"""So many query rows of a long text are computed at a time: memory stays O(n)."""

MAP_SUBTITLE = "A row is one query (reads); its cells sum to 1 over the keys (are read)."


@dataclass(frozen=True)
class Place:
    """Which head of a trace."""

    site: str
    layer: int
    head: int


@dataclass(frozen=True)
class Reading:
    """How tokens are shown.

    Attributes:
        words: Sub-words merged to words.
        hide_special: Without the tokens that the model adds; rows renormalised.
        hide_sink: Without the first key, where many heads rest; rows renormalised.
    """

    words: bool = False
    hide_special: bool = False
    hide_sink: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the pattern is shown as it was computed."""
        return not (self.words or self.hide_special or self.hide_sink)


def badge(trace: Trace, place: Place) -> Badge:
    """Check one head's numbers here and now."""
    from transformer_core.analysis.proof import prove

    record = trace.light(place.site, place.layer)
    small = max(record.n_query, record.n_key) <= MAX_PROVEN
    checks = prove(trace, place.site, layer=place.layer, head=place.head, with_output=small)
    worst = max(check.difference for check in checks)
    return Badge(
        text=" · ".join(check.name for check in checks) + f" · max |Δ| {written(worst, 2)}",
        is_ok=all(check.is_ok for check in checks),
        details=tuple(
            f"{check.name}: largest difference {written(check.difference)}" for check in checks
        ),
    )


def strips(trace: Trace, site: str) -> tuple[TokenStrip, TokenStrip]:
    """Return the labels of the queries and of the keys at a site."""
    return TokenStrip.of(trace.query_tokens(site)), TokenStrip.of(trace.key_tokens(site))


def picture_of(
    trace: Trace,
    place: Place,
    title: str,
    *,
    subtitle: str = MAP_SUBTITLE,
    shown: tuple[TokenStrip, TokenStrip] | None = None,
    notes: tuple[str, ...] = (),
) -> Picture:
    """Describe one head.

    Args:
        shown: Labels of queries and keys, where they are not all tokens as they are.
    """
    queries, keys = shown or strips(trace, place.site)
    return Picture(
        title=title,
        subtitle=f"L{place.layer} H{place.head}. {subtitle}",
        queries=queries,
        keys=keys,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=place.site,
        layer=place.layer,
        head=place.head,
        badge=badge(trace, place),
        notes=(*trace.notes, *notes),
        caption=f"Attention pattern of {len(queries)} queries over {len(keys)} keys.",
    )


def evidence_of(trace: Trace, place: Place, *, is_whole: bool = False) -> Evidence | None:
    """Return queries and keys behind a head; None where its pattern was imposed or imported.

    Args:
        is_whole: Also its values and the module's own output: one more forward pass, kept.
    """
    light = trace.light(place.site, place.layer)
    if light.d_head == 0 or place.head in light.overrides:
        return None
    if not is_whole:
        return _evidence(light, place.head)
    record, head = trace.record(place.site, layer=place.layer), place.head
    return Evidence(
        **{
            **vars(_evidence(record, head)),
            "v": record.values(head).numpy(),
            "z": None if record.z is None else record.z[head].float().numpy(),
        }
    )


def _evidence(record: AttentionRecord, head: int) -> Evidence:
    bias, mask = record.bias, record.mask
    return Evidence(
        q=record.queries(head).numpy(),
        k=record.keys(head).numpy(),
        scaling=record.scaling,
        # Causality alone is said in a word; only a mask of its own is sent cell by cell.
        allowed=None if mask is None else mask[head if mask.shape[0] > 1 else 0].numpy(),
        is_causal=record.is_causal,
        bias=None if bias is None else bias[head if bias.shape[0] > 1 else 0].float().numpy(),
    )
