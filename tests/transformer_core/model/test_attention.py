"""Multi-head attention against torch's, and its masks."""

import pytest
import torch
from torch import nn

from tests.support.weights import copy_attention, noise, padded, randomise, tiny_config
from transformer_core.errors import MaskError
from transformer_core.model.attention import CrossAttention, DotProductAttention, SelfAttention
from transformer_core.model.cache import GrowingKeyValues
from transformer_core.model.masks import both, causal_mask, padding_mask

CONFIG = tiny_config(positions="none")


def torch_attention(ours: SelfAttention | CrossAttention) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(CONFIG.d_model, CONFIG.n_heads, batch_first=True).eval()
    copy_attention(ours, theirs)
    return theirs


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("is_padded", [False, True])
def test_self_attention_is_torchs(is_causal: bool, is_padded: bool) -> None:
    ours = SelfAttention(CONFIG)
    randomise(ours)
    x, is_real = noise(3, 7, CONFIG.d_model), padded(3, 7) if is_padded else None
    expected, _ = torch_attention(ours)(
        x,
        x,
        x,
        key_padding_mask=None if is_real is None else ~is_real,
        attn_mask=~causal_mask(7) if is_causal else None,
        need_weights=True,  # torch's slow path: the arithmetic written out
    )
    found = ours(x, mask=padding_mask(is_real), is_causal=is_causal)
    assert (found - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("is_padded", [False, True])
def test_cross_attention_is_torchs(is_padded: bool) -> None:
    ours = CrossAttention(CONFIG)
    randomise(ours)
    x, memory = noise(3, 5, CONFIG.d_model), noise(3, 7, CONFIG.d_model, seed=1)
    is_real = padded(3, 7) if is_padded else None
    hidden = None if is_real is None else ~is_real
    expected, _ = torch_attention(ours)(x, memory, memory, key_padding_mask=hidden)
    found = ours(x, memory, mask=padding_mask(is_real))
    assert (found - expected).abs().max() <= 1e-5


def test_a_single_head_is_softmax_of_scaled_products_times_values() -> None:
    q, k, v = (noise(1, 1, 4, 8, seed=seed) for seed in range(3))
    expected = ((q @ k.mT) / 8**0.5).softmax(dim=-1) @ v
    assert (DotProductAttention()(q, k, v) - expected).abs().max() <= 1e-6


def test_a_bias_is_added_before_softmax_whatever_the_mask() -> None:
    q, k, v = (noise(2, 4, 5, 8, seed=seed) for seed in range(3))
    bias, mask = noise(4, 5, 5, seed=3), padded(2, 5)[:, None, None, :]
    scores = q @ k.mT / 8**0.5 + bias
    for chosen, is_causal, visible in [
        (None, False, None),
        (mask, False, mask),
        (None, True, causal_mask(5)),
    ]:
        seen = scores if visible is None else scores.masked_fill(~visible, -torch.inf)
        found = DotProductAttention()(q, k, v, mask=chosen, is_causal=is_causal, bias=bias)
        assert (found - seen.softmax(dim=-1) @ v).abs().max() <= 1e-5


def test_new_positions_read_the_cached_ones_but_not_each_others_future() -> None:
    ours = SelfAttention(CONFIG)
    randomise(ours)
    x = noise(2, 9, CONFIG.d_model)
    whole = ours(x, is_causal=True)
    cache = GrowingKeyValues()
    parts = [ours(x[:, a:b], is_causal=True, cache=cache) for a, b in [(0, 4), (4, 7), (7, 8)]]
    parts.append(ours(x[:, 8:], is_causal=True, cache=cache))
    assert cache.n_pos == 9
    assert (torch.cat(parts, dim=1) - whole).abs().max() <= 1e-5


def test_a_mask_is_left_out_where_there_is_no_padding() -> None:
    assert padding_mask(None) is None
    assert padding_mask(torch.ones(2, 3, dtype=torch.bool)) is None
    mask = padding_mask(padded(2, 3))
    assert mask is not None
    assert mask.shape == (2, 1, 1, 3)
    assert mask[1, 0, 0].tolist() == [True, True, False]


def test_a_row_of_nothing_but_padding_is_refused() -> None:
    is_real = torch.tensor([[True, True], [False, False]])
    with pytest.raises(MaskError, match="Row 1"):
        padding_mask(is_real)


def test_the_last_query_stands_where_the_last_key_does() -> None:
    assert causal_mask(2).tolist() == [[True, False], [True, True]]
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True, True, True, True]]


def test_two_masks_let_through_what_both_do() -> None:
    left, right = torch.tensor([True, True, False]), torch.tensor([True, False, True])
    assert both(left, right) is not None
    assert both(left, right).tolist() == [True, False, False]  # type: ignore[union-attr]
    assert both(left, None) is left
    assert both(None, right) is right
    assert both(None, None) is None
