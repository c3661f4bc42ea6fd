"""The plain functions of the tutorials, correct: each takes and returns tensors, step by step.

They accept a single sequence as well as any batch and head axes in front. What the model itself
runs (:mod:`transformer_core.model`) computes the same by faster kernels.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.errors import ConfigError, InputError, MaskError
from transformer_core.model import positional

MAX_ENCODING_NUMBERS = 2**27
"""Numbers that an encoding may have at most: half a gigabyte in float32."""


class Attended(NamedTuple):
    """What attention gives: ``output, pattern = scaled_dot_product_attention(q, k, v)``.

    Attributes:
        output: What each query position gathered.
        pattern: The weights by which it did; each row sums to 1.
    """

    output: Float[Tensor, "*batch query_pos d_value"]
    pattern: Float[Tensor, "*batch query_pos key_pos"]


class Projections(NamedTuple):
    """The four matrices of multi-head attention, applied from the right as in the paper: x W.

    Attributes:
        w_q: Makes queries, those of head 0 in the first d_head columns, and so on.
        w_k: Makes keys likewise.
        w_v: Makes values likewise.
        w_o: Joins the heads' results.
    """

    w_q: Float[Tensor, "d_model d_model"]
    w_k: Float[Tensor, "d_model d_model"]
    w_v: Float[Tensor, "d_model d_model"]
    w_o: Float[Tensor, "d_model d_model"]


def scaled_dot_product_attention(
    q: Float[Tensor, "*batch query_pos d_head"],
    k: Float[Tensor, "*batch_of_k key_pos d_head_of_k"],
    v: Float[Tensor, "*batch_of_v key_pos_of_v d_value"],
    *,
    mask: Bool[Tensor, "*of_mask"] | None = None,
) -> Attended:
    """Let every query position read from the key positions that it may see.

    Computes softmax(q kᵀ / √d_head) v (Vaswani et al. 2017, equation 1).

    Args:
        q: Queries.
        k: Keys, as wide as the queries.
        v: Values, one for each key.
        mask: True where a query may look at a key; None lets all look at all.

    Raises:
        InputError: If queries, keys and values do not fit together.
        MaskError: If the mask does not fit, or some query position may look at no key.
    """
    attn_scores = _attn_scores(q, k, v, mask)
    pattern = attn_scores.softmax(dim=-1)
    return Attended(pattern @ v, pattern)


def multi_head_attention(
    q: Float[Tensor, "*batch query_pos d_model"],
    k: Float[Tensor, "*batch_of_k key_pos d_model_of_k"],
    v: Float[Tensor, "*batch_of_v key_pos_of_v d_model_of_v"],
    n_heads: int,
    *,
    projections: Projections | None = None,
    mask: Bool[Tensor, "*of_mask"] | None = None,
) -> Attended:
    """Attend several times side by side, each head in its own d_model / n_heads components.

    Concat(head_1, …, head_h) W_O with head_i = Attention(q W_Q^i, k W_K^i, v W_V^i) (Vaswani et al.
    2017, section 3.2.2).

    Args:
        q: What asks.
        k: What is found; the same as ``q`` in self-attention.
        v: What is handed over; usually the same as ``k``.
        n_heads: How many heads share d_model.
        projections: The matrices. None leaves them out, as some tutorials do: each head then sees
            only its own slice of every vector, and nothing mixes the heads afterwards.
        mask: True where a query may look at a key, for all heads.

    Returns:
        Output [*batch query_pos d_model], pattern [*batch head query_pos key_pos].

    Raises:
        ConfigError: If d_model cannot be divided among the heads.
        InputError: If queries, keys, values or projections do not fit together.
        MaskError: If the mask does not fit, or some query position may look at no key.
    """
    d_model = q.shape[-1]
    if n_heads < 1 or d_model % n_heads:
        raise ConfigError(
            f"d_model of {d_model} cannot be divided among {n_heads} heads; "
            "make it a multiple of n_heads."
        )
    if projections is not None:
        _check_projections(projections, d_model, q, k, v)
        q, k, v = q @ projections.w_q, k @ projections.w_k, v @ projections.w_v
    elif k.shape[-1] != d_model or v.shape[-1] != d_model:
        raise InputError(
            f"Queries are {d_model} wide, keys {k.shape[-1]} and values {v.shape[-1]}; "
            "heads need all three equally wide."
        )
    heads = (_split(x, n_heads) for x in (q, k, v))
    per_head = mask.unsqueeze(-3) if mask is not None and mask.dim() > 2 else mask
    z, pattern = scaled_dot_product_attention(*heads, mask=per_head)
    joined = z.transpose(-3, -2).flatten(-2)  # [*batch query_pos d_model]
    return Attended(joined if projections is None else joined @ projections.w_o, pattern)


def top_k_sparse_attention(
    q: Float[Tensor, "*batch query_pos d_head"],
    k: Float[Tensor, "*batch_of_k key_pos d_head_of_k"],
    v: Float[Tensor, "*batch_of_v key_pos_of_v d_value"],
    sparsity: float = 0.5,
    *,
    mask: Bool[Tensor, "*of_mask"] | None = None,
) -> Attended:
    """Let every query position read from its best keys only.

    Of the n keys that a query may see, the max(1, ⌊n · (1 − sparsity)⌋) with the highest scores
    stay. The others' scores become −∞, not 0: a score of 0 still gets a weight of e⁰ / Σ.

    Args:
        q: Queries.
        k: Keys, as wide as the queries.
        v: Values, one for each key.
        sparsity: Share of the keys that is dropped, from 0 to 1. Of equal scores the first stay.
        mask: True where a query may look at a key; None lets all look at all.

    Raises:
        ConfigError: If ``sparsity`` is out of range.
        InputError: If queries, keys and values do not fit together.
        MaskError: If the mask does not fit, or some query position may look at no key.
    """
    if not 0 <= sparsity <= 1:
        raise ConfigError(f"sparsity is {sparsity}; it must be from 0 (keep all keys) to 1.")
    attn_scores = _attn_scores(q, k, v, mask)
    kept = best_keys(attn_scores, sparsity)
    pattern = attn_scores.masked_fill(~kept, -torch.inf).softmax(dim=-1)
    return Attended(pattern @ v, pattern)


def best_keys(
    attn_scores: Float[Tensor, "*batch query_pos key_pos"], sparsity: float
) -> Bool[Tensor, "*batch query_pos key_pos"]:
    """Which keys each query keeps: of n visible ones the max(1, ⌊n · (1 − sparsity)⌋) best.

    Args:
        attn_scores: Scores before softmax, −∞ where a query may not look.
        sparsity: Share of the visible keys that is dropped. Of equal scores the first stay.
    """
    n_visible = (attn_scores > -torch.inf).sum(dim=-1, keepdim=True)
    # The tiny addend undoes rounding: 20 · (1 − 0.9) is 1.9999999999999996 in floating point.
    n_kept = (n_visible.double() * (1 - sparsity) + 1e-9).floor().clamp(min=1)
    rank = attn_scores.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return rank < n_kept


def sinusoidal_encoding(seq_length: int, d_model: int) -> Float[Tensor, "pos d_model"]:
    """The paper's positions: a sine and a cosine of each of d_model / 2 geometric wavelengths.

    PE[pos, 2i] = sin(pos / 10000^(2i/d_model)), PE[pos, 2i + 1] = cos(pos / 10000^(2i/d_model))
    (Vaswani et al. 2017, section 3.5).

    Args:
        seq_length: Positions, from 0.
        d_model: Components; even, as each sine has its cosine.

    Raises:
        ConfigError: If ``d_model`` is odd or below 2.
        InputError: If ``seq_length`` is below 1, or the two ask for too many numbers.
    """
    _check_encoding(seq_length, d_model)
    return positional.sinusoidal_encoding(seq_length, d_model)


def tutorial_encoding(seq_length: int, d_model: int) -> Float[Tensor, "pos d_model"]:
    """Positions as many tutorials print them, with a mistake in the exponent.

    PE[pos, dim] = sin(pos / 10000^(2·dim/d_model)) for even dim, cos of the same for odd dim. The
    paper's 2i *is* the even dim; doubling it again makes the waves lengthen twice as fast, up to
    10000² instead of 10000 (half of them hardly move within any text), and no sine has a cosine of
    its own wavelength, so that a shift is no rotation any more.

    Args:
        seq_length: Positions, from 0.
        d_model: Components; even.

    Raises:
        ConfigError: If ``d_model`` is odd or below 2.
        InputError: If ``seq_length`` is below 1, or the two ask for too many numbers.
    """
    _check_encoding(seq_length, d_model)
    pos = torch.arange(seq_length, dtype=torch.float64)[:, None]
    dim = torch.arange(d_model, dtype=torch.float64)
    angles = pos / 10_000.0 ** (2 * dim / d_model)
    return torch.where(dim % 2 == 0, angles.sin(), angles.cos()).float()


def _attn_scores(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled scores [*batch query_pos key_pos], −∞ where the mask hides a key."""
    if min(q.dim(), k.dim(), v.dim()) < 2:
        raise InputError(
            f"Queries, keys and values need a position axis and a width; these have shapes "
            f"{tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}."
        )
    if q.shape[-1] != k.shape[-1]:
        raise InputError(f"Queries are {q.shape[-1]} wide and keys {k.shape[-1]}; make them equal.")
    if k.shape[-2] != v.shape[-2]:
        raise InputError(
            f"There are {k.shape[-2]} keys and {v.shape[-2]} values; give one for one."
        )
    if 0 in (k.shape[-2], q.shape[-1]):
        raise InputError(f"There is nothing to attend to: the keys have shape {tuple(k.shape)}.")
    try:
        attn_scores = q @ k.mT / math.sqrt(q.shape[-1])
        torch.broadcast_shapes(attn_scores.shape[:-2], v.shape[:-2])
    except RuntimeError as error:
        raise InputError(
            f"The axes in front of queries {tuple(q.shape)}, keys {tuple(k.shape)} and values "
            f"{tuple(v.shape)} do not fit together."
        ) from error
    return attn_scores if mask is None else _masked(attn_scores, mask)


def _masked(attn_scores: Tensor, mask: Tensor) -> Tensor:
    try:
        visible = mask.expand(attn_scores.shape)
    except RuntimeError as error:
        raise MaskError(
            f"The mask has shape {tuple(mask.shape)}; the scores {tuple(attn_scores.shape)} "
            "(…, queries, keys)."
        ) from error
    if not bool(visible.any(dim=-1).all()):
        query = int((~visible.any(dim=-1)).nonzero()[0, -1])
        raise MaskError(
            f"Query position {query} may look at no key, so it has no weights that sum to 1. "
            "Let it see at least one."
        )
    return attn_scores.masked_fill(~visible, -torch.inf)


def _split(x: Tensor, n_heads: int) -> Tensor:
    """[*batch pos d_model] → [*batch head pos d_head]."""
    return x.reshape(*x.shape[:-1], n_heads, x.shape[-1] // n_heads).transpose(-3, -2)


def _check_projections(
    projections: Projections, d_model: int, q: Tensor, k: Tensor, v: Tensor
) -> None:
    for name, matrix in projections._asdict().items():
        if tuple(matrix.shape) != (d_model, d_model):
            raise InputError(
                f"{name} has shape {tuple(matrix.shape)}; d_model is {d_model}, so it must be "
                f"({d_model}, {d_model})."
            )
    for name, x in (("Queries", q), ("Keys", k), ("Values", v)):
        if x.shape[-1] != d_model:
            raise InputError(f"{name} are {x.shape[-1]} wide; d_model is {d_model}.")


def _check_encoding(seq_length: int, d_model: int) -> None:
    if d_model < 2 or d_model % 2:
        raise ConfigError(
            f"d_model is {d_model}; each sine is paired with a cosine, so it must be even and at "
            "least 2."
        )
    if seq_length < 1:
        raise InputError(f"seq_length is {seq_length}; there must be at least 1 position.")
    if seq_length * d_model > MAX_ENCODING_NUMBERS:
        raise InputError(
            f"{seq_length:,} positions of {d_model:,} components are {seq_length * d_model:,} "
            f"numbers; the limit is {MAX_ENCODING_NUMBERS:,}. Ask for at most "
            f"{MAX_ENCODING_NUMBERS // d_model:,} positions."
        )
