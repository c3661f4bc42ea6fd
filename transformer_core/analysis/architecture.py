"""What every block of our Transformer gives out for one input, and a proof that it adds up.

A trace holds queries, keys, values and the residual stream between layers. What stands between
(a sub-layer's output, the stream in the middle of a layer, logits and probabilities) follows from
those and the model's weights, and the next tensor of the trace says whether it is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.config import TransformerConfig
    from transformer_core.model import Transformer
    from transformer_core.tracing.trace import Trace

SIDES = ("encoder", "decoder")


@dataclass(frozen=True, eq=False)
class BlockOutputs:
    """What the blocks of the paper's figure 1 give out for one input.

    Attributes:
        config: The model's shape.
        outputs: By block, such as ``encoder.embedding`` or ``decoder.1.cross.add``: a tensor
            [pos width] without a batch axis. Of a sub-layer (``self``, ``cross``, ``ff``) of a
            layer: ``norm``, ``block``, ``add``, and ``out``, the residual stream after it.
        max_error: The largest |Δ| between a tensor computed here and the one of the trace.
        n_checks: How many tensors were compared.
    """

    config: TransformerConfig
    outputs: Mapping[str, Float[Tensor, "pos _"]]
    max_error: float
    n_checks: int


def block_outputs(model: Any, trace: Trace) -> BlockOutputs:
    """Compute every block's output from a trace and the model that made it.

    Args:
        model: An encoder–decoder of our own (:class:`..tracing.scratch.ScratchModel`).
        trace: Of source and target.

    Raises:
        InputError: If the model is none of our own encoder–decoders.
    """
    module: Transformer | None = getattr(model, "module", None)
    config = getattr(module, "config", None)
    sites = getattr(config, "sites", ())
    if module is None or config is None or "cross" not in sites or trace.target is None:
        raise InputError("The map is of our own encoder–decoder; this model is none.")
    walk = _Walk(module, trace)
    with torch.inference_mode():
        outputs = dict(walk.blocks())
    return BlockOutputs(config, outputs, walk.max_error, walk.n_checks)


class _Walk:
    """Goes through the model from the tokens to the probabilities, checking on the way."""

    def __init__(self, module: Transformer, trace: Trace) -> None:
        self._module: Any = module
        self._trace = trace
        self.max_error = 0.0
        self.n_checks = 0

    def blocks(self) -> Iterator[tuple[str, Tensor]]:
        """Every block with its output, in the order of the computation."""
        for side in SIDES:
            yield from self._embedded(side)
            for layer in range(self._trace.n_layers(side)):
                yield from self._layer(side, layer)
            yield f"{side}.norm", self._hidden(side)
        yield from self._head()

    def _embedded(self, side: str) -> Iterator[tuple[str, Tensor]]:
        module, trace = self._module, self._trace
        tokens = trace.source if side == "encoder" else trace.target
        assert tokens is not None  # noqa: S101 (checked by block_outputs)
        embedding = module.target_embedding
        positions = module.target_positions
        if side == "encoder":
            embedding = module.source_embedding or embedding
            positions = module.source_positions
        embed = embedding(torch.tensor([tokens.ids]))
        resid = positions(embed)
        yield f"{side}.embedding", embed[0]
        yield f"{side}.positions", positions(torch.zeros_like(embed))[0]
        yield f"{side}.input", self._checked(resid[0], trace.resid(side, layer=-1))

    def _layer(self, side: str, layer: int) -> Iterator[tuple[str, Tensor]]:
        part = getattr(self._module, side).layers[layer]
        resid = self._trace.resid(side, layer=layer - 1)
        sublayers = [("self", part.self_attention, part.self_attention_residual)]
        if side == "decoder":
            sublayers.append(("cross", part.cross_attention, part.cross_attention_residual))
        for name, attention, residual in sublayers:
            site = "cross" if name == "cross" else side
            # The heads' outputs lack only the bias that they share.
            attn_out = self._trace.head_output(site, layer=layer).sum(dim=0) + attention.w_o.bias
            parts = _sublayer(residual, resid, attn_out)
            yield from ((f"{side}.{layer}.{name}.{key}", value) for key, value in parts.items())
            resid = parts["out"]
        ff_out = part.feed_forward.w_out(self._trace.ff(side, layer=layer))
        parts = _sublayer(part.feed_forward_residual, resid, ff_out)
        self._checked(parts["out"], self._trace.resid(side, layer=layer))
        yield from ((f"{side}.{layer}.ff.{key}", value) for key, value in parts.items())

    def _hidden(self, side: str) -> Tensor:
        last = self._trace.resid(side, layer=self._trace.n_layers(side) - 1)
        hidden: Tensor = getattr(self._module, side).norm(last)
        return hidden

    def _head(self) -> Iterator[tuple[str, Tensor]]:
        logits = self._module.unembed(self._hidden("decoder")[None])[0]
        known = self._trace.logits
        yield "linear", logits if known is None else self._checked(logits, known)
        yield "softmax", logits.softmax(dim=-1)

    def _checked(self, own: Tensor, known: Tensor) -> Tensor:
        """Compare with the trace, and return the trace's."""
        self.max_error = max(self.max_error, float((own - known).abs().max()))
        self.n_checks += 1
        return known


def _sublayer(residual: Any, resid: Tensor, written: Tensor) -> dict[str, Tensor]:
    """A sub-layer's tensors, in the order in which its norm says that they come.

    Returns:
        ``norm``, ``block`` (what is written), ``add`` (the sum), and ``out``, the residual stream
        after it: with pre-norm the sum, with post-norm its norm.
    """
    joined: Tensor = residual(resid[None], lambda _: written[None])[0]
    if residual.is_pre_norm:
        return {"norm": residual.norm(resid), "block": written, "add": joined, "out": joined}
    return {"block": written, "add": resid + written, "norm": joined, "out": joined}
