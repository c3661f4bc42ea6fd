"""Encoder and decoder: stacks of layers around one residual stream."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from transformer_core.config import TransformerConfig
from transformer_core.errors import InputError
from transformer_core.model.attention import CrossAttention, SelfAttention
from transformer_core.model.cache import KeyValueCache, LayerCache
from transformer_core.model.feed_forward import FeedForward


class Residual(nn.Module):
    """Adds what a sub-layer writes to the residual stream ("Add & Norm"), norm first or last.

    Post-norm: LayerNorm(x + Sublayer(x)) (Vaswani et al. 2017, section 3.1).
    Pre-norm: x + Sublayer(LayerNorm(x)) (Xiong et al. 2020), which trains without care.
    Dropout is the paper's (section 5.4): on what a sub-layer writes, before it is added.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.is_pre_norm = config.norm == "pre"
        self.norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "batch pos d_model"], sublayer: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "batch pos d_model"]:
        """Run the sub-layer and add its output."""
        if self.is_pre_norm:
            pre: Tensor = x + self.dropout(sublayer(self.norm(x)))
            return pre
        post: Tensor = self.norm(x + self.dropout(sublayer(x)))
        return post


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward (the paper's figure 1, left half)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.self_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self,
        resid_pre: Float[Tensor, "batch src_pos d_model"],
        *,
        mask: Bool[Tensor, "#batch #head #query_pos src_pos"] | None = None,
    ) -> Float[Tensor, "batch src_pos d_model"]:
        """Update the residual stream.

        Args:
            resid_pre: The stream as it comes in.
            mask: True where a query may look at a key.
        """
        resid_mid = self.self_attention_residual(
            resid_pre, lambda x: self.self_attention(x, mask=mask)
        )
        resid_post: Tensor = self.feed_forward_residual(resid_mid, self.feed_forward)
        return resid_post


class DecoderLayer(nn.Module):
    """Masked self-attention, cross-attention, feed-forward (the paper's figure 1, right half).

    In a decoder-only model there is no memory to read, hence no cross-attention.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.self_attention_residual = Residual(config)
        if config.n_encoder_layers:
            self.cross_attention = CrossAttention(config)
            self.cross_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self,
        resid_pre: Float[Tensor, "batch tgt_pos d_model"],
        memory: Float[Tensor, "batch src_pos d_model"] | None,
        *,
        self_mask: Bool[Tensor, "#batch #head #tgt_pos key_pos"] | None = None,
        cross_mask: Bool[Tensor, "#batch #head #tgt_pos src_pos"] | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch tgt_pos d_model"]:
        """Update the residual stream.

        Args:
            resid_pre: The stream as it comes in.
            memory: What the encoder made of the source.
            self_mask: Target positions that may be looked at, besides causality.
            cross_mask: Source positions that may be looked at.
            cache: This layer's keys and values of earlier steps.
        """
        own = None if cache is None else cache.self_attention
        resid = self.self_attention_residual(
            resid_pre,
            lambda x: self.self_attention(x, mask=self_mask, is_causal=True, cache=own),
        )
        if memory is not None:
            read = None if cache is None else cache.cross_attention
            resid = self.cross_attention_residual(
                resid, lambda x: self.cross_attention(x, memory, mask=cross_mask, cache=read)
            )
        resid_post: Tensor = self.feed_forward_residual(resid, self.feed_forward)
        return resid_post


class Encoder(nn.Module):
    """A stack of encoder layers."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_encoder_layers))
        self.norm = _final_norm(config)

    def forward(
        self,
        embed: Float[Tensor, "batch src_pos d_model"],
        *,
        mask: Bool[Tensor, "#batch #head #query_pos src_pos"] | None = None,
    ) -> Float[Tensor, "batch src_pos d_model"]:
        """Turn embedded source tokens into the memory that the decoder reads."""
        resid = embed
        for layer in self.layers:
            resid = layer(resid, mask=mask)
        memory: Tensor = self.norm(resid)
        return memory


class Decoder(nn.Module):
    """A stack of decoder layers."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_decoder_layers))
        self.norm = _final_norm(config)
        self.reads_memory = config.n_encoder_layers > 0

    def forward(
        self,
        embed: Float[Tensor, "batch tgt_pos d_model"],
        memory: Float[Tensor, "batch src_pos d_model"] | None,
        *,
        self_mask: Bool[Tensor, "#batch #head #tgt_pos key_pos"] | None = None,
        cross_mask: Bool[Tensor, "#batch #head #tgt_pos src_pos"] | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch tgt_pos d_model"]:
        """Turn embedded target tokens, and the memory, into what predicts the next tokens.

        Raises:
            InputError: If there is no memory to read, or one that nobody reads.
        """
        if (memory is not None) != self.reads_memory:
            raise InputError(
                "This decoder reads an encoder's memory; encode a source first."
                if self.reads_memory
                else "This model is decoder-only: it has no cross-attention to read a memory with."
            )
        resid = embed
        for i, layer in enumerate(self.layers):
            resid = layer(
                resid,
                memory,
                self_mask=self_mask,
                cross_mask=cross_mask,
                cache=None if cache is None else cache.layers[i],
            )
        hidden: Tensor = self.norm(resid)
        return hidden


def _final_norm(config: TransformerConfig) -> nn.Module:
    if config.has_final_norm:
        return nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
    return nn.Identity()
