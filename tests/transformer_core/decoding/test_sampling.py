"""Draws follow the distribution, and the seed decides them."""

from typing import Any

import torch
from transformers.generation import logits_process as hf

from tests.support.table_stepper import TableStepper
from transformer_core.decoding.begin import begin
from transformer_core.decoding.stepwise import Decoding
from transformer_core.decoding.strategies import Sample
from transformer_core.tracing.stepping import Constraints

TABLE = [[0.05, 0.3, 0.25, 0.2, 0.12, 0.08]] * 6
N_DRAWS = 1500


def decoding(strategy: Sample) -> Decoding:
    begun = begin(TableStepper(TABLE, constraints=Constraints()), strategy)
    assert isinstance(begun, Decoding)
    return begun


def test_draws_follow_the_distribution_that_transformers_would_draw_from() -> None:
    """Pearson's χ² with 3 degrees of freedom stays below its 99.9 % point, 16.3."""
    options: dict[str, Any] = {"temperature": 1.6, "top_k": 5, "top_p": 0.85}
    scores = torch.tensor(TABLE[:1]).log()
    ids = torch.zeros(1, 1, dtype=torch.long)
    for warper in (
        hf.TemperatureLogitsWarper(1.6),
        hf.TopKLogitsWarper(5),
        hf.TopPLogitsWarper(0.85),
    ):
        scores = warper(ids, scores)
    expected = scores.softmax(-1)[0] * N_DRAWS
    drawn = torch.zeros(6)
    for seed in range(N_DRAWS):
        drawn[next(decoding(Sample(seed=seed, **options))).token_id] += 1
    kept = expected > 0
    assert int(kept.sum()) == 4
    assert float(drawn[~kept].sum()) == 0
    chi_square = float(((drawn - expected)[kept] ** 2 / expected[kept]).sum())
    assert chi_square < 16.3


def test_the_seed_decides_the_text() -> None:
    texts = [
        tuple(step.token_id for step in decoding(Sample(seed=seed, max_new_tokens=8)))
        for seed in (0, 0, 1, 2)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_the_state_of_torch_s_own_generator_does_not_matter() -> None:
    before = torch.random.get_rng_state()
    first = [step.token_id for step in decoding(Sample(seed=3, max_new_tokens=8))]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    assert [step.token_id for step in decoding(Sample(seed=3, max_new_tokens=8))] == first
    torch.random.set_rng_state(before)


def test_a_forced_token_leaves_the_later_draws_alone() -> None:
    """The table forgets: only the forced token differs."""
    free = [step.token_id for step in decoding(Sample(seed=4, max_new_tokens=8))]
    text = decoding(Sample(seed=4, max_new_tokens=8))
    next(text)
    text.force(5)
    forced = [step.token_id for step in [*text.steps, *text]]
    assert forced == [free[0], 5, *free[2:]]
