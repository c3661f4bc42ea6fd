"""Our Transformer with a Marian model's weights against that model."""

import pytest
import torch

from tests.support.tiny_marian import tiny_marian
from tests.support.weights import ids, padded
from transformer_core.errors import ConfigError
from transformer_core.model.convert import from_marian, marian_config


@pytest.mark.parametrize("activation", ["swish", "gelu", "relu"])
@pytest.mark.parametrize("scale_embedding", [False, True])
def test_logits_are_marians(activation: str, scale_embedding: bool) -> None:
    theirs = tiny_marian(activation_function=activation, scale_embedding=scale_embedding)
    ours = from_marian(theirs.config.to_dict(), theirs.state_dict())
    src, tgt, src_mask, tgt_mask = ids(3, 9), ids(3, 7, seed=1), padded(3, 9), padded(3, 7)
    with torch.no_grad():
        expected = theirs(
            input_ids=src,
            attention_mask=src_mask.long(),
            decoder_input_ids=tgt,
            decoder_attention_mask=tgt_mask.long(),
        ).logits
        found = ours(src, tgt, src_mask=src_mask, tgt_mask=tgt_mask)
    assert (found - expected)[tgt_mask].abs().max() <= 1e-4


@pytest.mark.parametrize("tied", [False, True])
def test_separate_embeddings_are_converted(tied: bool) -> None:
    theirs = tiny_marian(share_encoder_decoder_embeddings=False, tie_word_embeddings=tied)
    ours = from_marian(theirs.config.to_dict(), theirs.state_dict())
    src, tgt = ids(2, 9), ids(2, 7, seed=1)
    with torch.no_grad():
        expected = theirs(input_ids=src, decoder_input_ids=tgt).logits
        found = ours(src, tgt, src_mask=None)
    assert (found - expected).abs().max() <= 1e-4


def test_special_ids_are_marians() -> None:
    config = marian_config(tiny_marian().config.to_dict())
    assert (config.pad_id, config.bos_id, config.eos_id) == (60, 60, 0)


def test_what_our_transformer_has_not_is_refused() -> None:
    values = tiny_marian().config.to_dict()
    with pytest.raises(ConfigError, match=r"different heads \(4 and 8\)"):
        marian_config(values | {"decoder_attention_heads": 8})
    with pytest.raises(ConfigError, match="'tanh'"):
        marian_config(values | {"activation_function": "tanh"})
    with pytest.raises(ConfigError, match=r"no final_logits_bias"):
        from_marian(values, {})
