"""The filters against Transformers' own logits processors, and on an example worked by hand."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList
from transformers.generation import logits_process as hf

from transformer_core.decoding.candidates import Distribution
from transformer_core.decoding.constraints import bans_at
from transformer_core.decoding.filters import Bans, Cut, filtered, top_p
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.tracing.huggingface_settings import constraints_of
from transformer_core.tracing.stepping import Constraints

N_VOCAB = 50
EOS = 7


def random_logits(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(N_VOCAB, generator=generator) * 3
    logits[11] = logits[12]  # a tie
    return logits


def reference(logits: Tensor, strategy: Strategy, previous: Sequence[int]) -> Tensor:
    """What Transformers makes of the logits, in the order of its ``generate``."""
    chain = LogitsProcessorList()
    if strategy.repetition_penalty != 1:
        chain.append(hf.RepetitionPenaltyLogitsProcessor(strategy.repetition_penalty))
    if isinstance(strategy, Sample):
        if strategy.temperature != 1:
            chain.append(hf.TemperatureLogitsWarper(strategy.temperature))
        if strategy.top_k is not None:
            chain.append(hf.TopKLogitsWarper(strategy.top_k))
        if strategy.top_p is not None and strategy.top_p < 1:
            chain.append(hf.TopPLogitsWarper(strategy.top_p))
        if strategy.min_p is not None:
            chain.append(hf.MinPLogitsWarper(strategy.min_p))
    scores: Tensor = chain(torch.tensor([list(previous)]), logits[None].clone())[0]
    return scores


STRATEGIES: list[Strategy] = [
    Greedy(),
    Greedy(repetition_penalty=1.7),
    Beam(repetition_penalty=0.6),
    Sample(),
    Sample(temperature=0.1),
    Sample(temperature=10.0),
    Sample(top_k=1),
    Sample(top_k=5),
    Sample(top_k=1000),
    Sample(top_p=0.01),
    Sample(top_p=0.6),
    Sample(top_p=1.0),
    Sample(min_p=0.0),
    Sample(min_p=0.1),
    Sample(min_p=1.0),
    Sample(temperature=2.5, top_k=20, top_p=0.8, min_p=0.02, repetition_penalty=1.3),
    Sample(temperature=0.7, top_k=12, min_p=0.1),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_scores_are_those_of_transformers(strategy: Strategy) -> None:
    for seed in range(20):
        logits, previous = random_logits(seed), [3, 11, 3, 49, seed]
        result = filtered(logits, strategy, previous=previous)
        expected = reference(logits, strategy, previous)
        assert torch.equal(result.scores, expected)
        assert torch.equal(result.probabilities, expected.softmax(-1))
        assert torch.equal(result.kept, expected > -torch.inf)


def test_each_cut_says_which_filter_made_it() -> None:
    """Probabilities 0.4, 0.3, 0.2, 0.06, 0.04: worked by hand."""
    logits = torch.tensor([0.4, 0.3, 0.2, 0.06, 0.04]).log()
    bans = Bans({Cut.BANNED: [1]})
    result = filtered(logits, Sample(top_k=3, top_p=0.7, min_p=0.9), bans=bans)
    # Without token 1 the three best are 0, 2 and 3 with 0.606, 0.303 and 0.091; the nucleus of 0.7
    # is 0 and 2; 2 has half of 0's probability, which is less than 0.9.
    assert [result.why(i) for i in range(5)] == [
        Cut.KEPT,
        Cut.BANNED,
        Cut.MIN_P,
        Cut.TOP_P,
        Cut.TOP_K,
    ]
    assert result.probabilities.tolist() == [1, 0, 0, 0, 0]
    assert all(bool(reason.reason) == (reason is not Cut.KEPT) for reason in Cut)


def test_the_nucleus_is_the_smallest_set_that_reaches_p() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    assert top_p(logits, 0.5).tolist() == [True, False, False]
    assert top_p(logits, 0.55).tolist() == [True, True, False]
    assert top_p(logits, 0.85).tolist() == [True, True, True]


def settings_chain(settings: GenerationConfig, n_prompt: int, limit: int) -> LogitsProcessorList:
    """The processors that Transformers builds of a model's settings."""
    eos = settings.eos_token_id
    chain = LogitsProcessorList()
    if settings.no_repeat_ngram_size:
        chain.append(hf.NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram_size))
    if settings.bad_words_ids:
        chain.append(hf.NoBadWordsLogitsProcessor(settings.bad_words_ids, eos))
    if settings.min_length:
        chain.append(hf.MinLengthLogitsProcessor(settings.min_length, eos))
    if settings.min_new_tokens:
        chain.append(hf.MinNewTokensLengthLogitsProcessor(n_prompt, settings.min_new_tokens, eos))
    if settings.forced_bos_token_id is not None:
        chain.append(hf.ForcedBOSTokenLogitsProcessor(settings.forced_bos_token_id))
    if settings.forced_eos_token_id is not None:
        chain.append(
            hf.ForcedEOSTokenLogitsProcessor(n_prompt + limit, settings.forced_eos_token_id)
        )
    if settings.suppress_tokens:
        chain.append(hf.SuppressTokensLogitsProcessor(settings.suppress_tokens))
    if settings.begin_suppress_tokens:
        fixed = n_prompt == 1 and settings.forced_bos_token_id is not None
        chain.append(
            hf.SuppressTokensAtBeginLogitsProcessor(
                settings.begin_suppress_tokens, n_prompt + fixed
            )
        )
    return chain


SETTINGS = [
    {},
    {"bad_words_ids": [[4], [EOS], [3, 5], [9, 3, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]},
    {"min_length": 4},
    {"min_new_tokens": 3},
    {"min_new_tokens": 3, "min_length": 9},
    {"forced_bos_token_id": 2},
    {"forced_eos_token_id": EOS},
    {"forced_eos_token_id": [EOS, 8]},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"suppress_tokens": [1, EOS]},
    {"begin_suppress_tokens": [5, 6]},
    {"begin_suppress_tokens": [5, 6], "forced_bos_token_id": 2},
]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("prompt", [[0], [9, 3, 3]])
def test_constraints_are_those_of_transformers(options: dict, prompt: list[int]) -> None:
    settings = GenerationConfig(eos_token_id=[EOS, 8], **options)
    limit, written = 6, [9, 3, 9, 3, 4]
    constraints = constraints_of(settings, len(prompt))
    chain = settings_chain(settings, len(prompt), limit)
    for n in range(limit):
        ids, logits = [*prompt, *written[:n]], random_logits(n)
        bans = bans_at(constraints, ids, n_prompt=len(prompt), limit=limit)
        expected = chain(torch.tensor([ids]), logits[None].clone())[0]
        assert torch.equal(filtered(logits, Greedy(), bans=bans).scores, expected), n


def test_an_end_token_alone_is_no_bad_word() -> None:
    constraints = constraints_of(GenerationConfig(eos_token_id=EOS, bad_words_ids=[[EOS], [3]]), 1)
    assert constraints.banned == ((3,),)


def test_candidates_carry_every_number_of_the_formula() -> None:
    logits = random_logits(1)
    strategy = Sample(temperature=1.5, top_k=4, repetition_penalty=1.2)
    result = filtered(logits, strategy, previous=[int(logits.argmax())])
    distribution = Distribution(result, str, chosen=int(logits.argmin()))
    candidates = distribution.candidates(6)
    assert [c.logit for c in candidates] == sorted((c.logit for c in candidates), reverse=True)
    assert [c.token_id for c in candidates if c.is_chosen] == [int(logits.argmin())]
    for c in candidates:
        assert c.probability == pytest.approx(float(logits.softmax(-1)[c.token_id]), rel=1e-5)
        assert c.scaled == pytest.approx(c.penalised / 1.5, rel=1e-5)
        assert c.chosen_probability == pytest.approx(c.weight / distribution.normaliser, rel=1e-5)
        assert (c.weight == 0) == (c.cut is not Cut.KEPT)
    assert candidates[0].penalised != candidates[0].logit
    assert sum(c.cut is Cut.KEPT for c in candidates) == distribution.n_kept == 4


def test_the_tail_is_what_the_candidates_leave() -> None:
    distribution = Distribution(filtered(random_logits(2), Sample(top_k=9)), str, chosen=0)
    shown = distribution.candidates(5)
    tail = distribution.tail(shown)
    assert tail.n_tokens == N_VOCAB - len(shown)
    assert tail.n_kept == 9 - sum(c.cut is Cut.KEPT for c in shown)
    assert tail.probability + sum(c.probability for c in shown) == pytest.approx(1, abs=1e-5)
    kept = sum(c.chosen_probability for c in shown)
    assert tail.chosen_probability + kept == pytest.approx(1, abs=1e-5)


def test_what_is_asked_for_counts_as_certain() -> None:
    result = filtered(random_logits(3), Sample(temperature=3.0), bans=Bans(only=(5,)))
    assert result.probabilities[5] == 1
    assert result.why(4) is Cut.FORCED
    assert bans_at(Constraints(), [1], n_prompt=1, limit=5) is None
