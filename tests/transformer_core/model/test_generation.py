"""Greedy and beam search on our Transformer against Transformers' generate and by exhaustion."""

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.support.tiny_marian import lively_marian
from tests.support.weights import ids, padded, randomise, tiny_config
from transformer_core.errors import ConfigError
from transformer_core.model import Transformer
from transformer_core.model.beam import BeamSettings, generate_beam
from transformer_core.model.convert import from_marian
from transformer_core.model.generation import Hypothesis, generate_greedy, lay_out_for_decoding

PAD, EOS, BOS = 60, 0, 60


@pytest.fixture(scope="module")
def twins():  # type: ignore[no-untyped-def]
    """A Marian model and ours with its weights."""
    theirs = lively_marian()
    return theirs, from_marian(theirs.config.to_dict(), theirs.state_dict())


def sources() -> tuple[Tensor, Tensor]:
    mask = padded(12, 14)
    return ids(12, 14, vocab_size=60).masked_fill(~mask, PAD), mask


def ended(sequence: Tensor) -> list[int]:
    """A generated row without start, end and padding."""
    row = sequence[1:].tolist()
    return row[: row.index(EOS)] if EOS in row else [i for i in row if i != PAD]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_writes_what_transformers_writes(twins, penalty: float) -> None:  # type: ignore[no-untyped-def]
    theirs, ours = twins
    src, mask = sources()
    expected = theirs.generate(
        input_ids=src,
        attention_mask=mask.long(),
        num_beams=1,
        do_sample=False,
        max_new_tokens=20,
        repetition_penalty=penalty,
    )
    found = generate_greedy(ours, src, mask, max_new_tokens=20, repetition_penalty=penalty)
    assert [list(h.ids) for h in found] == [ended(row) for row in expected]
    lengths = {len(h.ids) for h in found}
    assert len(lengths) > 3, "rows must end at different steps, or taking them out is not tested"
    assert penalty > 1 or any(h.is_cut for h in found)


@pytest.mark.parametrize("n_beams", [2, 4])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
def test_beam_search_writes_what_transformers_writes(  # type: ignore[no-untyped-def]
    twins, n_beams: int, length_penalty: float, early_stopping
) -> None:
    theirs, ours = twins
    src, mask = sources()
    expected = theirs.generate(
        input_ids=src,
        attention_mask=mask.long(),
        num_beams=n_beams,
        num_return_sequences=n_beams,
        do_sample=False,
        early_stopping=early_stopping,
        length_penalty=length_penalty,
        max_new_tokens=15,
        return_dict_in_generate=True,
        output_scores=True,
    )
    settings = BeamSettings(
        n_beams, length_penalty, max_new_tokens=15, early_stopping=early_stopping
    )
    found = generate_beam(ours, src, mask, settings)
    rows = [ended(row) for row in expected.sequences]
    assert [list(h.ids) for each in found for h in each] == rows
    scores = torch.tensor([h.score(length_penalty) for each in found for h in each])
    assert torch.allclose(scores, expected.sequences_scores, rtol=1e-5, atol=1e-5)


def test_beam_search_with_a_repetition_penalty_writes_what_transformers_writes(twins) -> None:  # type: ignore[no-untyped-def]
    theirs, ours = twins
    src, mask = sources()
    expected = theirs.generate(
        input_ids=src,
        attention_mask=mask.long(),
        num_beams=3,
        do_sample=False,
        max_new_tokens=15,
        repetition_penalty=1.3,
    )
    found = generate_beam(
        ours, src, mask, BeamSettings(3, max_new_tokens=15, repetition_penalty=1.3)
    )
    assert [list(each[0].ids) for each in found] == [ended(row) for row in expected]


@torch.no_grad()
def ours_of(**changes: object) -> Transformer:
    """A model of ours whose texts vary: what all positions have in common is out of the logits."""
    shape = {"is_tied": False, "has_output_bias": True} | changes
    model = Transformer(tiny_config(**shape)).eval()
    randomise(model)
    bias, n = model.unembedding.bias, model.config.vocab_size
    if bias is not None:
        src, tgt = ids(40, 8, vocab_size=n), ids(40, 9, seed=1, vocab_size=n)
        bias -= model(src, tgt, src_mask=None).mean(dim=(0, 1))
        bias[model.config.eos_id] += 0.5
    return model


def forbid(model: Transformer, *token_ids: int) -> None:
    """Make tokens all but impossible."""
    with torch.no_grad():
        model.unembedding.bias[list(token_ids)] = -50.0  # type: ignore[index]


@torch.no_grad()
def uncached(model: Transformer, src: Tensor, limit: int) -> list[int]:
    """Greedy decoding as it is defined: the whole prefix is read again at every step."""
    written: list[int] = []
    for _ in range(limit):
        tgt = torch.tensor([[model.config.bos_id, *written]])
        logits = model(src, tgt, src_mask=None)[0, -1]
        logits[[model.config.pad_id, model.config.bos_id]] = -torch.inf
        token = int(logits.argmax())
        if token == model.config.eos_id:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi"])
def test_greedy_with_a_cache_is_greedy_without(positions: str) -> None:
    model = ours_of(positions=positions)
    src, mask = ids(8, 9), padded(8, 9)
    found = generate_greedy(model, src, mask, max_new_tokens=12)
    for i, hypothesis in enumerate(found):
        assert list(hypothesis.ids) == uncached(model, src[i : i + 1, : 9 - i], 12)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, -1.0])
def test_a_beam_of_one_is_greedy(length_penalty: float) -> None:
    model = ours_of()
    src, mask = ids(8, 9), padded(8, 9)
    greedy = generate_greedy(model, src, mask, max_new_tokens=12)
    beams = generate_beam(model, src, mask, BeamSettings(1, length_penalty, max_new_tokens=12))
    for one, (only,) in zip(greedy, beams, strict=True):
        assert one.ids == only.ids
        assert one.is_cut == only.is_cut
        assert one.log_prob == pytest.approx(only.log_prob, abs=1e-4)


@torch.no_grad()
def test_a_wide_beam_finds_the_best_text_of_all() -> None:
    model = ours_of(vocab_size=6)
    src = torch.tensor([[3, 4, 5]])
    texts = [text for n in (0, 1, 2) for text in product([3, 4, 5], repeat=n)]
    best: dict[tuple[int, ...], float] = {}
    for text in texts:  # all that end within three tokens
        tgt = torch.tensor([[1, *text]])
        log_probs = model(src, tgt, src_mask=None)[0].log_softmax(-1)
        best[text] = sum(float(log_probs[i, t]) for i, t in enumerate([*text, 2]))
    found = generate_beam(model, src, None, BeamSettings(30, 0.0, max_new_tokens=3))[0]
    ended = [h for h in found if not h.is_cut]
    assert ended[0].ids == max(best, key=best.__getitem__)
    for hypothesis in ended:
        assert hypothesis.log_prob == pytest.approx(best[hypothesis.ids], abs=1e-4)


@torch.no_grad()
def test_a_log_probability_is_the_models_own() -> None:
    model = ours_of()
    src = ids(1, 6)
    (found,) = generate_greedy(model, src, None, max_new_tokens=10)
    chosen = [*found.ids] + ([] if found.is_cut else [model.config.eos_id])
    tgt = torch.tensor([[model.config.bos_id, *chosen[:-1]]])
    log_probs = model(src, tgt, src_mask=None)[0].log_softmax(-1)
    expected = sum(float(log_probs[i, token]) for i, token in enumerate(chosen))
    assert found.log_prob == pytest.approx(expected, abs=1e-4)


def test_start_and_padding_are_never_written() -> None:
    model = ours_of()
    with torch.no_grad():
        model.unembedding.bias[[0, 1]] = 50.0  # type: ignore[index]
    src = ids(3, 6)
    for found in generate_greedy(model, src, None, max_new_tokens=8):
        assert not {0, 1} & set(found.ids)
    for each in generate_beam(model, src, None, BeamSettings(4, max_new_tokens=8)):
        assert all(not {0, 1} & set(h.ids) for h in each)


def test_a_limit_is_kept_and_told() -> None:
    model = ours_of(n_ctx=12)
    forbid(model, model.config.eos_id)
    src = ids(2, 6)
    for limit, n_written in [(5, 5), (None, 11), (99, 11)]:
        for found in generate_greedy(model, src, None, max_new_tokens=limit):
            assert (len(found.ids), found.is_cut) == (n_written, True)
        for each in generate_beam(model, src, None, BeamSettings(2, max_new_tokens=limit)):
            assert [(len(h.ids), h.is_cut) for h in each] == [(n_written, True)] * 2


def test_the_length_of_a_score_counts_the_end_token() -> None:
    assert Hypothesis((5, 6), -6.0, is_cut=False).score(1.0) == -2.0
    assert Hypothesis((5, 6), -6.0, is_cut=True).score(1.0) == -3.0
    assert Hypothesis((5, 6), -6.0, is_cut=True).score(0.0) == -6.0


def test_numbers_out_of_range_are_refused() -> None:
    model, src = ours_of(), ids(1, 3)
    with pytest.raises(ConfigError, match="max_new_tokens is 0"):
        generate_greedy(model, src, None, max_new_tokens=0)
    with pytest.raises(ConfigError, match="n_beams is 0"):
        BeamSettings(0)
    with pytest.raises(ConfigError, match="repetition_penalty is 0"):
        generate_greedy(model, src, None, repetition_penalty=0)


@pytest.mark.parametrize("tied", [False, True])
def test_the_layout_for_decoding_changes_no_number(tied: bool) -> None:
    model = ours_of(is_tied=tied)
    src, tgt = ids(2, 6), ids(2, 5, seed=1)
    before, weights = model(src, tgt, src_mask=None), model.state_dict()
    weights = {name: weight.clone() for name, weight in weights.items()}
    lay_out_for_decoding(model)
    assert (model(src, tgt, src_mask=None) - before).abs().max() <= 1e-5
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, weights[name])
    matrix = model.target_embedding.weight if tied else model.unembedding.weight
    assert matrix is not None
    assert matrix.stride() == (1, 61)
