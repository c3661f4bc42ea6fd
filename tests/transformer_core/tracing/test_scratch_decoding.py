"""Our own model writes step by step: the same text, numbers and traces as in one go."""

import pytest
import torch

from tests.support.letters import Card, Letters
from tests.support.weights import ids, randomise, tiny_config
from transformer_core.decoding.strategies import Beam, Greedy, Sample
from transformer_core.errors import InputError
from transformer_core.model import Transformer
from transformer_core.tracing.scratch import ScratchModel

SOURCE = "a b c d e f g"
POSITIONS = pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "alibi"])


@torch.no_grad()
def model_of(**changes: object) -> ScratchModel:
    """A model whose texts vary: what all positions have in common is out of the logits."""
    shape = {"is_tied": False, "has_output_bias": True} | changes
    module = Transformer(tiny_config(**shape)).eval()
    randomise(module)
    bias = module.unembedding.bias
    assert bias is not None
    if module.config.sites == ("encoder", "decoder", "cross"):
        bias -= module(ids(40, 8), ids(40, 9, seed=1), src_mask=None).mean(dim=(0, 1))
    return ScratchModel(module, Letters(), Card())  # type: ignore[arg-type]


def best(logits: torch.Tensor) -> list[int]:
    """The most probable token of each row, neither padding nor the start token."""
    chosen: list[int] = (logits[:, 2:].argmax(-1) + 2).tolist()
    return chosen


@POSITIONS
def test_step_by_step_is_what_is_written_in_one_go(positions: str) -> None:
    model = model_of(positions=positions)
    for strategy in (Greedy(12), Greedy(12, repetition_penalty=1.5)):
        (whole,) = model.write([model.tokenizer.encode(SOURCE).ids], strategy)
        decoding = model.decode(SOURCE, strategy)
        steps = list(decoding)
        written = [s.token_id for s in steps][: len(whole.ids)]
        assert tuple(written) == whole.ids
        assert (decoding.ended == "eos") != whole.is_cut


@POSITIONS
def test_the_trace_of_a_step_is_that_of_what_was_read(positions: str) -> None:
    model = model_of(positions=positions)
    *_, last = model.decode(SOURCE, Greedy(8))
    found = last.trace
    assert found.target is not None
    assert len(found.target) == 8  # the start token and the seven before the last
    expected = model.trace(found.source, found.target)
    for site in expected.sites:
        for layer in range(expected.n_layers(site)):
            pattern = expected.pattern(site, layer=layer)
            assert (found.pattern(site, layer=layer) - pattern).abs().max() <= 1e-5
    assert torch.allclose(found.resid("decoder", layer=1), expected.resid("decoder", layer=1))


def test_a_fork_goes_on_by_itself() -> None:
    model = model_of()
    decoding = model.decode(SOURCE, Greedy(10))
    steps = list(decoding)
    other = (steps[4].token_id - 2) % 50 + 3
    fork = decoding.fork(4, other)
    list(fork)
    assert fork.token_ids[:5] == (*decoding.token_ids[:4], other)
    prefix = torch.tensor([[1, *fork.token_ids[:-1]]])
    src = torch.tensor([model.tokenizer.encode(SOURCE).ids])
    with torch.inference_mode():
        logits = model.module(src, prefix, src_mask=None)[0]
    assert best(logits)[5:] == list(fork.token_ids[5:])
    assert decoding.token_ids == tuple(s.token_id for s in steps)


def test_beams_are_those_of_the_batch() -> None:
    model = model_of()
    (whole,) = model.write([model.tokenizer.encode(SOURCE).ids], Beam(3, max_new_tokens=9))
    decoding = model.decode(SOURCE, Beam(3, max_new_tokens=9))
    list(decoding)
    assert tuple(i for i in decoding.token_ids if i != 2) == whole.ids


def test_the_cache_is_measured() -> None:
    model = model_of()
    stepper = model.stepper(SOURCE)
    first = stepper.start()
    second = stepper.advance(torch.tensor([5]))
    # 3 layers × keys and values × 32 components × 4 bytes
    assert second.nbytes - first.nbytes == 3 * 2 * 32 * 4
    assert (first.n_pos, second.n_pos) == (1, 2)
    assert first.nbytes == 3 * 2 * 32 * 4 * (1 + 8)


def test_a_decoder_only_model_goes_on_with_a_prompt() -> None:
    model = model_of(n_encoder_layers=0)
    decoding = model.decode("a b c", Greedy(5))
    list(decoding)
    written = decoding.token_ids
    with torch.inference_mode():
        tgt = torch.tensor([[3, 4, 5, *written[:-1]]])
        logits = model.module.unembed(model.module.decode(tgt, None, src_mask=None))[0]
    assert best(logits)[2:] == list(written)
    found = decoding.steps[-1].trace
    expected = model.trace(found.source)
    difference = found.pattern("decoder", layer=1) - expected.pattern("decoder", layer=1)
    assert difference.abs().max() <= 1e-5


def test_an_encoder_cannot_write() -> None:
    with pytest.raises(InputError, match="has no decoder"):
        model_of(n_decoder_layers=0).decode(SOURCE)


def test_sampling_repeats_with_its_seed() -> None:
    model = model_of()
    texts = [
        [s.token_id for s in model.decode(SOURCE, Sample(seed=i, max_new_tokens=9))]
        for i in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
