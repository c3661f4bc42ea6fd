"""Position encodings against the papers' formulas and other people's implementations."""

import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from transformer_core.analysis import positions
from transformer_core.errors import ConfigError, InputError
from transformer_core.functional import sinusoidal_encoding, tutorial_encoding
from transformer_core.model.positional import AlibiPositions, RotaryPositions

TOLERANCE = 1e-6


def test_the_sinusoidal_table_is_the_papers_formula_in_float64() -> None:
    ours = sinusoidal_encoding(2048, 512).double().numpy()
    exact = positions.paper_formula(2048, 512)
    assert np.abs(ours - exact).max() <= TOLERANCE
    # The oracle itself, by hand: PE(1, 0), PE(1, 1), PE(3, 2) and PE(3, 511) of d_model 512.
    assert exact[1, 0] == math.sin(1)
    assert exact[1, 1] == math.cos(1)
    assert exact[3, 2] == pytest.approx(math.sin(3 / 10_000 ** (2 / 512)), abs=1e-15)
    assert exact[3, 511] == pytest.approx(math.cos(3 / 10_000 ** (510 / 512)), abs=1e-15)


@pytest.mark.parametrize("base", [10_000.0, 100_000.0])
def test_rotary_positions_are_llamas(base: float) -> None:
    config = LlamaConfig(
        hidden_size=256,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    theirs, ours = LlamaRotaryEmbedding(config), RotaryPositions(64, base)
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 4, 2048, 64, generator=generator)
    cos, sin = theirs(q, torch.arange(2048)[None])
    for turned, expected in zip(
        (ours(q), ours(k)), apply_rotary_pos_emb(q, k, cos, sin), strict=True
    ):
        assert float((turned - expected).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("n_heads", [1, 4, 8, 12, 16])
def test_alibi_is_blooms(n_heads: int) -> None:
    n = 64
    bloom = build_alibi_tensor(torch.ones(1, n, dtype=torch.long), n_heads, torch.float32)
    ours = AlibiPositions(n_heads)(n, n)
    # Bloom's is slope × key; with the slope × query that softmax does not feel it is ours.
    by_distance = bloom.reshape(n_heads, n)
    assert float((-ours[:, 1, 0] - by_distance[:, 1]).abs().max()) <= TOLERANCE  # the slopes
    for query in range(n):
        theirs = -by_distance[:, : query + 1].flip(1)
        # Bloom raises its slopes to a power in float32, ours are rounded once: of a bias of 40 the
        # last bit is 4e-6.
        off = (ours[:, query, : query + 1] - theirs).abs() / theirs.abs().clamp(min=1)
        assert float(off.max()) <= TOLERANCE


def test_wavelengths_run_from_two_pi_to_ten_thousand_times_that() -> None:
    lengths = positions.wavelengths(512)
    assert float(lengths[0]) == pytest.approx(2 * math.pi)
    assert float(lengths[-1]) == pytest.approx(2 * math.pi * 10_000 ** (510 / 512))
    # A table is back where it was after a whole wavelength: pair 0 of width 2 has 2π exactly.
    assert float(lengths[1] / lengths[0]) == pytest.approx(10_000 ** (2 / 512))


def test_likeness_by_distance_is_the_dot_product_of_the_table() -> None:
    table = sinusoidal_encoding(100, 64).double()
    expected = table @ table[30] / 32
    apart = (torch.arange(100) - 30).abs().double()
    found = positions.similarity_by_distance(positions.rates(64), apart)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def test_rotary_scores_depend_on_distance_alone() -> None:
    scores = positions.rotary_scores(64, torch.tensor([0.0, 1, 17, 900]), 9)
    expected = positions.similarity_by_distance(positions.rates(64), torch.tensor([9.0]))
    assert float((scores - scores[0]).abs().max()) < 1e-5
    assert float(scores[0]) == pytest.approx(float(expected), abs=1e-5)


def test_the_paper_s_bound_of_two_pairs_by_hand() -> None:
    speed = torch.tensor([1.0, 0.5], dtype=torch.float64)
    found = positions.decay_bound(speed, torch.tensor([0.0, 2.0]))
    # S_1 = e^{2i}, |S_1| = 1; S_2 = e^{2i} + e^{i}, |S_2| = 2 cos(1/2).
    expected = (1 + 2 * math.cos(0.5)) / 2 / 1.5
    assert found.tolist() == pytest.approx([1.0, expected])


def test_similarity_of_a_table_is_measured_diagonal_by_diagonal() -> None:
    like = positions.table_similarity(sinusoidal_encoding(40, 16))
    expected = positions.similarity_by_distance(positions.rates(16), torch.arange(40.0))
    torch.testing.assert_close(like.mean, expected, atol=TOLERANCE, rtol=0)
    assert like.spread < TOLERANCE
    random = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    assert positions.table_similarity(random).spread > 0.3


def test_the_dominant_period_of_a_wave_is_found() -> None:
    pos = torch.arange(128.0)
    wave = 3 + (2 * math.pi * pos / 16).sin() + 0.1 * (2 * math.pi * pos / 4).sin()
    period, share = positions.dominant_period(wave)
    assert period == 16
    assert share == pytest.approx(1 / 1.01)
    assert positions.dominant_period(torch.ones(8)) == (math.inf, 0.0)
    assert positions.dominant_period(torch.ones(1)) == (math.inf, 0.0)


def test_trained_positions_are_their_own_nearest_and_later_ones_are_not() -> None:
    speed = positions.rates(64)
    near = positions.nearest_seen(speed, 200, 100)
    torch.testing.assert_close(near[:100], torch.ones(100, dtype=torch.float64))
    table = sinusoidal_encoding(200, 64).double()
    expected = (table[100:] @ table[:100].T / 32).amax(dim=1)
    torch.testing.assert_close(near[100:], expected, atol=TOLERANCE, rtol=0)
    squeezed = positions.nearest_seen(speed, 200, 100, step=0.5)
    assert float(squeezed[100:].min()) > float(near[100:].max())


def test_turns_that_training_saw() -> None:
    speed = torch.tensor([2 * math.pi / 10, 2 * math.pi / 400], dtype=torch.float64)
    assert positions.turns_seen(speed, 101).tolist() == pytest.approx([1.0, 0.25])


def test_a_shift_is_a_rotation_in_the_papers_table_and_none_in_the_tutorials() -> None:
    both = positions.mistake(10, 512)
    assert both.paper.shape == both.tutorial.shape == (10, 512)
    paper, tutorials = both.shift_errors
    assert float(paper.max()) < TOLERANCE
    assert float(tutorials.max()) > 0.05
    # The rotation itself: the best matrix of a pair is that of its angle.
    pair = both.paper.double()[:, 8:10]
    angle = float(positions.rates(512)[4])
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(pair[:-1] @ turn, pair[1:], atol=TOLERANCE, rtol=0)
    assert both.largest == float((tutorial_encoding(10, 512) - both.paper).abs().max())
    assert both.still[1] > both.still[0]
    assert positions.shift_error(both.paper[:1]).tolist() == [0.0] * 256


@pytest.mark.parametrize("width", [511, 1, 0, -2, 1026])
def test_widths_that_cannot_be_are_refused_with_one_that_can(width: int) -> None:
    with pytest.raises(ConfigError, match=r"must be even .* Try "):
        positions.check_size(10, width)


@pytest.mark.parametrize("n_pos", [0, -1, 2049])
def test_lengths_that_cannot_be_are_refused(n_pos: int) -> None:
    with pytest.raises(InputError, match="from 1 to 2,048"):
        positions.check_size(n_pos, 2)
