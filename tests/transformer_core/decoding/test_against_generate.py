"""Our decoding writes what ``generate`` of Transformers writes, for the same settings."""

from typing import Any

import pytest
import torch

from tests.support.decoding import generated, new_ids, settings
from tests.support.tiny_models import make_tiny
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.models.loading import load

KINDS = ["marian", "bart", "t5", "m2m_100", "gpt2", "llama", "gemma3"]
TEXTS = [
    "The cat sat on the mat.",
    "Attention is all you need: every query reads from the keys that it may see.",
]
N_NEW = 12


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param, seed=3))


def common_ids(model: Any) -> list[int]:
    """Tokens that this random model likes: as end tokens they end texts early, some of them."""
    likes: dict[int, int] = {}
    for text in TEXTS:
        for step in model.decode(text, Sample(temperature=2.0, max_new_tokens=40)):
            likes[step.token_id] = likes.get(step.token_id, 0) + 1
    return sorted(likes, key=lambda i: -likes[i])[:6]


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bad words": {"bad_words_ids": "likes"},
    "forced": {"forced_bos_token_id": 5, "forced_eos_token_id": 6},
    "least length": {"eos_token_id": "likes", "min_new_tokens": 3},
    "early end": {"eos_token_id": "likes"},
    "no repeats": {"no_repeat_ngram_size": 2},
    "suppressed": {"suppress_tokens": [9, 10, 11], "begin_suppress_tokens": [12, 13]},
}


def options_of(model: Any, name: str) -> dict[str, Any]:
    options = dict(SETTINGS[name])
    if options.get("bad_words_ids"):
        likes = common_ids(model)
        options["bad_words_ids"] = [
            [likes[0]],
            [likes[1], likes[2]],
            [model.module.config.pad_token_id],
        ]
    if options.get("eos_token_id"):
        options["eos_token_id"] = common_ids(model)[2:5]
    return options


@pytest.mark.parametrize("name", SETTINGS)
def test_greedy_writes_the_same_tokens(model: Any, name: str) -> None:
    with settings(model, **options_of(model, name)):
        for text, penalty in zip(TEXTS, (1.0, 1.4), strict=True):
            strategy = Greedy(max_new_tokens=N_NEW, repetition_penalty=penalty)
            expected = new_ids(model, text, generated(model, text, strategy))
            decoding = model.decode(text, strategy)
            assert [step.token_id for step in decoding] == expected
            ends = decoding.token_ids[-1] in decoding.constraints.end_ids
            assert decoding.ended == ("eos" if ends else "limit")


BEAMS = [
    Beam(1, max_new_tokens=N_NEW),
    Beam(2, max_new_tokens=N_NEW, length_penalty=0.0),
    Beam(4, max_new_tokens=N_NEW),
    Beam(4, max_new_tokens=N_NEW, early_stopping=True),
    Beam(3, max_new_tokens=N_NEW, length_penalty=2.0, early_stopping="never"),
    Beam(3, max_new_tokens=N_NEW, length_penalty=-1.0, repetition_penalty=1.2),
]


@pytest.mark.parametrize("name", ["plain", "bad words", "forced", "least length", "early end"])
def test_beam_search_writes_the_same_tokens(model: Any, name: str) -> None:
    with settings(model, **options_of(model, name)):
        for strategy in BEAMS if name == "early end" else BEAMS[2:3]:
            output = generated(model, TEXTS[0], strategy)
            decoding = model.decode(TEXTS[0], strategy)
            steps = list(decoding)
            assert [step.token_id for step in steps] == new_ids(model, TEXTS[0], output), strategy
            if strategy.n_beams > 1:
                best = decoding.tree.best
                assert best is not None
                score = float(output.sequences_scores[0])
                assert decoding.tree.score(best) == pytest.approx(score, rel=1e-5, abs=1e-6)


def test_a_beam_of_one_is_greedy(model: Any) -> None:
    greedy = [step.token_id for step in model.decode(TEXTS[1], Greedy(max_new_tokens=N_NEW))]
    beam = [step.token_id for step in model.decode(TEXTS[1], Beam(1, max_new_tokens=N_NEW))]
    assert beam == greedy


@pytest.mark.parametrize(
    "strategy",
    [
        Sample(seed=1, max_new_tokens=N_NEW),
        Sample(seed=2, temperature=0.6, top_k=12, max_new_tokens=N_NEW),
        Sample(seed=3, temperature=1.7, top_p=0.8, max_new_tokens=N_NEW),
        Sample(seed=4, min_p=0.1, repetition_penalty=1.3, max_new_tokens=N_NEW),
    ],
    ids=str,
)
def test_sampling_draws_the_same_tokens_from_the_same_seed(model: Any, strategy: Sample) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(strategy.seed)
        expected = new_ids(model, TEXTS[0], generated(model, TEXTS[0], strategy))
    assert [step.token_id for step in model.decode(TEXTS[0], strategy)] == expected
    assert [step.token_id for step in model.decode(TEXTS[0], strategy)] == expected


def test_a_trace_without_a_target_reads_the_greedy_text(model: Any) -> None:
    if not model.is_encoder_decoder:
        return
    with settings(model, max_length=N_NEW + 1):
        output = generated(model, TEXTS[0], Greedy(max_new_tokens=N_NEW))
        expected = output.sequences[0].tolist()
        ends = model.module.generation_config.eos_token_id
        if expected[-1] == ends:
            expected = expected[:-1]
        assert list(model.trace(TEXTS[0]).target.ids) == expected
