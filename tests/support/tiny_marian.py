"""A tiny random Marian model: the Hugging Face twin of our own Transformer in proofs."""

from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel

from tests.support.weights import ids, randomise


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
        model.final_logits_bias.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return model


@torch.no_grad()
def lively_marian() -> MarianMTModel:
    """A Marian model that writes varied texts of varied lengths.

    Random weights alone repeat one token for ever: attention averages, so the last layer's output
    hardly changes. Here attention writes less, and what all positions have in common is taken
    out of the logits.
    """
    model = tiny_marian(share_encoder_decoder_embeddings=False, tie_word_embeddings=False)
    for layer in model.model.decoder.layers:
        for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj):
            part.weight.mul_(0.3)
            part.bias.mul_(0.3)
    src, tgt = ids(60, 10, vocab_size=60), ids(60, 20, seed=1, vocab_size=60)
    logits = model(input_ids=src, decoder_input_ids=tgt).logits
    model.final_logits_bias -= logits.mean(dim=(0, 1))
    model.final_logits_bias[0, model.config.eos_token_id] += 0.6
    model.generation_config.bad_words_ids = [[model.config.pad_token_id]]
    return model
