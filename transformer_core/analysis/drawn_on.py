"""Which source sentences a written sentence drew on, by the attention of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep

Span = tuple[int, int]


def shares(steps: Sequence[DecodingStep], spans: Sequence[Span]) -> Float[Tensor, "step span"]:
    """How the attention of each step is spread over parts of what the model read.

    The mean over all layers and heads of the step's row (cross-attention of an encoder–decoder,
    else self-attention), summed over the tokens of each part; what falls outside all parts (the
    instruction, the text written so far, an attention sink) is left out and the rest renormalised.

    Args:
        steps: Steps of one text, recorded.
        spans: Parts of the source, as places of characters in its text.

    Raises:
        InputError: If no token stands in any part.
        NotInTraceError: If the steps were not recorded.
    """
    site = "cross" if "cross" in steps[0].sites else "decoder"
    groups = _groups(steps[0], site, spans)
    if not any(groups):
        raise InputError("No token of the source stands in these parts.")
    rows = []
    for step in steps:
        row = _mean_row(step, site)
        rows.append(torch.stack([row[group].sum() for group in groups]))
    weights = torch.stack(rows)
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def n_tokens(step: DecodingStep, spans: Sequence[Span]) -> list[int]:
    """How many tokens of the source stand in each part."""
    site = "cross" if "cross" in step.sites else "decoder"
    return [len(group) for group in _groups(step, site, spans)]


def _groups(step: DecodingStep, site: str, spans: Sequence[Span]) -> list[list[int]]:
    """Positions of the source's tokens that begin in each part."""
    tokens = step.key_tokens(site)
    return [
        [i for i, at in enumerate(tokens.spans) if at is not None and start <= at[0] < end]
        for start, end in spans
    ]


def _mean_row(step: DecodingStep, site: str) -> Float[Tensor, " key_pos"]:
    layers = range(step.n_layers(site))
    return torch.stack([step.pattern(site, layer=i).mean(dim=0) for i in layers]).mean(dim=0)
