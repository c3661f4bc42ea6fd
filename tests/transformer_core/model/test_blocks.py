"""Encoder and decoder layers against torch's, with copied weights."""

import pytest
import torch
from torch import Tensor, nn

from tests.support.weights import (
    copy_decoder_layer,
    copy_encoder_layer,
    noise,
    padded,
    randomise,
    tiny_config,
)
from transformer_core.errors import InputError
from transformer_core.model.blocks import Decoder, DecoderLayer, EncoderLayer, Residual
from transformer_core.model.masks import causal_mask, padding_mask

NORMS = pytest.mark.parametrize("norm", ["pre", "post"])
ACTIVATIONS = pytest.mark.parametrize("activation", ["relu", "gelu"])


def torch_options(norm: str, activation: str) -> dict[str, object]:
    return {
        "d_model": 32,
        "nhead": 4,
        "dim_feedforward": 48,
        "activation": activation,
        "batch_first": True,
        "norm_first": norm == "pre",
    }


@NORMS
@ACTIVATIONS
def test_an_encoder_layer_is_torchs(norm: str, activation: str) -> None:
    ours = EncoderLayer(tiny_config(norm=norm, activation=activation, positions="none")).eval()
    randomise(ours)
    theirs = nn.TransformerEncoderLayer(**torch_options(norm, activation)).eval()  # type: ignore[arg-type]
    copy_encoder_layer(ours, theirs)
    x, is_real = noise(3, 7, 32), padded(3, 7)
    expected = theirs(x, src_key_padding_mask=~is_real)
    found = ours(x, mask=padding_mask(is_real))
    assert (found - expected)[is_real].abs().max() <= 1e-5


@NORMS
@ACTIVATIONS
def test_a_decoder_layer_is_torchs(norm: str, activation: str) -> None:
    ours = DecoderLayer(tiny_config(norm=norm, activation=activation, positions="none")).eval()
    randomise(ours)
    theirs = nn.TransformerDecoderLayer(**torch_options(norm, activation)).eval()  # type: ignore[arg-type]
    copy_decoder_layer(ours, theirs)
    x, memory = noise(3, 5, 32), noise(3, 7, 32, seed=1)
    x_is_real, memory_is_real = padded(3, 5), padded(3, 7)
    expected = theirs(
        x,
        memory,
        tgt_mask=~causal_mask(5),
        tgt_key_padding_mask=~x_is_real,
        memory_key_padding_mask=~memory_is_real,
    )
    found = ours(
        x, memory, self_mask=padding_mask(x_is_real), cross_mask=padding_mask(memory_is_real)
    )
    assert (found - expected)[x_is_real].abs().max() <= 1e-5


def seen(module: nn.Module, found: dict[str, Tensor], name: str) -> None:
    def note(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        found[f"{name}_in"], found[f"{name}_out"] = args[0], output

    module.register_forward_hook(note)


@NORMS
def test_the_residual_stream_is_the_sum_of_what_is_written(norm: str) -> None:
    layer = EncoderLayer(tiny_config(norm=norm)).eval()
    randomise(layer)
    found: dict[str, Tensor] = {}
    seen(layer.self_attention, found, "attn")
    seen(layer.feed_forward, found, "ff")
    seen(layer.self_attention_residual, found, "mid")
    seen(layer.feed_forward_residual, found, "post")
    resid_pre = noise(2, 5, 32)
    resid_post = layer(resid_pre)
    resid_mid = found["mid_out"]
    if norm == "pre":
        assert torch.equal(resid_mid, resid_pre + found["attn_out"])
        assert torch.equal(resid_post, resid_mid + found["ff_out"])
        assert torch.equal(found["attn_in"], layer.self_attention_residual.norm(resid_pre))
    else:
        after_attention = layer.self_attention_residual.norm(resid_pre + found["attn_out"])
        assert torch.equal(resid_mid, after_attention)
        assert torch.equal(
            resid_post, layer.feed_forward_residual.norm(resid_mid + found["ff_out"])
        )
        assert torch.equal(found["attn_in"], resid_pre)


def test_dropout_falls_on_what_a_sub_layer_writes_and_nothing_else() -> None:
    residual = Residual(tiny_config(dropout=0.5)).train()
    x = noise(4, 5, 32)
    torch.manual_seed(0)
    written = residual(x, torch.ones_like) - x
    assert set(written.round(decimals=4).unique().tolist()) == {0.0, 2.0}


def test_a_memory_that_cannot_be_read_or_is_missing_is_refused() -> None:
    with pytest.raises(InputError, match="encode a source first"):
        Decoder(tiny_config())(noise(1, 2, 32), None)
    with pytest.raises(InputError, match="decoder-only"):
        Decoder(tiny_config(n_encoder_layers=0))(noise(1, 2, 32), noise(1, 2, 32))
