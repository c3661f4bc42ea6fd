"""One step of the decoder, written flat.

:meth:`Transformer.decode` reads any number of positions and can be watched. Writing text reads one
position at a time, and in a small model a large part of such a step goes into calling modules. Here
the same parts are called directly, one position a row: the same numbers, sooner. Hooks on modules
do not see it.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from transformer_core.model.attention import CrossAttention, SelfAttention
from transformer_core.model.blocks import DecoderLayer, Residual
from transformer_core.model.cache import FixedKeyValues, GrowingKeyValues, KeyValueCache
from transformer_core.model.transformer import Transformer

_Part = Callable[[Tensor], Tensor]


class DecoderStep:
    """Reads one more token in every row and scores what may follow it.

    Args:
        model: The model, in evaluation mode: nothing is dropped here.
        memory: What it made of the sources.
        mask: True where the memory holds a token [row 1 1 src_pos]; None: no padding.
    """

    def __init__(
        self,
        model: Transformer,
        memory: Float[Tensor, "row src_pos d_model"],
        mask: Bool[Tensor, "row 1 1 src_pos"] | None,
    ) -> None:
        self.memory = memory
        self.mask = mask
        self._model = model
        layers = [layer for layer in model.decoder.layers if isinstance(layer, DecoderLayer)]
        self._layers = [_FlatLayer(layer) for layer in layers]

    def __call__(
        self, ids: Int[Tensor, " row"], cache: KeyValueCache
    ) -> Float[Tensor, "row vocab"]:
        """Logits of the token after ``ids``, which the cache holds from now on."""
        model = self._model
        embed = model.target_embedding.forward(ids[:, None])
        x: Tensor = model.target_positions.forward(embed, start=cache.n_pos)[:, 0]  # [row d_model]
        for layer, kept in zip(self._layers, cache.layers, strict=True):
            x = layer.attend_self(x, kept.self_attention)
            x = layer.attend_memory(x, self, kept.cross_attention)
            x = layer.feed_forward(x)
        hidden = model.decoder.norm.forward(x)
        logits: Tensor = model.unembedding.forward(hidden[:, None], model.target_embedding.weight)
        return logits[:, 0]


class _FlatLayer:
    """The parts of one decoder layer, ready to be called."""

    def __init__(self, layer: DecoderLayer) -> None:
        self._own = _FlatAttention(layer.self_attention)
        self._read = _FlatAttention(layer.cross_attention)
        self._alibi, self._rotary = layer.self_attention.alibi, layer.self_attention.rotary
        self._add_own = _add(layer.self_attention_residual)
        self._add_read = _add(layer.cross_attention_residual)
        self._add_fed = _add(layer.feed_forward_residual)
        ff = layer.feed_forward
        w_in, activation, w_out = ff.w_in.forward, ff.activation.forward, ff.w_out.forward
        self._fed: _Part = lambda x: w_out(activation(w_in(x)))

    def attend_self(self, x: Tensor, cache: GrowingKeyValues) -> Tensor:
        def write(y: Tensor) -> Tensor:
            q = self._own.queries(y)
            k, v = self._own.keys_values(y)
            if self._rotary is not None:
                q = self._rotary.forward(q, start=cache.n_pos)
                k = self._rotary.forward(k, start=cache.n_pos)
            k, v = cache.append(k, v)
            bias = None if self._alibi is None else self._alibi.forward(1, cache.n_pos)
            return self._own.output(self._own.attention(q, k, v, bias=bias))

        return self._add_own(x, write)

    def attend_memory(self, x: Tensor, step: DecoderStep, cache: FixedKeyValues) -> Tensor:
        def write(y: Tensor) -> Tensor:
            k, v = cache.once(lambda: self._read.module.keys_values(step.memory))
            z = self._read.attention(self._read.queries(y), k, v, mask=step.mask)
            return self._read.output(z)

        return self._add_read(x, write)

    def feed_forward(self, x: Tensor) -> Tensor:
        return self._add_fed(x, self._fed)


class _FlatAttention:
    """Projections of one attention module, for one position a row."""

    def __init__(self, module: SelfAttention | CrossAttention) -> None:
        self.module = module
        self.attention = module.attention.forward
        self._w_q, self._w_kv = module.w_q.forward, module.w_kv.forward
        self._w_o, self._n_heads = module.w_o.forward, module.n_heads

    def queries(self, x: Tensor) -> Tensor:
        """Queries [row head 1 d_head]."""
        return self._w_q(x).view(len(x), self._n_heads, 1, -1)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [row head 1 d_head]."""
        k, v = self._w_kv(x).view(len(x), 2, self._n_heads, 1, -1).unbind(1)
        return k, v

    def output(self, z: Tensor) -> Tensor:
        """What the heads write [row d_model]."""
        return self._w_o(z.reshape(len(z), -1))


def _add(residual: Residual) -> Callable[[Tensor, _Part], Tensor]:
    """The residual connection, its norm first or last."""
    norm = residual.norm.forward
    if residual.is_pre_norm:
        return lambda x, write: x + write(norm(x))
    return lambda x, write: norm(x + write(x))
