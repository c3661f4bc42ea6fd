"""Patterns computed from queries and keys, against PyTorch's own attention."""

import pytest
import torch

from transformer_core.errors import NotInTraceError
from transformer_core.tracing.records import AttentionRecord


@pytest.fixture
def record() -> AttentionRecord:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(4, 7, 8, generator=generator) for _ in range(3))
    return AttentionRecord(q=q, k=k, v=v, scaling=8**-0.5, is_causal=True)


def test_a_pattern_times_the_values_is_what_torch_computes(record: AttentionRecord) -> None:
    expected = torch.nn.functional.scaled_dot_product_attention(
        record.q, record.k, record.v, is_causal=True
    )
    assert (record.pattern() @ record.v - expected).abs().max() <= 1e-5


def test_masked_keys_get_exactly_zero_weight(record: AttentionRecord) -> None:
    assert bool((record.pattern().triu(1) == 0).all())


def test_rows_of_a_pattern_sum_to_one(record: AttentionRecord) -> None:
    assert torch.allclose(record.pattern().sum(-1), torch.ones(4, 7))


def test_some_rows_are_the_rows_of_the_whole(record: AttentionRecord) -> None:
    part = record.pattern(2, slice(3, 6))
    assert torch.allclose(part, record.pattern(2)[3:6], atol=1e-6)


def test_a_head_that_is_not_there_is_named(record: AttentionRecord) -> None:
    with pytest.raises(NotInTraceError, match="no head 4"):
        record.pattern(4)
