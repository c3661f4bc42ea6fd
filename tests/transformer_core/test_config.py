"""The configuration of our own Transformer."""

import json
from dataclasses import FrozenInstanceError

import pytest

from transformer_core.config import TransformerConfig
from transformer_core.errors import ConfigError


def test_it_survives_a_json_file() -> None:
    config = TransformerConfig(vocab_size=100, norm="post", has_final_norm=True, dropout=0.0)
    read = TransformerConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert read == config


def test_defaults_follow_each_other() -> None:
    assert TransformerConfig(vocab_size=9).has_final_norm is True
    assert TransformerConfig(vocab_size=9, norm="post").has_final_norm is False
    assert TransformerConfig(vocab_size=9).d_head == 32


def test_sites_follow_the_layers() -> None:
    assert TransformerConfig(vocab_size=9).sites == ("encoder", "decoder", "cross")
    assert TransformerConfig(vocab_size=9, n_encoder_layers=0).sites == ("decoder",)
    assert TransformerConfig(vocab_size=9, n_decoder_layers=0).sites == ("encoder",)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        TransformerConfig(vocab_size=9).d_model = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; it must be an integer of at least 1"),
        ({"n_heads": 2.0}, "n_heads is 2.0"),
        ({"d_ff": True}, "d_ff is True"),
        ({"n_encoder_layers": -1}, "n_encoder_layers is -1; it must be an integer of at least 0"),
        ({"n_encoder_layers": 0, "n_decoder_layers": 0}, "both 0"),
        ({"d_model": 30}, "30 cannot be divided among 8 heads"),
        ({"d_model": 33, "n_heads": 3}, "d_model is 33; .* must be even"),
        ({"d_model": 24, "positions": "rotary"}, "d_head is 3 "),
        ({"dropout": 1.0}, r"dropout is 1.0; it must be at least 0 and below 1"),
        ({"layer_norm_eps": 0.0}, "layer_norm_eps is 0.0"),
        ({"norm": "middle"}, "norm is 'middle'; it must be one of pre, post"),
        ({"positions": "absolute"}, "must be one of sinusoidal, learned, rotary, alibi, none"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"eos_id": 10}, "eos_id is 10; ids run from 0 to 9"),
        ({"pad_id": -1}, "pad_id is -1"),
        ({"n_layers": 3}, "Unknown field n_layers"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformerConfig.from_dict({"vocab_size": 10} | changes)


def test_a_vocabulary_is_needed() -> None:
    with pytest.raises(ConfigError, match="vocab_size is missing"):
        TransformerConfig.from_dict({"d_model": 8})
