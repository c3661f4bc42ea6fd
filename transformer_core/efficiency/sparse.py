"""Sparse attention on a text: which links are lost, and what becomes of the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.analysis.ablation import Effect, effect_on
from transformer_core.efficiency.variants import Variant
from transformer_core.tracing.sparsity import Rule, SparseAttention
from transformer_core.tracing.trace import Trace


@dataclass(frozen=True, eq=False)
class SparseEffect:
    """A text, read with all links and with those that a rule keeps.

    Attributes:
        rule: The rule.
        plain: The untouched model's trace.
        cut: The sparse one's, of the same tokens.
        n_links: Links that queries have in the plain model, all sites, layers and heads together.
        n_kept: Those of them that the sparse model has.
        output: Change of the output (KL in bits, or cosine distance).
        logits_difference: Largest change of a logit; None for a model that predicts nothing.
    """

    rule: Rule
    plain: Trace
    cut: Trace
    n_links: int
    n_kept: int
    output: Effect
    logits_difference: float | None

    @property
    def share_lost(self) -> float:
        """Share of the links that are lost."""
        return 1 - self.n_kept / self.n_links

    def lost(self, site: str, layer: int, head: int) -> Bool[Tensor, "query_pos key_pos"]:
        """Links that a head of the plain model has and the sparse one's lacks."""
        return _links(self.plain, site, layer, head) & ~_links(self.cut, site, layer, head)

    def weight_lost(self, site: str, layer: int, head: int) -> Float[Tensor, " query_pos"]:
        """How much of each query's attention, in the plain model, went through links now lost."""
        pattern = self.plain.pattern(site, layer=layer, head=head)
        return (pattern * self.lost(site, layer, head)).sum(dim=-1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "rule": str(self.rule),
            "links": self.n_links,
            "links_kept": self.n_kept,
            "share_lost": self.share_lost,
            "output_change": self.output.size,
            "output_change_measure": type(self.output).__name__,
            "largest_logit_change": self.logits_difference,
        }


def sparse_variant(model: Any, rule: Rule, *, name: str = "") -> Variant:
    """A model whose attention keeps what a rule keeps, everywhere."""
    return Variant(name or str(rule), model, (SparseAttention(rule),), {"rule": str(rule)})


def sparse_effect(model: Any, plain: Trace, rule: Rule) -> SparseEffect:
    """Read a traced text again with fewer links, and compare.

    Args:
        model: The model of the trace.
        plain: The untouched model's trace of a text.
        rule: Which links stay.
    """
    source: Any = plain.text or plain.source
    cut = model.trace(source, plain.target, interventions=[SparseAttention(rule)])
    n_links = n_kept = 0
    for site in plain.sites:
        for layer in range(plain.n_layers(site)):
            n_links += _count(plain, site, layer)
            n_kept += _count(cut, site, layer)
    before, after = plain.logits, cut.logits
    difference = None
    if before is not None and after is not None and before.shape == after.shape:
        difference = float((after.float() - before.float()).abs().max())
    return SparseEffect(rule, plain, cut, n_links, n_kept, effect_on(model, plain, cut), difference)


def _links(trace: Trace, site: str, layer: int, head: int) -> Tensor:
    record = trace.attention[site][layer]
    visible = record.visible(head)
    whole = torch.ones(record.n_query, record.n_key, dtype=torch.bool)
    return whole if visible is None else visible


def _count(trace: Trace, site: str, layer: int) -> int:
    """Links of all heads of a layer."""
    record = trace.attention[site][layer]
    is_shared = record.mask is None or record.mask.shape[0] == 1
    if is_shared:
        return int(_links(trace, site, layer, 0).sum()) * record.n_heads
    return sum(int(_links(trace, site, layer, head).sum()) for head in range(record.n_heads))
