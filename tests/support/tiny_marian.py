"""A tiny random Marian model: the Hugging Face twin of our own Transformer in proofs."""

from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel

from tests.support.weights import randomise


def tiny_marian(**changes: Any) -> MarianMTModel:
    """A Marian model whose every weight matters; its positions stay the sinusoidal ones."""
    values: dict[str, Any] = {
        "vocab_size": 61,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 40,
        "activation_function": "swish",
        "scale_embedding": True,
        "pad_token_id": 60,
        "decoder_start_token_id": 60,
        "eos_token_id": 0,
        "forced_eos_token_id": None,
    }
    model = MarianMTModel(MarianConfig(**(values | changes))).eval()
    positions = [
        stack.embed_positions.weight.clone() for stack in (model.model.encoder, model.model.decoder)
    ]
    randomise(model)
    with torch.no_grad():
        for stack, table in zip((model.model.encoder, model.model.decoder), positions, strict=True):
            stack.embed_positions.weight.copy_(table)
        model.final_logits_bias.normal_()
    return model
