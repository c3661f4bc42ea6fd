"""The map of the Transformer (Vaswani et al. 2017, figure 1), drawn as the loaded model is.

Every block carries the numbers of one sentence: its shape, and the length of each token's vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.architecture_words import Block, words_of
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import quantise

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.analysis.architecture import BlockOutputs
    from transformer_core.tracing.trace import Trace

TOLERANCE = 1e-5
"""Largest |Δ| as a share of the largest number compared; float32 sums come in another order."""

_DIGITS = 4


def architecture(
    trace: Trace, found: BlockOutputs, *, decoder_layer: int = 0, predicted: tuple[str, ...]
) -> Payload:
    """What does each part of the Transformer do with this sentence?

    Options: ``shape`` (of the model), ``blocks`` (words and numbers of each), ``layers`` (those
    shown at first), ``predicted`` (the likeliest next token of each target position), ``written``
    (the translation), and what :func:`with_links` sets. The trigger ``open`` brings a block and its
    layer.

    Args:
        trace: Of source and translation.
        found: What every block gives out.
        decoder_layer: The decoder's layer shown at first.
        predicted: The token that softmax finds likeliest at each target position.
    """
    config = found.config
    words = words_of(config)
    arrays = {site: _patterns(trace, site) for site in ("encoder", "decoder", "cross")}
    blocks = {name: _block(name, block, trace, found) for name, block in words.items()}
    options = {
        "shape": {
            "encoder": config.n_encoder_layers,
            "decoder": config.n_decoder_layers,
            "heads": config.n_heads,
            "norm": config.norm,
        },
        "blocks": blocks,
        "layers": {"encoder": 0, "decoder": decoder_layer},
        "predicted": list(predicted),
        "written": trace.target_text,
        "opens": {},
        "highlight": None,
    }
    picture = _picture(trace, found)
    return make_payload("architecture", picture, options, arrays, unit="length")


def with_links(payload: Payload, opens: Mapping[str, str], highlight: str | None = None) -> Payload:
    """Say which page each block opens, and which block the guided tour is at.

    Args:
        payload: What :func:`architecture` made.
        opens: Titles of pages, by block.
        highlight: A block.
    """
    known = payload.header["options"]["blocks"]
    options = {
        **payload.header["options"],
        "opens": dict(opens),
        "highlight": highlight if highlight in known else None,
    }
    return replace(payload, header={**payload.header, "options": options})


def _picture(trace: Trace, found: BlockOutputs) -> Picture:
    config, target = found.config, trace.target
    assert target is not None  # noqa: S101 (block_outputs refuses a trace without)
    largest = max(float(value.abs().max()) for value in found.outputs.values())
    counts = f"{config.n_encoder_layers} encoder and {config.n_decoder_layers} decoder layers"
    return Picture(
        title="What does each part of the Transformer do with this sentence?",
        subtitle=(
            f"{trace.model_name}: {counts}, {config.norm}-norm, with the numbers of this sentence."
        ),
        hint="Point at a block to read what it does; a click opens it.",
        queries=TokenStrip.of(target),
        keys=TokenStrip.of(trace.source),
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        badge=Badge(
            f"blocks add up to the trace · max |Δ| {found.max_error:.1e}",
            found.max_error <= TOLERANCE * largest,
            (
                f"{found.n_checks} tensors computed block by block (inputs, the residual stream "
                "after every layer, logits) were compared with those of the model's own pass.",
                f"The largest number among them is {largest:.3g}.",
            ),
        ),
        notes=(
            "Small maps: the attention pattern of the layer shown, averaged over its "
            f"{config.n_heads} heads.",
        ),
        caption=(
            f"The encoder–decoder Transformer with {counts}, and the size of what each block gives "
            f"out for {len(trace.source)} source and {len(target)} target tokens."
        ),
    )


def _patterns(trace: Trace, site: str) -> Any:
    """Every layer's pattern, averaged over its heads [layer query_pos key_pos]."""
    layers = [trace.pattern(site, layer=i).mean(dim=0) for i in range(trace.n_layers(site))]
    return quantise(np.stack([layer.numpy() for layer in layers]), fine=False)


def _block(name: str, block: Block, trace: Trace, found: BlockOutputs) -> dict[str, Any]:
    """A block's words, and its numbers for each layer that it stands in."""
    side = "encoder" if name.startswith("encoder") else "decoder"
    if name.endswith(".tokens"):
        tokens = trace.source if side == "encoder" else trace.target
        assert tokens is not None  # noqa: S101
        numbers = [{"shape": [len(tokens)], "values": list(tokens.ids)}]
    else:
        numbers = [_numbers(name, found.outputs[key]) for key in keys_of(name, found)]
    return {**asdict(block), "side": side, "layers": numbers}


def keys_of(name: str, found: BlockOutputs) -> list[str]:
    """The tensors that a block stands for: one, or one for each layer of its stack."""
    side, _, rest = name.partition(".")
    if "." not in rest:
        return [name]
    n_layers = found.config.n_encoder_layers if side == "encoder" else found.config.n_decoder_layers
    return [f"{side}.{layer}.{rest}" for layer in range(n_layers)]


def _numbers(name: str, tensor: Tensor) -> dict[str, Any]:
    """Shape and one number for each position: a length, or what scores are about."""
    values = tensor.amax(dim=-1) if name in ("linear", "softmax") else tensor.norm(dim=-1)
    numbers = [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]
    return {"shape": list(tensor.shape), "values": numbers}
