"""The seat in our own Transformer: hooks on its parts, which note and, where asked, change.

``forward`` knows nothing of it. Every part that matters is a module of its own, so what passes
through can be seen from outside; without a seat the hooks do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transformer_core.errors import ArchitectureError
from transformer_core.model import Transformer
from transformer_core.model.attention import DotProductAttention, MultiHeadAttention
from transformer_core.model.blocks import DecoderLayer, EncoderLayer
from transformer_core.tracing import seat
from transformer_core.tracing.interventions import (
    Change,
    HideKey,
    sparse_of,
    with_hidden,
    with_zeroed,
)
from transformer_core.tracing.records import AttentionRecord
from transformer_core.tracing.seat import Layout, Place, Seat, intervened, is_short, own
from transformer_core.tracing.sparsity import with_links_cut


@dataclass(frozen=True)
class Attended:
    """What went through one attention module.

    Attributes:
        q: Queries.
        k: Keys.
        v: Values.
        options: Mask, causality and bias, as :class:`DotProductAttention` takes them.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    options: dict[str, Any]

    @property
    def mask(self) -> Tensor | None:
        """True where a query may look at a key [#batch #head #query_pos key_pos]."""
        mask: Tensor | None = self.options.get("mask")
        return mask

    @property
    def bias(self) -> Tensor | None:
        """What is added to the scaled scores [head query_pos key_pos]."""
        bias: Tensor | None = self.options.get("bias")
        return bias

    @property
    def is_causal(self) -> bool:
        """Whether no query sees a key after itself."""
        return bool(self.options.get("is_causal"))


@dataclass
class ScratchCapture(Seat):
    """What one forward pass of our own Transformer does and sees."""

    def attended(self, place: Place, part: MultiHeadAttention, saw: Attended, z: Tensor) -> Tensor:
        """Note what one attention module computed; return what it is to have computed.

        Args:
            place: Site and layer.
            part: The attention module.
            saw: What went in.
            z: What came out [batch head query_pos d_head].
        """
        if self.detailed:
            self.out_proj[place] = part.w_o.weight.T
        chosen = self.chosen(place, len(z))
        if not self.detailed and not any(chosen):
            self.records[place] = _records(saw, z if is_short(saw.q, saw.k) else None)
            return z
        if any(chosen):
            saw = changed(saw, chosen, is_self=place[0] != "cross")
            z = DotProductAttention.forward(part.attention, saw.q, saw.k, saw.v, **saw.options)
        records = _records(saw, z)
        if any(chosen):
            z = z.clone()
            records = [
                intervened(record, chosen[i], z[i].transpose(0, 1))
                for i, record in enumerate(records)
            ]
        self.records[place] = records if self.detailed else [r.light() for r in records]
        return z


def changed(saw: Attended, chosen: list[tuple[Change, ...]], *, is_self: bool) -> Attended:
    """What goes in once values are zeroed, keys hidden and links cut."""
    v, options = with_zeroed(saw.v, chosen), saw.options
    if any(isinstance(change, HideKey) for changes in chosen for change in changes):
        mask = with_hidden(_whole_mask(saw), chosen, is_self=is_self)
        options = options | {"mask": mask, "is_causal": False}
        saw = Attended(saw.q, saw.k, v, options)
    if sparse := sparse_of(chosen):
        mask = _whole_mask(saw)
        mask = with_links_cut(mask, lambda: _scores(saw, mask), sparse, is_self=is_self)
        options = options | {"mask": mask, "is_causal": False}
    return Attended(saw.q, saw.k, v, options)


def _whole_mask(saw: Attended) -> Tensor:
    """The mask, also where it is only implied."""
    shape = (1, 1, saw.q.shape[2], saw.k.shape[2])
    mask = torch.ones(shape, dtype=torch.bool) if saw.mask is None else saw.mask
    mask = mask.expand(-1, -1, saw.q.shape[2], -1)
    return mask.tril() if saw.is_causal else mask


def _scores(saw: Attended, mask: Tensor) -> Tensor:
    """Scaled and masked scores of all heads [batch head query_pos key_pos]."""
    scores = saw.q @ saw.k.mT * float(saw.q.shape[-1] ** -0.5)
    scores = scores if saw.bias is None else scores + saw.bias
    return scores.masked_fill(~mask, -torch.inf)


def _records(saw: Attended, z: Tensor | None = None) -> list[AttentionRecord]:
    """One record an input of the batch, without values where the output is not given."""
    n_query = saw.q.shape[2]
    return [
        AttentionRecord(
            q=own(saw.q, i),
            k=own(saw.k, i),
            scaling=float(saw.q.shape[-1] ** -0.5),
            mask=None
            if saw.mask is None
            else saw.mask[min(i, len(saw.mask) - 1)].expand(-1, n_query, -1),
            is_causal=saw.is_causal,
            bias=saw.bias,
            v=None if z is None else own(saw.v, i),
            z=None if z is None else own(z, i),
        )
        for i in range(len(saw.q))
    ]


def layout_of(model: Transformer) -> Layout:
    """Where the layers and attention modules of our Transformer stand.

    Raises:
        ArchitectureError: If its attention was exchanged, as training does: no hook would see it.
    """
    layers: dict[int, Place] = {}
    attentions: dict[int, Place] = {}
    for site, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
        for index, layer in enumerate(stack.layers):
            layers[id(layer)] = (site, index)
            for name, at in (("self_attention", site), ("cross_attention", "cross")):
                part = getattr(layer, name, None)
                if part is None:
                    continue
                if not isinstance(part.attention, DotProductAttention):
                    raise ArchitectureError(
                        f"The {at} attention of layer {index} is a "
                        f"{type(part.attention).__name__}, made for training: load the model "
                        "afresh to trace it."
                    )
                attentions[id(part)] = (at, index)
    return Layout(model.config.sites, layers, attentions)


def install_hooks(model: Transformer, layout: Layout) -> None:
    """Let seats see our Transformer's parts."""
    for part in model.modules():
        if isinstance(part, EncoderLayer | DecoderLayer):
            part.register_forward_hook(_on_layer)
            part.feed_forward.w_out.register_forward_hook(_on_feed_forward(layout.layers[id(part)]))
        elif isinstance(part, MultiHeadAttention):
            hook = _on_attention(layout.attention_layers[id(part)], part)
            part.attention.register_forward_hook(hook, with_kwargs=True)


def _on_attention(place: Place, part: MultiHeadAttention) -> Any:
    def hook(_: nn.Module, qkv: Any, options: dict[str, Any], z: Tensor) -> Tensor | None:
        capture = seat.current()
        if not isinstance(capture, ScratchCapture):
            return None
        q, k, v = qkv
        return capture.attended(place, part, Attended(q, k, v, options), z)

    return hook


def _on_layer(layer: nn.Module, args: Any, leaving: Tensor) -> None:
    capture = seat.current()
    if capture is not None and capture.sees_layers:
        capture.saw_layer(layer, args[0], leaving)


def _on_feed_forward(place: Place) -> Any:
    def hook(_: nn.Module, args: Any, __: Tensor) -> None:
        capture = seat.current()
        if capture is not None and capture.detailed:
            capture.ff[place] = args[0]

    return hook
