"""Does a token matter? Take it away and see what changes: two causal measures.

Each key of a text is taken away in a copy of its own; copies run together in batches. A run with n
tokens costs n copies of the text for each measure.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.analysis.ablation import divergence
from transformer_core.errors import InputError
from transformer_core.tracing.interventions import Change, HideKey, InItem, ZeroValue
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

TOKENS_AT_ONCE = 256
MAX_COPIES = 16

MOST_WORK = 140 * 10**9
"""Tokens² · parameters: about 20 s on two cores; 78 tokens of a model of 23 million parameters."""

MIN_TOKENS = 8

Progress = Callable[[int, int], None]
"""Is told how many of how many keys are done."""


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """What hiding each key from all other positions changes at each query.

    Attributes:
        representation: Cosine distance of the query's final residual stream.
        prediction: KL(before ‖ after) in bits of what is predicted at the query; None for a model
            that predicts no tokens.
    """

    representation: Float[Tensor, "query_pos key_pos"]
    prediction: Float[Tensor, "query_pos key_pos"] | None


def value_zeroing(
    model: TraceableModel,
    trace: Trace,
    site: str,
    *,
    layer: int,
    on_progress: Progress | None = None,
) -> Float[Tensor, "query_pos key_pos"]:
    """How far each query's representation after a layer moves when a key's value is zeroed there.

    The cosine distance 1 − cos(x, x¬j) of the residual stream after the layer, with the value
    vectors of key j zero in all heads of this layer and the weights as they were (Mohebbi et al.
    2023, section 3).

    Args:
        model: The trace's model.
        on_progress: Is told after each batch.

    Raises:
        InputError: If the trace is of no text, or of another model's tokens.
        StoppedError: If ``on_progress`` raises it.
    """
    before = trace.resid(site, layer=layer)
    columns = [
        cosine_distance(before, changed.resid(site, layer=layer))
        for changed in _without_each(
            model, trace, site, lambda key: [ZeroValue(site, layer, key)], on_progress
        )
    ]
    return torch.stack(columns, dim=-1)


def leave_one_out(
    model: TraceableModel, trace: Trace, site: str, *, on_progress: Progress | None = None
) -> LeaveOneOut:
    """What changes at each query when a key is hidden from all other positions, in all layers.

    The key is masked, not deleted: positions stay, so nothing changes but its absence. For
    cross-attention the source token is hidden in the encoder, too. A position cannot be left out of
    itself; what stands on the diagonal is what hiding it from the others does to it, through them.

    Raises:
        InputError: If the trace is of no text, or of another model's tokens.
        StoppedError: If ``on_progress`` raises it.
    """
    stack = "decoder" if site == "cross" else site
    last = trace.n_layers(stack) - 1
    sites = ("encoder", "cross") if site == "cross" else (site,)
    before = trace.resid(site, layer=last)
    logits = trace.details.logits if predicts(trace, site) else None
    moved, bits = [], []
    for changed in _without_each(
        model, trace, site, lambda key: [HideKey(key, at) for at in sites], on_progress
    ):
        moved.append(cosine_distance(before, changed.resid(site, layer=last)))
        if logits is not None and changed.details.logits is not None:
            bits.append(divergence(logits, changed.details.logits))
    return LeaveOneOut(torch.stack(moved, dim=-1), torch.stack(bits, dim=-1) if bits else None)


def cosine_distance(
    before: Float[Tensor, "pos d_model"], after: Float[Tensor, "pos d_model"]
) -> Float[Tensor, " pos"]:
    """1 − cos of two vectors at each position: 0 for the same direction, 2 for opposite ones."""
    cosine = torch.cosine_similarity(before.double(), after.double(), dim=-1)
    return (1 - cosine).clamp_min(0).float()


def predicts(trace: Trace, site: str) -> bool:
    """Whether the model predicts a token at each query of a site."""
    if not trace.has_details or (site == "encoder" and "decoder" in trace.sites):
        return False
    logits = trace.details.logits
    return logits is not None and logits.dim() == 2 and len(logits) == len(trace.query_tokens(site))


def _without_each(
    model: TraceableModel,
    trace: Trace,
    site: str,
    change: Callable[[int], Sequence[Change]],
    on_progress: Progress | None,
) -> Iterator[Trace]:
    """Run the trace's text again, once for each key, with the change that takes the key away."""
    if not trace.text:
        raise InputError("Only a text can be run again; this trace is of none.")
    if model.tokenizer.encode(trace.text) != trace.source:
        raise InputError(f"{model.card.id} reads other tokens than those of this trace.")
    n_keys = len(trace.key_tokens(site))
    n_tokens = len(trace.source) + len(trace.target or ())
    n_copies = max(1, min(MAX_COPIES, TOKENS_AT_ONCE // n_tokens))
    for start in range(0, n_keys, n_copies):
        keys = range(start, min(start + n_copies, n_keys))
        changed = model.trace_batch(
            [trace.text] * len(keys),
            None if trace.target is None else [trace.target] * len(keys),
            interventions=[InItem(i, c) for i, key in enumerate(keys) for c in change(key)],
        )
        yield from changed
        if on_progress is not None:
            on_progress(keys.stop, n_keys)


def most_tokens(n_parameters: int) -> int:
    """The longest text, in tokens, whose causes are measured in tolerable time.

    A text of n tokens runs n times for each measure: n² · parameters steps of work.
    """
    return max(MIN_TOKENS, math.isqrt(MOST_WORK // max(1, n_parameters)))
