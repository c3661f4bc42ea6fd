"""Alignment and divergence, on examples worked by hand and against torch's own KL."""

import math

import pytest
import torch
from torch.nn import functional

from transformer_core.analysis.compare import (
    MAX_ALIGNED,
    Alignment,
    Labels,
    align,
    js_divergence,
    row_divergence,
)
from transformer_core.errors import InputError


def pairs(first: str, second: str) -> list[tuple[str, str]]:
    a, b = first.split(), second.split()
    return [(a[i], b[j]) for i, j in align(Labels(a), Labels(b)).pairs]


def whole(n: int) -> Alignment:
    return Alignment(tuple((i, i) for i in range(n)), (True,) * n)


def test_equal_texts_are_paired_whole() -> None:
    found = align(Labels(["a", "b", "a"]), Labels(["a", "b", "a"]))
    assert found.pairs == ((0, 0), (1, 1), (2, 2))
    assert found.is_same == (True, True, True)


def test_a_replaced_word_is_paired_with_its_replacement() -> None:
    found = align(
        Labels(["it", "was", "too", "tired", "."]), Labels(["it", "was", "too", "wide", "."])
    )
    assert found.pairs == tuple((i, i) for i in range(5))
    assert found.is_same == (True, True, True, False, True)


def test_an_added_and_a_missing_word_are_paired_with_nothing() -> None:
    assert pairs("the cat sat", "the old cat sat") == [
        ("the", "the"),
        ("cat", "cat"),
        ("sat", "sat"),
    ]
    assert pairs("the old cat sat", "the cat sat") == [
        ("the", "the"),
        ("cat", "cat"),
        ("sat", "sat"),
    ]


def test_a_word_replaced_by_several_is_paired_with_the_first() -> None:
    assert pairs("too tired .", "too ex haus ted .") == [
        ("too", "too"),
        ("tired", "ex"),
        (".", "."),
    ]


def test_what_moved_is_not_paired_crosswise() -> None:
    found = align(Labels(["a", "b", "c", "d"]), Labels(["c", "d", "a", "b"]))
    assert [i for i, _ in found.pairs] == sorted(i for i, _ in found.pairs)
    assert [j for _, j in found.pairs] == sorted(j for _, j in found.pairs)
    assert sum(found.is_same) == 2


def test_case_does_not_matter() -> None:
    assert align(Labels(["The"]), Labels(["the"])).is_same == (True,)


def test_special_tokens_pair_with_one_another_only() -> None:
    bert = Labels(["[CLS]", "cat", "[SEP]"], [True, False, True])
    gpt = Labels(["cat"], [False])
    roberta = Labels(["<s>", "cat", "</s>"], [True, False, True])
    assert align(bert, gpt).pairs == ((1, 0),)
    assert align(bert, roberta).pairs == ((0, 0), (1, 1), (2, 2))
    assert align(bert, roberta).is_same == (False, True, False)
    assert align(Labels(["[CLS]"], [True]), Labels(["x"], [False])).pairs == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a b c d", "a x c d"),
        ("a b", "a b c"),
        ("q", "a q b"),
        ("a b c", "x y z"),
        ("a a b", "a b b"),
    ],
)
def test_no_alignment_scores_more(first: str, second: str) -> None:
    a, b = first.split(), second.split()

    def best(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return -(len(a) - i) - (len(b) - j)
        pair = best(i + 1, j + 1) + (2 if a[i] == b[j] else -1)
        return max(pair, best(i + 1, j) - 1, best(i, j + 1) - 1)

    found = align(Labels(a), Labels(b))
    score = sum(2 if same else -1 for same in found.is_same)
    score -= len(a) + len(b) - 2 * len(found.pairs)
    assert score == best(0, 0)


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(InputError, match="1,025 tokens"):
        align(Labels(["a"] * (MAX_ALIGNED + 1)), Labels(["a"]))


def test_the_divergence_worked_by_hand() -> None:
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    # m = (0.75, 0.25): ½ log₂(4/3) + ½ (½ log₂(2/3) + ½ log₂ 2)
    expected = 0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25
    assert float(js_divergence(p, q)) == pytest.approx(expected, abs=1e-6)
    assert float(js_divergence(p, p)) == 0
    assert float(js_divergence(torch.tensor([1.0, 0]), torch.tensor([0, 1.0]))) == 1


def test_the_divergence_equals_torch_s_kl_to_the_middle_and_is_symmetrical() -> None:
    generator = torch.Generator().manual_seed(3)
    p, q = (torch.rand(6, 9, generator=generator).softmax(-1) for _ in range(2))
    m = ((p + q) / 2).log()
    kl = [functional.kl_div(m, side, reduction="none").sum(-1) / math.log(2) for side in (p, q)]
    assert torch.allclose(js_divergence(p, q), (kl[0] + kl[1]) / 2, atol=1e-6)
    assert torch.equal(js_divergence(p, q), js_divergence(q, p))


def test_identical_patterns_differ_by_nothing() -> None:
    pattern = torch.rand(3, 4, 4).softmax(-1)
    found = row_divergence(pattern, pattern, whole(4), whole(4))
    assert torch.equal(found.mean, torch.zeros(3))
    assert torch.allclose(found.kept[0], torch.ones(3))


def test_keys_without_a_counterpart_are_left_out_and_the_rest_renormalised() -> None:
    first = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
    second = torch.tensor([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])  # its last key has no counterpart
    keys = Alignment(((0, 0), (1, 1)), (True, True))
    found = row_divergence(first, second, whole(2), keys)
    two_thirds, half = torch.tensor([2 / 3, 1 / 3]), torch.tensor([0.5, 0.5])
    assert found.bits[0] == pytest.approx(float(js_divergence(two_thirds, half)), abs=1e-6)
    assert found.bits[1] == pytest.approx(
        float(js_divergence(half, torch.tensor([1.0, 0.0]))), abs=1e-6
    )
    assert float(found.kept[0]) == pytest.approx((0.75 + 1) / 2)
    assert float(found.kept[1]) == pytest.approx((0.5 + 1) / 2)


def test_rows_that_read_nothing_aligned_are_not_counted() -> None:
    first = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    second = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    found = row_divergence(first, second, whole(2), Alignment(((0, 0),), (True,)))
    assert found.bits[0].isnan()
    assert float(found.mean) == 0


def test_one_head_is_compared_with_each_of_another_model() -> None:
    one, many = torch.eye(3), torch.stack([torch.eye(3), torch.ones(3, 3) / 3])
    found = row_divergence(one, many, whole(3), whole(3)).mean
    assert float(found[0]) == 0
    assert float(found[1]) == pytest.approx(
        float(js_divergence(torch.tensor([1.0, 0, 0]), torch.ones(3) / 3)), abs=1e-6
    )


def test_two_without_a_token_in_common_are_refused() -> None:
    with pytest.raises(InputError, match="no token in common"):
        row_divergence(torch.eye(2), torch.eye(2), Alignment((), ()), whole(2))
