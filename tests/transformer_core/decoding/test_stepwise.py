"""A text as it is written: steps, forks, forced tokens, what was seen, and how it ends."""

import gc
import threading
import weakref
from typing import Any

import pytest
import torch

from tests.support.decoding import settings
from tests.support.tiny_models import make_tiny
from transformer_core.decoding.filters import Cut
from transformer_core.decoding.strategies import Greedy, Sample
from transformer_core.errors import EmptyInputError, InputError, NotInTraceError, TextTooLongError
from transformer_core.models.loading import load

TEXT = "The cat sat on the mat."
KINDS = ["marian", "t5", "bart", "pegasus", "gpt2", "gpt_neox", "opt", "llama", "mistral", "gemma3"]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("llama", tmp_path_factory.mktemp("tiny") / "llama"))


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("marian", tmp_path_factory.mktemp("tiny") / "marian"))


# -- what a step saw ------------------------------------------------------------------------


def test_rows_and_traces_of_a_step_are_those_of_a_whole_forward_pass(model: Any) -> None:
    """Of short and long windows, position biases, shared keys, and both kinds of attention."""
    steps = list(model.decode(TEXT, Greedy(max_new_tokens=7)))
    for step in (steps[0], steps[-1]):
        trace = step.trace
        whole = model.trace(trace.source, trace.target)
        assert trace.sites == whole.sites
        for site in whole.sites:
            for layer in range(whole.n_layers(site)):
                expected = whole.pattern(site, layer=layer)
                assert torch.allclose(trace.pattern(site, layer=layer), expected, atol=1e-5)
                if site != "encoder":
                    row = step.pattern(site, layer=layer)
                    assert torch.allclose(row, expected[:, -1], atol=1e-5)
                    assert row.shape[-1] == len(step.key_tokens(site))
        assert torch.allclose(step.logits, whole.logits[-1], atol=1e-4)
        assert torch.equal(trace.next_logits, step.logits)
        assert torch.allclose(trace.logits, whole.logits, atol=1e-4)


def test_the_lens_after_the_last_layer_is_the_model_itself(model: Any) -> None:
    step = list(model.decode(TEXT, Greedy(max_new_tokens=4)))[-1]
    whole = model.trace(step.trace.source, step.trace.target)
    logits = step.lens_logits()
    assert torch.allclose(logits[-1], step.logits, atol=1e-4)
    assert [row.layer for row in step.lens] == [*range(-1, whole.n_layers("decoder"))]
    # The residual stream is the one that a whole forward pass notes, too.
    for row in range(len(step.lens)):
        resid = whole.resid("decoder", layer=row - 1)[-1:]
        again = step.answer.stepper.unembed(resid)[0]
        assert torch.allclose(again, logits[row], atol=1e-4)
    last = step.lens[-1]
    assert last.token_ids[0] == int(step.logits.argmax())
    assert last.chosen_probability == pytest.approx(float(step.logits.softmax(-1)[step.token_id]))
    assert last.chosen_rank == int((step.logits > step.logits[step.token_id]).sum())


def test_the_lens_refuses_a_model_that_it_does_not_know(llama: Any) -> None:
    step = next(llama.decode(TEXT))
    norm = llama.module.model.norm
    weight = norm.weight.detach().clone()
    try:
        norm.weight.mul_(1.5)  # as if something stood between layers and head that we do not know
        with pytest.raises(NotInTraceError, match="logit lens"):
            _ = step.lens
    finally:
        norm.weight.copy_(weight)


def test_the_cache_grows_by_one_position_a_step(model: Any) -> None:
    steps = list(model.decode(TEXT, Greedy(max_new_tokens=5)))
    n_prompt = len(steps[0].answer.stepper.prompt_ids)
    assert [step.cache.n_pos for step in steps] == [n_prompt + i for i in range(len(steps))]
    cache = steps[0].answer.stepper._cache
    parts = [cache]
    if model.is_encoder_decoder:
        parts = [cache.self_attention_cache, cache.cross_attention_cache]
    nbytes = sum(
        tensor.nbytes
        for part in parts
        for layer in part.layers
        for tensor in (layer.keys, layer.values)
    )
    assert steps[-1].cache.nbytes == nbytes
    assert all(step.seconds > 0 for step in steps)


def test_log_probabilities_add_up(llama: Any) -> None:
    total = 0.0
    for step in llama.decode(TEXT, Sample(temperature=3.0, top_k=9, max_new_tokens=5)):
        own = float(step.logits.log_softmax(-1)[step.token_id])
        total += own
        assert step.log_prob == pytest.approx(own, abs=1e-5)
        assert step.cumulative_log_prob == pytest.approx(total, abs=1e-5)
        assert step.text == llama.tokenizer.decode(step.written)


def test_another_strategy_is_tried_without_a_forward_pass(llama: Any) -> None:
    step = next(llama.decode(TEXT, Greedy()))
    other = step.distribution(Sample(temperature=0.5, top_k=3))
    expected = (step.logits / 0.5).topk(3)
    assert other.n_kept == 3
    assert torch.allclose(
        other.filtered.probabilities[expected.indices], expected.values.softmax(-1), atol=1e-6
    )
    assert {c.cut for c in other.candidates(10)} == {Cut.KEPT, Cut.TOP_K}
    assert step.candidates[0].token_id == step.token_id


# -- forks and forced tokens ----------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Greedy(max_new_tokens=9), Sample(seed=5, max_new_tokens=9)])
def test_a_fork_is_what_decoding_from_scratch_gives(model: Any, strategy: Any) -> None:
    decoding = model.decode(TEXT, strategy)
    steps = list(decoding)
    other = steps[3].candidates[1].token_id
    fork = decoding.fork(3, other)
    new = list(fork)
    prefix = [*(step.token_id for step in steps[:3]), other]
    scratch = list(model.decode(TEXT, strategy, target_prefix=prefix))
    assert [step.token_id for step in fork.steps] == [step.token_id for step in scratch]
    assert fork.steps[:3] == decoding.steps[:3]
    assert new == list(fork.steps[3:])
    assert [step.is_forced for step in new] == [True] + [False] * (len(new) - 1)
    for mine, theirs in zip(fork.steps, scratch, strict=True):
        assert torch.allclose(mine.logits, theirs.logits, atol=1e-4)
        assert mine.cache == theirs.cache
        assert mine.cumulative_log_prob == pytest.approx(theirs.cumulative_log_prob, abs=1e-3)
    for site in new[-1].sites:
        row = new[-1].pattern(site, layer=1)
        assert torch.allclose(row, scratch[-1].pattern(site, layer=1), atol=1e-5)


def test_a_fork_leaves_the_text_that_it_came_from_alone(llama: Any) -> None:
    alone = [step.token_id for step in llama.decode(TEXT, Greedy(max_new_tokens=8))]
    decoding = llama.decode(TEXT, Greedy(max_new_tokens=8))
    for _ in range(4):
        next(decoding)
    fork = decoding.fork(1, 7)
    next(fork)
    next(fork)
    assert [step.token_id for step in [*decoding.steps, *decoding]] == alone
    rest = [step.token_id for step in decoding.fork(2)]
    assert rest == alone[2:]


def test_a_forced_token_is_written_and_gone_on_from(llama: Any) -> None:
    decoding = llama.decode(TEXT, Greedy(max_new_tokens=6))
    first = next(decoding)
    decoding.force(9)
    decoding.force(8)
    rest = list(decoding)
    assert [step.token_id for step in rest[:2]] == [9, 8]
    assert [step.is_forced for step in rest] == [True, True, False, False, False]
    prefix = [first.token_id, 9, 8]
    scratch = llama.decode(TEXT, Greedy(max_new_tokens=6), target_prefix=prefix)
    assert [step.token_id for step in scratch] == list(decoding.token_ids)


def test_a_forced_end_token_ends_the_text(marian: Any) -> None:
    decoding = marian.decode(TEXT)
    next(decoding)
    decoding.force(marian.module.generation_config.eos_token_id)
    assert next(decoding).ended == "eos"
    assert decoding.ended == "eos"
    with pytest.raises(StopIteration):
        next(decoding)
    with pytest.raises(InputError, match="has ended"):
        decoding.force(3)


def test_a_prefix_of_words_is_written_first(marian: Any) -> None:
    decoding = marian.decode(TEXT, Greedy(max_new_tokens=9), target_prefix="Le chat")
    forced = [step.token_id for step in decoding if step.is_forced]
    assert forced == list(marian.tokenizer.encode_target("Le chat").ids[:-1])
    assert decoding.text.startswith("Le chat")


@pytest.mark.parametrize("token_id", [-1, 10**6])
def test_a_token_that_is_none_is_refused(llama: Any, token_id: int) -> None:
    decoding = llama.decode(TEXT)
    next(decoding)
    for ask in (decoding.force, lambda i: decoding.fork(0, i)):
        with pytest.raises(InputError, match="no token"):
            ask(token_id)
    with pytest.raises(InputError, match="no step 5"):
        decoding.fork(5)


# -- how it ends ----------------------------------------------------------------------------


def test_a_text_ends_where_the_model_is_full(llama: Any) -> None:
    decoding = llama.decode("a b " * 28)
    n_prompt = len(llama.tokenizer.encode("a b " * 28))
    assert len(list(decoding)) == 128 - n_prompt
    assert decoding.ended == "limit"


def test_settings_of_the_model_limit_its_texts(marian: Any) -> None:
    with settings(marian, max_length=6, eos_token_id=None):
        assert len(list(marian.decode(TEXT))) == 5
        assert len(list(marian.decode(TEXT, Greedy(max_new_tokens=8)))) == 8


def test_stopping_ends_before_the_next_step(llama: Any) -> None:
    decoding = llama.decode(TEXT)
    next(decoding)
    thread = threading.Thread(target=decoding.stop)
    thread.start()
    thread.join()
    assert list(decoding) == []
    assert decoding.ended == "stopped"
    asked = iter([False, False, True])
    assert len(list(llama.decode(TEXT, should_stop=lambda: next(asked)))) == 2


def test_nothing_runs_or_stays_after_a_text_is_dropped(llama: Any) -> None:
    threads = threading.active_count()
    decoding = llama.decode(TEXT)
    logits = weakref.ref(next(decoding).logits)
    assert threading.active_count() == threads
    del decoding
    gc.collect()
    assert logits() is None


def test_two_threads_write_their_own_texts(llama: Any) -> None:
    texts = [TEXT, "Attention is all you need: every query reads from the keys."]
    strategy = Greedy(max_new_tokens=20)
    alone = [list(llama.decode(text, strategy)) for text in texts]
    together: dict[int, list[Any]] = {}

    def write(index: int) -> None:
        together[index] = list(llama.decode(texts[index], strategy))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, steps in enumerate(alone):
        assert [s.token_id for s in together[index]] == [s.token_id for s in steps]
        row = together[index][-1].pattern("decoder", layer=1)
        assert torch.equal(row, steps[-1].pattern("decoder", layer=1))


# -- what cannot be -------------------------------------------------------------------------


def test_without_recording_only_the_tokens_are_known(llama: Any) -> None:
    strategy = Greedy(max_new_tokens=4)
    decoding = llama.decode(TEXT, strategy, is_recording=False)
    steps = list(decoding)
    assert [s.token_id for s in steps] == [s.token_id for s in llama.decode(TEXT, strategy)]
    for ask in (
        lambda s: s.logits,
        lambda s: s.candidates,
        lambda s: s.pattern("decoder", layer=0),
        lambda s: s.trace,
        lambda s: s.lens,
    ):
        with pytest.raises(NotInTraceError, match="without recording"):
            ask(steps[0])
    with pytest.raises(InputError, match="recorded"):
        decoding.fork(1)


def test_a_step_has_no_other_sites_and_layers(llama: Any) -> None:
    step = next(llama.decode(TEXT))
    for site, layer in (("cross", 0), ("encoder", 0), ("decoder", 2), ("decoder", -1)):
        with pytest.raises(NotInTraceError, match="decoder 0 to 1"):
            step.pattern(site, layer=layer)
    with pytest.raises(NotInTraceError, match="no head 9"):
        step.pattern("decoder", layer=0, head=9)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", EmptyInputError),
        (" \n", EmptyInputError),
        ("word " * 999, TextTooLongError),
        ("\ud83d", InputError),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_at_once(
    llama: Any, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        llama.decode(text)


def test_a_text_that_fills_the_model_leaves_no_room(llama: Any) -> None:
    full = llama.tokenizer.from_ids([70] * 128)
    with pytest.raises(InputError, match="all 128 positions"):
        llama.decode(full)


def test_a_model_that_cannot_write_says_which_can(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.raises(InputError, match="no decoder.*smollm2"):
        load(make_tiny("bert", folder / "bert")).decode(TEXT)
    with pytest.raises(InputError, match="no decoder"):
        load(make_tiny("vit", folder / "vit")).decode(TEXT)


def test_settings_that_are_not_followed_are_named(marian: Any) -> None:
    with settings(marian, encoder_no_repeat_ngram_size=3):
        assert "encoder_no_repeat_ngram_size = 3" in marian.decode(TEXT).notes[0]
    assert marian.decode(TEXT).notes == ()
