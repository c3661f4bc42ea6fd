"""What a token takes in from each other token, read from the trace alone: three measures.

The weight α says where a head looks. α‖v‖ counts what it gets there (Kobayashi et al. 2020),
rollout follows the weights down through the layers (Abnar & Zuidema 2020). Whether a token matters
is another question, and only a change of the model answers it: see :mod:`.causes`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.errors import NotInTraceError
from transformer_core.tracing.trace import Trace

ROWS_AT_ONCE = 32
"""Queries whose contributions are held at once: [head query key d_model] is large."""


def weights(
    trace: Trace, site: str, *, layer: int, head: int | None = None
) -> Float[Tensor, "query_pos key_pos"]:
    """Attention weights α of one head, or (None) their mean over the heads of a layer."""
    if head is not None:
        return trace.pattern(site, layer=layer, head=head)
    record = trace.light(site, layer)
    total = torch.zeros(record.n_query, record.n_key)
    for one in range(record.n_heads):
        total += record.pattern(one)
    return total / record.n_heads


def contributions(
    trace: Trace, site: str, *, layer: int, head: int | None = None, rows: slice = slice(None)
) -> Float[Tensor, "query_pos key_pos d_model"]:
    """What each key adds to each query through the head: α v W_O.

    Over the keys they add up to the head's output in the residual stream (``trace.head_output``),
    over keys and heads (None: summed over the heads) to the attention block's output without its
    bias (Kobayashi et al. 2020, equation 4).

    Args:
        rows: Which queries; the result takes queries · keys · d_model numbers.

    Raises:
        NotInTraceError: If there is no such place, or the trace keeps no weights.
    """
    record = trace.record(site, layer=layer)
    heads = range(record.n_heads) if head is None else [head]
    total = torch.zeros(())
    for one in heads:
        written = record.values(one) @ _output_matrix(trace, site, layer, one)  # [key_pos d_model]
        total = total + record.pattern(one, rows)[..., None] * written
    return total


def contribution_norms(
    trace: Trace, site: str, *, layer: int, head: int | None = None
) -> Float[Tensor, "query_pos key_pos"]:
    """‖α v W_O‖: how much each key adds to each query (Kobayashi et al. 2020, section 3).

    A head that rests on a token whose value is near zero adds little, however large its weight.
    With ``head=None`` the heads' contributions are summed as vectors, as the model sums them.

    Raises:
        NotInTraceError: If there is no such place, or the trace keeps no weights.
    """
    if head is not None:  # the weight comes out of the norm
        record = trace.record(site, layer=layer)
        written = record.values(head) @ _output_matrix(trace, site, layer, head)
        norms: Tensor = written.norm(dim=-1)
        return record.pattern(head) * norms
    n_query = trace.light(site, layer).n_query
    blocks = [
        contributions(trace, site, layer=layer, rows=slice(start, start + ROWS_AT_ONCE))
        for start in range(0, n_query, ROWS_AT_ONCE)
    ]
    return torch.cat([block.norm(dim=-1) for block in blocks])


def rollout(
    patterns: Float[Tensor, "layer query_pos key_pos"],
) -> Float[Tensor, "query_pos key_pos"]:
    """Follow attention down through the layers: Π (½ A + ½ I), the last layer leftmost.

    Half stands for the residual connection; A is the mean over heads (Abnar & Zuidema 2020,
    section 3). Rows of the result sum to 1. Rollout knows neither values nor feed-forward layers.
    """
    identity = torch.eye(patterns.shape[-1])
    result = identity
    for pattern in patterns:
        result = (0.5 * pattern + 0.5 * identity) @ result
    return result


def trace_rollout(trace: Trace, site: str, *, layer: int) -> Float[Tensor, "query_pos key_pos"]:
    """Attention rollout from the input up to and with a layer.

    For cross-attention: the mean weights of this layer, followed down through all layers of the
    encoder; what the decoder passes on between its own layers is left out.
    """
    if site != "cross":
        return rollout(torch.stack([weights(trace, site, layer=n) for n in range(layer + 1)]))
    below = trace_rollout(trace, "encoder", layer=trace.n_layers("encoder") - 1)
    return weights(trace, "cross", layer=layer) @ below


def reach(trace: Trace, site: str) -> Bool[Tensor, "query_pos key_pos"]:
    """Which keys can influence which queries at all, directly or through other positions."""
    record = trace.light(site, 0)
    reached = torch.eye(record.n_query, record.n_key) if site != "cross" else torch.zeros(())
    for layer in range(trace.n_layers(site)):
        record = trace.light(site, layer)
        for head in range(record.n_heads if record.mask is not None else 1):
            seen = record.visible(head)
            if seen is None:
                return torch.ones(record.n_query, record.n_key, dtype=torch.bool)
            through = seen.float() if site == "cross" else seen.float() @ reached
            reached = ((reached + through) > 0).float()
    return reached > 0


def _output_matrix(
    trace: Trace, site: str, layer: int, head: int
) -> Float[Tensor, "d_value d_model"]:
    """The rows of W_O that belong to one head."""
    if trace.details.out_proj is None:
        raise NotInTraceError("A saved trace keeps no weights; trace the text again with a model.")
    w_o = trace.details.out_proj[site][layer].float()
    n_heads = trace.n_heads(site)
    return w_o.reshape(n_heads, w_o.shape[0] // n_heads, w_o.shape[1])[head]
