"""Attention: every position gathers from the others what it asks for."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from transformer_core.config import TransformerConfig
from transformer_core.model.cache import FixedKeyValues, GrowingKeyValues
from transformer_core.model.masks import both, causal_mask
from transformer_core.model.positional import AlibiPositions, RotaryPositions


class DotProductAttention(nn.Module):
    """Scaled dot-product attention: softmax(q kᵀ / √d_head) v (Vaswani et al. 2017, equation 1).

    Computed by torch's fused kernel, which never writes the pattern down;
    :func:`transformer_core.functional.scaled_dot_product_attention` does the same step by step. It
    is a module of its own so that a trace can see, and change, what passes through it.
    """

    def forward(
        self,
        q: Float[Tensor, "batch head query_pos d_head"],
        k: Float[Tensor, "batch head key_pos d_head"],
        v: Float[Tensor, "batch head key_pos d_head"],
        *,
        mask: Bool[Tensor, "#batch #head #query_pos key_pos"] | None = None,
        is_causal: bool = False,
        bias: Float[Tensor, "head query_pos key_pos"] | None = None,
    ) -> Float[Tensor, "batch head query_pos d_head"]:
        """Let every query position read from the key positions that it may see.

        Args:
            q: Queries.
            k: Keys.
            v: Values.
            mask: True where a query may look at a key; None lets all look at all.
            is_causal: No query sees a key after itself; only without a mask, and with as many
                queries as keys.
            bias: Added to the scaled scores before softmax.
        """
        if bias is None:
            return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal)
        if is_causal:
            mask = causal_mask(q.shape[2], device=q.device)
        added = bias[None] if mask is None else bias.masked_fill(~mask, -torch.inf)
        return scaled_dot_product_attention(q, k, v, attn_mask=added.to(q.dtype))


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in a subspace of its own.

    MultiHead(x, y) = Concat(head_1, …, head_h) W_O, head_i = Attention(x W_Q^i, y W_K^i, y W_V^i)
    (Vaswani et al. 2017, section 3.2.2). In self-attention y is x, in cross-attention the
    encoder's memory. The projections of all heads are stacked: ``w_q`` holds every W_Q^i, ``w_kv``
    every W_K^i and after them every W_V^i, since keys and values come from the same place.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.w_q = nn.Linear(config.d_model, config.d_model)
        self.w_kv = nn.Linear(config.d_model, 2 * config.d_model)
        self.w_o = nn.Linear(config.d_model, config.d_model)
        self.attention = DotProductAttention()

    def queries(
        self, x: Float[Tensor, "batch query_pos d_model"]
    ) -> Float[Tensor, "batch head query_pos d_head"]:
        """What each head of each position asks for."""
        return self._split(self.w_q(x))

    def keys_values(
        self, y: Float[Tensor, "batch key_pos d_model"]
    ) -> tuple[
        Float[Tensor, "batch head key_pos d_head"], Float[Tensor, "batch head key_pos d_head"]
    ]:
        """By what each position is found, and what it hands over."""
        k, v = self.w_kv(y).chunk(2, dim=-1)
        return self._split(k), self._split(v)

    def output(
        self, z: Float[Tensor, "batch head query_pos d_head"]
    ) -> Float[Tensor, "batch query_pos d_model"]:
        """What the heads' results add up to in the residual stream."""
        attn_out: Tensor = self.w_o(z.transpose(1, 2).flatten(2))
        return attn_out

    def _split(
        self, stacked: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        batch, pos, d_model = stacked.shape
        return stacked.view(batch, pos, self.n_heads, d_model // self.n_heads).transpose(1, 2)


class SelfAttention(MultiHeadAttention):
    """Positions of one text read from each other; here rotary and ALiBi positions act."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.rotary = RotaryPositions(config.d_head) if config.positions == "rotary" else None
        self.alibi = AlibiPositions(config.n_heads) if config.positions == "alibi" else None

    def forward(
        self,
        x: Float[Tensor, "batch query_pos d_model"],
        *,
        mask: Bool[Tensor, "#batch #head #query_pos key_pos"] | None = None,
        is_causal: bool = False,
        cache: GrowingKeyValues | None = None,
    ) -> Float[Tensor, "batch query_pos d_model"]:
        """Let the positions of ``x`` read from each other, and from the cached ones.

        Args:
            x: What is read, already normalised where the norm comes first.
            mask: True where a query may look at a key.
            is_causal: No position sees one after itself.
            cache: Keys and values of earlier positions; this call's are appended to it.
        """
        q = self.queries(x)
        k, v = self.keys_values(x)
        if self.rotary is not None:
            start = 0 if cache is None else cache.n_pos
            q, k = self.rotary(q, start=start), self.rotary(k, start=start)
        if cache is not None:
            k, v = cache.append(k, v)
        n_query, n_key = q.shape[2], k.shape[2]
        if is_causal and (mask is not None or n_query != n_key):
            # The kernel knows causality only alone, and only of as many queries as keys. The last
            # position may see all that came before: a single new query needs no causal mask.
            is_causal = False
            if n_query > 1:
                mask = both(mask, causal_mask(n_query, n_key, device=x.device)[None, None])
        bias = None if self.alibi is None else self.alibi(n_query, n_key)
        return self.output(self.attention(q, k, v, mask=mask, is_causal=is_causal, bias=bias))


class CrossAttention(MultiHeadAttention):
    """Positions of the target read from the memory that the encoder made of the source."""

    def forward(
        self,
        x: Float[Tensor, "batch tgt_pos d_model"],
        memory: Float[Tensor, "batch src_pos d_model"],
        *,
        mask: Bool[Tensor, "#batch #head #tgt_pos src_pos"] | None = None,
        cache: FixedKeyValues | None = None,
    ) -> Float[Tensor, "batch tgt_pos d_model"]:
        """Let the positions of ``x`` read from ``memory``.

        Args:
            x: What asks.
            memory: What is read.
            mask: True where a query may look at a key.
            cache: Holds the memory's keys and values, once they are computed.
        """
        q = self.queries(x)
        if cache is None:
            k, v = self.keys_values(memory)
        else:
            k, v = cache.once(lambda: self.keys_values(memory))
        return self.output(self.attention(q, k, v, mask=mask))
