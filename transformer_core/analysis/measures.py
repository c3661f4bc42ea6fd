"""Attention beside causes: several measures of how much each key is to each query, and their ranks.

Two or three are read from the trace (:mod:`.attribution`), two or three from changing the model
(:mod:`.causes`). Where they disagree, attention does not show what matters (Jain & Wallace 2019;
Serrano & Smith 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.analysis.attribution import (
    contribution_norms,
    contributions,
    reach,
    trace_rollout,
    weights,
)
from transformer_core.analysis.causes import (
    LeaveOneOut,
    leave_one_out,
    predicts,
    value_zeroing,
)
from transformer_core.analysis.correlation import spearman
from transformer_core.analysis.proof import TOLERANCE, Check
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

N_LEAST = 5
"""A query with fewer sources has no part in a mean correlation: it would be chance."""


@dataclass(frozen=True, eq=False)
class Causes:
    """What was found by taking tokens away; None where it was not (yet) tried.

    Attributes:
        zeroing: Value zeroing at a layer.
        left_out: Leave-one-out at a site; the same for all its layers.
    """

    zeroing: Float[Tensor, "query_pos key_pos"] | None = None
    left_out: LeaveOneOut | None = None

    @classmethod
    def measure(cls, model: TraceableModel, trace: Trace, site: str, *, layer: int) -> Self:
        """Take every key away, in every way, and see what changes.

        Raises:
            InputError: If the trace is of no text, or of another model's tokens.
        """
        return cls(
            value_zeroing(model, trace, site, layer=layer), leave_one_out(model, trace, site)
        )


@dataclass(frozen=True, eq=False)
class Measure:
    """One way to say how much a key is to a query.

    Attributes:
        key: Its name in files.
        name: Its name on a picture; ``short`` where there is little room.
        unit: What it is measured in.
        meaning: One sentence, with its paper.
        is_cause: Whether it comes from changing the model.
        values: None where it is missing: without weights, or not measured.
    """

    key: str
    name: str
    short: str
    unit: str
    meaning: str
    is_cause: bool = False
    values: Float[Tensor, "query_pos key_pos"] | None = None


def measures_of(
    trace: Trace, site: str, *, layer: int, head: int | None = None, causes: Causes | None = None
) -> list[Measure]:
    """All measures at a layer, attention first, causes last.

    Args:
        head: Whose weights; None: the mean over heads, and their contributions added up. Rollout
            and the causes know no heads and are the same for all.
        causes: What was found by taking tokens away.

    Raises:
        NotInTraceError: If there is no such place.
    """
    causes = causes or Causes()
    left_out, norms = causes.left_out, None
    if trace.has_details and trace.details.out_proj is not None:
        norms = contribution_norms(trace, site, layer=layer, head=head)
    through = " and the encoder" if site == "cross" else ""
    values = (
        weights(trace, site, layer=layer, head=head),
        norms,
        trace_rollout(trace, site, layer=layer),
        causes.zeroing,
        None if left_out is None else left_out.representation,
        None if left_out is None else left_out.prediction,
    )
    return [
        replace(kind, meaning=kind.meaning.format(layer=layer, through=through), values=numbers)
        for kind, numbers in zip(_KINDS, values, strict=True)
        if kind.key != "prediction" or predicts(trace, site)
    ]


_KINDS = (
    Measure(
        "weight",
        "weight α",
        "α",
        "share",
        "How much of what the query reads comes from this key (Vaswani et al. 2017).",
    ),
    Measure(
        "weighted_value",
        "α‖v‖",
        "α‖v‖",
        "norm",
        "Length of what the key adds, ‖α v W_O‖: the weight times what there is to read "
        "(Kobayashi et al. 2020).",
    ),
    Measure(
        "rollout",
        "rollout",
        "rollout",
        "share",
        "Mean weights of all layers up to L{layer}{through}, multiplied, half of each step for the "
        "residual connection (Abnar & Zuidema 2020).",
    ),
    Measure(
        "value_zeroing",
        "value zeroing",
        "zeroing",
        "cos. distance",
        "How far the query's representation after L{layer} moves when the key's values are zero "
        "there, in all heads (Mohebbi et al. 2023).",
        is_cause=True,
    ),
    Measure(
        "leave_one_out",
        "leave one out",
        "left out",
        "cos. distance",
        "How far the query's final representation moves when the key is hidden from all others, in "
        "all layers; positions stay.",
        is_cause=True,
    ),
    Measure(
        "prediction",
        "prediction",
        "KL",
        "bits (KL)",
        "How much what is predicted at the query changes when the key is hidden from all others.",
        is_cause=True,
    ),
)


def sources(trace: Trace, site: str) -> Bool[Tensor, "query_pos key_pos"]:
    """The keys that measures are compared over: those that can influence a query, not itself.

    A token cannot be taken away from itself.
    """
    reached = reach(trace, site)
    return reached if site == "cross" else reached & ~torch.eye(len(reached), dtype=torch.bool)


def agreement(
    measures: Sequence[Measure], seen: Bool[Tensor, "query_pos key_pos"]
) -> Float[Tensor, "query_pos measure measure"]:
    """Rank correlation ρ of every two measures for each query; NaN where there is none.

    Args:
        seen: The keys that count for each query.
    """
    nothing = torch.full(seen.shape, torch.nan)
    values = torch.stack([nothing if m.values is None else m.values for m in measures])
    return torch.stack([spearman(values[:, q, keys]) for q, keys in enumerate(seen)])


def mean_agreement(
    by_query: Float[Tensor, "query_pos measure measure"],
    seen: Bool[Tensor, "query_pos key_pos"],
) -> Float[Tensor, "measure measure"]:
    """Mean ρ over the queries that have at least five sources; NaN where there are none."""
    counted: Tensor = by_query[seen.sum(dim=-1) >= N_LEAST]
    return counted.nanmean(dim=0)


def prove_measures(
    trace: Trace, site: str, *, layer: int, head: int, measures: Sequence[Measure]
) -> list[Check]:
    """Check the measures of one head against what must hold of them.

    The contributions α v W_O are added up and compared with what the module itself wrote; where
    some keys cannot influence a query, taking them away must have changed nothing.
    """
    by_key = {m.key: m.values for m in measures if m.values is not None}
    sums = [by_key[name].sum(dim=-1) - 1 for name in ("weight", "rollout")]
    checks = [_check("rows of α and rollout sum to 1", torch.stack(sums))]
    if "weighted_value" in by_key:
        written = trace.head_output(site, layer=layer)[head]
        rebuilt = contributions(trace, site, layer=layer, head=head).sum(dim=1)
        scale = written.abs().max().clamp_min(1.0)
        checks.append(_check("Σ α v W_O = the head's output", (rebuilt - written) / scale))
    hidden = ~reach(trace, site)
    causes = [m.values[hidden] for m in measures if m.is_cause and m.values is not None]
    if causes and bool(hidden.any()):
        checks.append(_check("what cannot be seen changes nothing", torch.cat(causes)))
    return checks


def _check(name: str, differences: Tensor) -> Check:
    largest = float(differences.abs().max())
    return Check(name, largest, largest <= TOLERANCE)
