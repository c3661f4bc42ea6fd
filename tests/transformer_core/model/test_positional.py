"""Positions against the paper's formula and Hugging Face's Llama and Bloom."""

import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from tests.support.weights import noise
from transformer_core.model.positional import (
    AlibiPositions,
    RotaryPositions,
    alibi_slopes,
    sinusoidal_encoding,
)


def test_sinusoidal_positions_are_the_papers_formula() -> None:
    expected = np.zeros((2048, 512))
    pos = np.arange(2048, dtype=np.float64)
    for i in range(256):
        angle = pos / 10_000 ** (2 * i / 512)
        expected[:, 2 * i], expected[:, 2 * i + 1] = np.sin(angle), np.cos(angle)
    found = sinusoidal_encoding(2048, 512)
    assert found.shape == (2048, 512)
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() <= 1e-6


def test_sinusoidal_positions_by_hand() -> None:
    found = sinusoidal_encoding(2, 4)
    assert found[0].tolist() == [0, 1, 0, 1]
    by_hand = [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]
    assert found[1].tolist() == pytest.approx(by_hand, abs=1e-7)


@pytest.mark.parametrize("start", [0, 11])
def test_rotary_positions_are_llamas(start: int) -> None:
    d_head, n_pos = 16, 25
    config = LlamaConfig(hidden_size=4 * d_head, num_attention_heads=4, head_dim=d_head)
    q, k = noise(2, 4, n_pos, d_head), noise(2, 4, n_pos, d_head, seed=1)
    pos = torch.arange(start, start + n_pos)[None]
    cos, sin = LlamaRotaryEmbedding(config)(q, pos)
    expected = apply_rotary_pos_emb(q, k, cos, sin)
    rotary = RotaryPositions(d_head)
    for heads, turned in zip((q, k), expected, strict=True):
        assert (rotary(heads, start=start) - turned).abs().max() <= 1e-6


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    rotary = RotaryPositions(16)
    q, k = noise(1, 1, 8, 16), noise(1, 1, 8, 16, seed=1)
    here = rotary(q) @ rotary(k).mT
    shifted = rotary(q, start=100) @ rotary(k, start=100).mT
    assert (here - shifted).abs().max() <= 1e-4


@pytest.mark.parametrize("n_heads", [1, 4, 8, 12])
def test_alibi_is_blooms(n_heads: int) -> None:
    n_pos = 20
    bloom = build_alibi_tensor(torch.ones(1, n_pos), n_heads, torch.float32)  # slope × key
    bias = AlibiPositions(n_heads)(n_pos, n_pos)
    # Bloom leaves out what is the same along a row (slope × query): softmax does not see it.
    query_part = alibi_slopes(n_heads)[:, None, None] * torch.arange(n_pos)[None, :, None]
    difference = (bias + query_part - bloom).tril()
    assert difference.abs().max() <= 1e-6


def test_alibi_looks_both_ways_and_knows_cached_keys() -> None:
    alibi = AlibiPositions(8)
    assert torch.equal(alibi(6, 6), alibi(6, 6).mT)
    assert torch.equal(alibi(2, 6), alibi(6, 6)[:, 4:])
    assert alibi(6, 6)[0, 5, 2] == -0.5 * 3
