"""The tutorials' functions against torch, the formulas, and hand-worked examples."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention as torch_attention

import transformer_core as tc
from tests.support.weights import noise
from transformer_core import functional
from transformer_core.errors import ConfigError, InputError, MaskError
from transformer_core.functional import (
    Projections,
    multi_head_attention,
    scaled_dot_product_attention,
    sinusoidal_encoding,
    top_k_sparse_attention,
    tutorial_encoding,
)

BAD_PAIRS = [
    ((10, 64), (20, 32), (20, 64), "Queries are 64 wide and keys 32"),
    ((10, 64), (20, 64), (19, 64), "20 keys and 19 values"),
    ((10, 64), (0, 64), (0, 64), "nothing to attend to"),
    ((3, 10, 64), (2, 20, 64), (2, 20, 64), "do not fit together"),
    ((2, 10, 64), (2, 20, 64), (3, 20, 64), "do not fit together"),
]


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_attention_is_torchs(lead: tuple[int, ...]) -> None:
    q, k, v = noise(*lead, 5, 8), noise(*lead, 7, 8, seed=1), noise(*lead, 7, 6, seed=2)
    mask = torch.ones(5, 7, dtype=torch.bool).tril(2)
    for chosen in (None, mask):
        output, pattern = scaled_dot_product_attention(q, k, v, mask=chosen)
        assert (output - torch_attention(q, k, v, attn_mask=chosen)).abs().max() <= 1e-6
        assert pattern.shape == (*lead, 5, 7)
        assert (pattern.sum(-1) - 1).abs().max() <= 1e-6
        assert chosen is None or (pattern[..., ~chosen] == 0).all()


def test_attention_by_hand() -> None:
    # d_head = 4: scores (2, 0) / √4 = (1, 0), weights e/(e+1) and 1/(e+1).
    q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    k = torch.tensor([[1.0, 5.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
    v = torch.tensor([[1.0, 0.0], [0.0, 10.0]])
    output, pattern = scaled_dot_product_attention(q, k, v)
    first = math.e / (math.e + 1)
    assert pattern[0].tolist() == pytest.approx([first, 1 - first])
    assert output[0].tolist() == pytest.approx([first, 10 * (1 - first)])


@pytest.mark.parametrize("function", [scaled_dot_product_attention, top_k_sparse_attention])
@pytest.mark.parametrize(("q", "k", "v", "message"), BAD_PAIRS)
def test_shapes_that_do_not_fit_are_refused(function, q, k, v, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        function(torch.ones(q), torch.ones(k), torch.ones(v))


def test_a_vector_without_positions_is_refused() -> None:
    vector, k = torch.ones(64), torch.ones(20, 64)
    with pytest.raises(InputError, match="need a position axis"):
        # Under test the annotation of the public function refuses it before.
        functional._attn_scores(vector, k, k, None)


def test_a_mask_that_does_not_fit_or_hides_all_is_refused() -> None:
    q, k = noise(3, 4), noise(5, 4)
    with pytest.raises(MaskError, match=r"shape \(5, 3\); the scores \(3, 5\)"):
        scaled_dot_product_attention(q, k, k, mask=torch.ones(5, 3, dtype=torch.bool))
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    with pytest.raises(MaskError, match="Query position 1 may look at no key"):
        scaled_dot_product_attention(q, k, k, mask=mask)


@pytest.mark.parametrize("lead", [(), (3,)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_multi_head_attention_is_torchs(lead: tuple[int, ...], is_causal: bool) -> None:
    x = noise(*lead, 6, 32)
    theirs = nn.MultiheadAttention(32, 4, bias=False, batch_first=True).eval()
    w_q, w_k, w_v = theirs.in_proj_weight.detach().chunk(3)
    projections = Projections(w_q.T, w_k.T, w_v.T, theirs.out_proj.weight.detach().T)
    mask = torch.ones(6, 6, dtype=torch.bool).tril() if is_causal else None
    expected, maps = theirs(
        x, x, x, attn_mask=None if mask is None else ~mask, average_attn_weights=False
    )
    found = multi_head_attention(x, x, x, 4, projections=projections, mask=mask)
    assert (found.output - expected).abs().max() <= 1e-5
    assert (found.pattern - maps).abs().max() <= 1e-6


def test_each_item_of_a_batch_may_have_its_own_mask() -> None:
    x = noise(2, 3, 8)
    mask = torch.ones(2, 3, 3, dtype=torch.bool)
    mask[1, :, 2] = False
    pattern = multi_head_attention(x, x, x, 2, mask=mask).pattern
    assert pattern.shape == (2, 2, 3, 3)
    assert (pattern[0] > 0).all()
    assert (pattern[1, :, :, 2] == 0).all()


def test_without_projections_each_head_sees_its_slice() -> None:
    q, k, v = noise(5, 8), noise(7, 8, seed=1), noise(7, 8, seed=2)
    found = multi_head_attention(q, k, v, 2)
    for head, part in enumerate((slice(0, 4), slice(4, 8))):
        alone = scaled_dot_product_attention(q[:, part], k[:, part], v[:, part])
        assert torch.allclose(found.output[:, part], alone.output, atol=1e-6)
        assert torch.allclose(found.pattern[head], alone.pattern, atol=1e-6)


def test_heads_and_projections_that_do_not_fit_are_refused() -> None:
    x = noise(5, 8)
    for n_heads in (0, 3):
        with pytest.raises(ConfigError, match=f"8 cannot be divided among {n_heads} heads"):
            multi_head_attention(x, x, x, n_heads)
    with pytest.raises(InputError, match="heads need all three equally wide"):
        multi_head_attention(x, x, noise(5, 6), 2)
    square, wide = noise(8, 8), noise(8, 6)
    with pytest.raises(InputError, match=r"w_v has shape \(8, 6\)"):
        multi_head_attention(x, x, x, 2, projections=Projections(square, square, wide, square))
    with pytest.raises(InputError, match="Keys are 6 wide"):
        multi_head_attention(x, noise(5, 6), x, 2, projections=Projections(*[square] * 4))


def test_sparse_attention_has_the_tutorials_shapes() -> None:
    q, k, v = noise(10, 64), noise(20, 64, seed=1), noise(20, 64, seed=2)
    output, pattern = tc.functional.top_k_sparse_attention(q, k, v, sparsity=0.5)
    assert output.shape == (10, 64)
    assert (pattern > 0).sum(dim=-1).tolist() == [10] * 10
    assert (pattern.sum(-1) - 1).abs().max() <= 1e-6


def test_sparse_attention_keeps_the_best_keys_and_drops_the_rest_before_softmax() -> None:
    q, k, v = noise(10, 64), noise(20, 64, seed=1), noise(20, 64, seed=2)
    scores = q @ k.T / 8
    output, pattern = top_k_sparse_attention(q, k, v, 0.5)
    for row in range(10):
        best = scores[row].sort(descending=True).indices[:10]
        weights = scores[row, best].softmax(dim=-1)  # over the kept ones alone
        assert set(pattern[row].nonzero().flatten().tolist()) == set(best.tolist())
        assert torch.allclose(pattern[row, best], weights, atol=1e-6)
        assert torch.allclose(output[row], weights @ v[best], atol=1e-5)


@pytest.mark.parametrize(
    ("n_key", "sparsity", "kept"),
    [(20, 0.0, 20), (20, 0.9, 2), (10, 0.7, 3), (7, 0.5, 3), (3, 0.9, 1), (5, 1.0, 1)],
)
def test_the_number_of_kept_keys(n_key: int, sparsity: float, kept: int) -> None:
    q, k = noise(4, 8), noise(n_key, 8, seed=1)
    pattern = top_k_sparse_attention(q, k, k, sparsity).pattern
    assert (pattern > 0).sum(dim=-1).tolist() == [kept] * 4


def test_sparsity_counts_the_keys_that_a_query_may_see() -> None:
    q, k = noise(6, 8), noise(6, 8, seed=1)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    pattern = top_k_sparse_attention(q, k, k, 0.5, mask=mask).pattern
    assert (pattern > 0).sum(dim=-1).tolist() == [1, 1, 1, 2, 2, 3]
    assert (pattern[~mask] == 0).all()


def test_of_equal_scores_exactly_as_many_stay() -> None:
    same = torch.ones(4, 8)
    pattern = top_k_sparse_attention(same, same, same, 0.5).pattern
    assert pattern.tolist() == [[0.5, 0.5, 0.0, 0.0]] * 4


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, math.nan])
def test_a_sparsity_out_of_range_is_refused(sparsity: float) -> None:
    q = noise(2, 4)
    with pytest.raises(ConfigError, match="sparsity is"):
        top_k_sparse_attention(q, q, q, sparsity)


def test_encodings_by_hand() -> None:
    right, wrong = sinusoidal_encoding(10, 512), tutorial_encoding(10, 512)
    assert right.shape == wrong.shape == (10, 512)
    for pos in (0, 1, 9):
        for dim in (0, 1, 2, 3, 255, 256, 511):
            wave = math.sin if dim % 2 == 0 else math.cos
            paper = wave(pos / 10_000 ** (2 * (dim // 2) / 512))
            tutorial = wave(pos / 10_000 ** (2 * dim / 512))
            assert right[pos, dim].item() == pytest.approx(paper, abs=1e-6)
            assert wrong[pos, dim].item() == pytest.approx(tutorial, abs=1e-6)
    assert (right - wrong).abs().max() > 0.5


@pytest.mark.parametrize("function", [sinusoidal_encoding, tutorial_encoding])
def test_encodings_that_cannot_be_are_refused(function) -> None:  # type: ignore[no-untyped-def]
    for d_model in (-2, 0, 1, 7):
        with pytest.raises(ConfigError, match=f"d_model is {d_model}; .* even and at least 2"):
            function(10, d_model)
    for seq_length in (0, -1):
        with pytest.raises(InputError, match=f"seq_length is {seq_length}"):
            function(seq_length, 8)
    with pytest.raises(InputError, match="Ask for at most 262,144 positions"):
        function(10**9, 512)
