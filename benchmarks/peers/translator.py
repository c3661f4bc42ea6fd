"""The built-in translator's weights as CTranslate2 reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from transformer_core.model import Transformer


def convert(model: Transformer, folder: Path) -> None:
    """Write a pre-norm model with sinusoidal positions and one tied vocabulary.

    Tokens are called by their ids, so that both sides read and write the very same numbers.
    """
    config = model.config
    assert (config.norm, config.positions, config.activation) == ("pre", "sinusoidal", "relu")
    assert all((config.is_tied, config.shares_embeddings, config.scales_embeddings))
    spec = transformer_spec.TransformerSpec.from_config(
        (config.n_encoder_layers, config.n_decoder_layers),
        config.n_heads,
        pre_norm=True,
        activation=common_spec.Activation.RELU,
    )
    _stack(spec.encoder, model.encoder, model)
    _stack(spec.decoder, model.decoder, model)
    spec.decoder.projection.weight = _array(model.target_embedding.weight)
    for name in ("bos", "decoder_start"):
        setattr(spec.config, f"{name}_token", str(config.bos_id))
    spec.config.eos_token, spec.config.unk_token = str(config.eos_id), str(config.pad_id)
    names = [str(index) for index in range(config.vocab_size)]
    spec.register_source_vocabulary(names)
    spec.register_target_vocabulary(names)
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def _stack(spec: Any, stack: Any, model: Transformer) -> None:
    embeddings = spec.embeddings[0] if isinstance(spec.embeddings, list) else spec.embeddings
    embeddings.weight = _array(model.target_embedding.weight)
    embeddings.multiply_by_sqrt_depth = spec.scale_embeddings = True
    positions: Any = model.target_positions
    spec.position_encodings.encodings = positions.encoding.numpy()
    _norm(spec.layer_norm, stack.norm)
    for there, here in zip(spec.layer, stack.layers, strict=True):
        own, read = here.self_attention, getattr(here, "cross_attention", None)
        _norm(there.self_attention.layer_norm, here.self_attention_residual.norm)
        _linear(there.self_attention.linear[0], own.w_q, own.w_kv)
        _linear(there.self_attention.linear[1], own.w_o)
        if read is not None:
            _norm(there.attention.layer_norm, here.cross_attention_residual.norm)
            for matrix, part in zip(
                there.attention.linear, (read.w_q, read.w_kv, read.w_o), strict=True
            ):
                _linear(matrix, part)
        _norm(there.ffn.layer_norm, here.feed_forward_residual.norm)
        _linear(there.ffn.linear_0, here.feed_forward.w_in)
        _linear(there.ffn.linear_1, here.feed_forward.w_out)


def _norm(spec: Any, norm: Any) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _linear(spec: Any, *parts: Any) -> None:
    spec.weight = np.concatenate([_array(part.weight) for part in parts])
    spec.bias = np.concatenate([_array(part.bias) for part in parts])


def _array(tensor: Any) -> Any:
    return np.ascontiguousarray(tensor.detach().numpy())
