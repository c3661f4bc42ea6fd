"""Weights of other implementations, put into our own Transformer."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.config import TransformerConfig
from transformer_core.errors import ConfigError
from transformer_core.model.transformer import Transformer

_ATTENTIONS = {"self_attn": "self_attention", "encoder_attn": "cross_attention"}
_NORMS = {
    "self_attn_layer_norm": "self_attention_residual",
    "encoder_attn_layer_norm": "cross_attention_residual",
    "final_layer_norm": "feed_forward_residual",
}
_MATRICES = {"fc1": "w_in", "fc2": "w_out"}


def marian_config(values: Mapping[str, Any]) -> TransformerConfig:
    """The shape of a Marian model (Junczys-Dowmunt et al. 2018; OPUS-MT) as ours.

    Marian is the paper's post-norm Transformer. Its sinusoidal table has all sines before all
    cosines, where the paper alternates them, so it is carried over as a table of learned positions.

    Args:
        values: Its ``config.json``.

    Raises:
        ConfigError: If it uses something that our Transformer has not.
    """
    same = {
        "heads": ("encoder_attention_heads", "decoder_attention_heads"),
        "feed-forward widths": ("encoder_ffn_dim", "decoder_ffn_dim"),
        "vocabularies": ("vocab_size", "decoder_vocab_size"),
    }
    for what, (encoder, decoder) in same.items():
        if values.get(decoder) not in (None, values[encoder]):
            raise ConfigError(
                f"Encoder and decoder have different {what} ({values[encoder]} and "
                f"{values[decoder]}); our Transformer has the same in both."
            )
    activation = {"swish": "swish", "silu": "swish", "gelu": "gelu", "relu": "relu"}.get(
        values["activation_function"]
    )
    if activation is None:
        raise ConfigError(
            f"The activation {values['activation_function']!r} is not one of swish, gelu and relu."
        )
    return TransformerConfig(
        vocab_size=values["vocab_size"],
        d_model=values["d_model"],
        n_heads=values["encoder_attention_heads"],
        d_ff=values["encoder_ffn_dim"],
        n_encoder_layers=values["encoder_layers"],
        n_decoder_layers=values["decoder_layers"],
        n_ctx=values["max_position_embeddings"],
        dropout=values.get("dropout", 0.1),
        norm="post",
        positions="learned",
        activation=activation,  # type: ignore[arg-type]
        shares_embeddings=values.get("share_encoder_decoder_embeddings", True),
        is_tied=values.get("tie_word_embeddings", True),
        scales_embeddings=values["scale_embedding"],
        has_output_bias=True,
        pad_id=values["pad_token_id"],
        bos_id=values["decoder_start_token_id"],
        eos_id=values["eos_token_id"],
    )


def from_marian(values: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Transformer:
    """Our Transformer with the weights of a Marian model.

    Args:
        values: Its ``config.json``.
        weights: Its state dict, as ``model.safetensors`` holds it.

    Raises:
        ConfigError: If it uses something that our Transformer has not, or a weight is missing.
    """
    config = marian_config(values)
    model = Transformer(config)
    state = dict(_embeddings(config, weights))
    for stack in ("encoder", "decoder"):
        for layer in range(getattr(config, f"n_{stack}_layers")):
            prefix = f"{stack}.layers.{layer}."
            state |= _layer(prefix, weights, has_cross=stack == "decoder")
    model.load_state_dict(state)
    return model.eval()


def marian_positions(n_pos: int, d_model: int) -> Float[Tensor, "pos d_model"]:
    """Marian's sinusoidal table: the paper's waves, all sines before all cosines."""
    pos = torch.arange(n_pos, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angles = pos / 10_000.0 ** (even / d_model)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def _embeddings(config: TransformerConfig, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    table = marian_positions(config.n_ctx, config.d_model)
    state = {
        "source_positions.weight": table,
        "target_positions.weight": table,
        "unembedding.bias": _weight(weights, "final_logits_bias").reshape(-1),
    }
    if not config.is_tied:
        state["unembedding.weight"] = _weight(weights, "lm_head.weight")
    if config.shares_embeddings:
        return state | {"target_embedding.weight": _weight(weights, "model.shared.weight")}
    return state | {
        "source_embedding.weight": _weight(weights, "model.encoder.embed_tokens.weight"),
        "target_embedding.weight": _weight(weights, "model.decoder.embed_tokens.weight"),
    }


def _layer(prefix: str, weights: Mapping[str, Tensor], *, has_cross: bool) -> dict[str, Tensor]:
    state = {}
    for kind in ("weight", "bias"):
        for theirs, ours in _ATTENTIONS.items():
            if theirs == "encoder_attn" and not has_cross:
                continue
            q, k, v, out = (
                _weight(weights, f"model.{prefix}{theirs}.{name}_proj.{kind}")
                for name in ("q", "k", "v", "out")
            )
            state[f"{prefix}{ours}.w_q.{kind}"] = q
            state[f"{prefix}{ours}.w_kv.{kind}"] = torch.cat([k, v])
            state[f"{prefix}{ours}.w_o.{kind}"] = out
        for theirs, ours in _NORMS.items():
            if theirs == "encoder_attn_layer_norm" and not has_cross:
                continue
            name = f"model.{prefix}{theirs}.{kind}"
            state[f"{prefix}{ours}.norm.{kind}"] = _weight(weights, name)
        for theirs, ours in _MATRICES.items():
            name = f"model.{prefix}{theirs}.{kind}"
            state[f"{prefix}feed_forward.{ours}.{kind}"] = _weight(weights, name)
    return state


def _weight(weights: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in weights:
        raise ConfigError(f"The weights have no {name}: this is no Marian model.")
    return weights[name]
