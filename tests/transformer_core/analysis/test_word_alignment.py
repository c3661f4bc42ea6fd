"""Alignments read off cross-attention, on patterns made by hand."""

import pytest
import torch

from transformer_core.analysis.word_alignment import (
    AlignmentChoice,
    Gold,
    alignment_error_rate,
    all_word_weights,
    choices,
    error_rates,
    hard_links,
    word_weights,
)
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.trace import Trace


def tokens(labels: list[str], word_ids: list[int | None]) -> Tokens:
    n = len(labels)
    return Tokens(
        text=" ".join(labels),
        ids=tuple(range(n)),
        display=tuple(labels),
        is_special=tuple(word is None for word in word_ids),
        spans=(None,) * n,
        word_ids=tuple(word_ids),
    )


SOURCE = tokens(["the", "ca", "t", "</s>"], [0, 1, 1, None])
TARGET = tokens(["<s>", "le", "chat"], [None, 0, 1])
#            the  ca   t    </s>
ROWS = [[0.5, 0.1, 0.1, 0.3], [0.1, 0.3, 0.2, 0.4], [0.0, 0.0, 0.0, 1.0]]


def trace() -> Trace:
    pattern = torch.tensor(ROWS)
    return Trace.from_patterns({"cross": pattern[None, None]}, source=SOURCE, target=TARGET)


def test_weights_are_those_of_the_row_that_predicts_a_word() -> None:
    weights = word_weights(trace(), AlignmentChoice(0, 0))
    expected = torch.tensor([[0.5, 0.2], [0.1, 0.5]])
    torch.testing.assert_close(weights, expected / expected.sum(dim=1, keepdim=True))
    assert hard_links(weights) == {(0, 0), (1, 1)}


def test_shifted_weights_are_those_of_the_row_that_has_read_it() -> None:
    weights = word_weights(trace(), AlignmentChoice(0, 0, shift=1))
    torch.testing.assert_close(weights[0], torch.tensor([0.1, 0.5]) / 0.6)


def test_the_mean_over_one_head_is_that_head() -> None:
    one, mean = (word_weights(trace(), AlignmentChoice(0, head)) for head in (0, None))
    torch.testing.assert_close(one, mean)


def test_every_layer_and_head_at_once_is_each_of_them_alone() -> None:
    patterns = torch.rand(2, 3, 3, 4, generator=torch.Generator().manual_seed(0))
    several = Trace.from_patterns(
        {"cross": patterns / patterns.sum(-1, keepdim=True)}, source=SOURCE, target=TARGET
    )
    for shift in (0, 1):
        together = all_word_weights(several, shift)
        assert together.shape == (8, 2, 2)
        for found, choice in zip(together, choices(several, shift), strict=True):
            torch.testing.assert_close(found, word_weights(several, choice))


def test_the_error_rate_is_that_of_the_paper() -> None:
    sure, possible = frozenset({(0, 0), (1, 1)}), frozenset({(0, 1)})
    assert alignment_error_rate(sure, sure) == 0
    assert alignment_error_rate(frozenset({(5, 5)}), sure) == 1
    # One sure and one possible link found, one sure link missed: 1 − (1 + 2) / (2 + 2).
    found = frozenset({(0, 0), (0, 1)})
    assert alignment_error_rate(found, sure, possible) == pytest.approx(0.25)


def test_the_best_choice_stands_first() -> None:
    gold = [Gold("the cat", "le chat", frozenset({(0, 0), (1, 1)}))]
    rates = error_rates([trace()], gold)
    assert next(iter(rates.values())) == 0
    assert next(iter(rates)).shift == 0
