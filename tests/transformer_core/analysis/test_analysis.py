"""Facts about patterns, on examples worked by hand."""

import math
from dataclasses import replace

import pytest
import torch

from transformer_core.analysis.heads import (
    all_patterns,
    entropy,
    head_facts,
    layer_patterns,
    mean_distance,
    pattern_facts,
    role_scores,
)
from transformer_core.analysis.pooling import block_maxima, pooled_pattern
from transformer_core.analysis.words import by_word, without
from transformer_core.errors import InputError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.records import AttentionRecord


def record(n: int = 9, *, is_causal: bool = True) -> AttentionRecord:
    generator = torch.Generator().manual_seed(1)
    q, k = (torch.randn(2, n, 4, generator=generator) for _ in range(2))
    return AttentionRecord(q=q, k=k, scaling=0.5, is_causal=is_causal)


def test_entropy_of_an_even_row_is_the_logarithm_of_its_length() -> None:
    assert entropy(torch.full((1, 8), 1 / 8)).item() == pytest.approx(3.0)
    assert entropy(torch.eye(3)).abs().max() == 0


def test_a_previous_token_head_is_named_and_scores_one() -> None:
    pattern = torch.zeros(5, 5)
    pattern[torch.arange(1, 5), torch.arange(4)] = 1
    pattern[0, 0] = 1
    seen = torch.ones(5, 5).tril().bool()
    scores = role_scores(pattern, seen)
    assert scores["previous token"] == (
        pytest.approx(1.0),
        pytest.approx((1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4),
    )
    assert mean_distance(pattern) == pytest.approx(4 / 5)


def test_an_even_head_has_no_clear_role() -> None:
    even = AttentionRecord(q=torch.zeros(1, 12, 4), k=torch.zeros(1, 12, 4), scaling=0.5)
    facts = head_facts(even, 0, is_self=True)
    assert facts.role == ""
    assert facts.entropy == pytest.approx(math.log2(12))


def test_pooled_blocks_are_the_extremes_and_means_of_the_whole_pattern() -> None:
    largest, mean = pooled_pattern(record(9), 1, size=3)
    blocks = record(9).pattern(1).reshape(3, 3, 3, 3)
    assert torch.allclose(largest, blocks.amax(dim=(1, 3)))
    assert torch.allclose(mean, blocks.mean(dim=(1, 3)), atol=1e-6)


def test_maxima_of_several_heads_are_those_of_each() -> None:
    whole = record(9)
    maxima = block_maxima(whole.pattern(), size=4)
    for head in range(whole.n_heads):
        alone = pooled_pattern(whole, head, size=4)[0]
        assert torch.allclose(maxima[head], alone, atol=1e-6)


def test_facts_of_a_layer_are_those_of_its_heads() -> None:
    for one in (record(9), record(9, is_causal=False)):
        blocks = list(layer_patterns(one))
        facts = [f for p, seen in blocks for f in pattern_facts(p, seen, is_self=True)]
        for head, found in enumerate(facts):
            alone = head_facts(one, head, is_self=True)
            assert found.role == alone.role
            assert (found.score, found.baseline) == pytest.approx((alone.score, alone.baseline))
            assert found.distance == pytest.approx(alone.distance)
            assert found.entropy == pytest.approx(float(entropy(one.pattern(head)).mean()))


def test_all_heads_at_once_see_what_each_sees_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    one, other = record(9), record(9, is_causal=False)
    own_masks = torch.rand(4, 9, 9, generator=generator) > 0.4
    shared = replace(
        one,
        q=torch.randn(4, 9, 4, generator=generator),
        bias=torch.randn(4, 9, 9, generator=generator),
        mask=own_masks | torch.eye(9, dtype=torch.bool),
        overrides={2: torch.eye(9)},
    )
    for whole in (one, other, shared):
        for rows in (slice(None), slice(3, 7)):
            alone = torch.stack([whole.pattern(h, rows) for h in range(whole.n_heads)])
            assert torch.allclose(whole.pattern(rows=rows), alone, atol=1e-6)
            assert torch.equal(whole.pattern(rows=rows) == 0, alone == 0)
            scores = torch.stack([whole.attn_scores(h, rows) for h in range(whole.n_heads)])
            assert torch.allclose(whole.attn_scores(rows=rows), scores, atol=1e-5)


def test_layers_that_see_alike_are_taken_together_and_in_order() -> None:
    mask = torch.ones(1, 9, 9).tril().bool()
    masked = replace(record(9, is_causal=False), mask=mask)
    for records, n_blocks in (
        ([record(9), record(9)], 1),
        ([masked, replace(masked, mask=mask.clone())], 1),
        ([masked, record(9, is_causal=False)], 2),
        ([masked, replace(masked, mask=torch.ones_like(mask))], 2),
        ([record(9), record(9, is_causal=False)], 2),
    ):
        blocks = list(all_patterns(records))
        assert len(blocks) == n_blocks
        patterns = torch.cat([one for one, _ in blocks])
        assert torch.equal(patterns, torch.cat([one.pattern() for one in records]))
        for part, seen in blocks:
            assert seen is None or not bool((part * ~seen).any())


def test_merged_words_sum_over_keys_and_average_over_queries() -> None:
    tokens = Tokens(
        "ab c", (1, 2, 3), ("a", "b", "c"), (False,) * 3, ((0, 1), (1, 2), (3, 4)), (0, 0, 1)
    )
    pattern = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.0, 0.5, 0.5]])
    merged = by_word(pattern, tokens, tokens)
    assert torch.allclose(merged, torch.tensor([[0.475, 0.525], [0.5, 0.5]]))


def test_rows_sum_to_one_again_without_special_tokens() -> None:
    kept = without(torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), [0], [1, 2])
    assert torch.allclose(kept, torch.tensor([[0.5, 0.5]]))
    with pytest.raises(InputError, match="Nothing is left"):
        without(torch.eye(2), [], [])
