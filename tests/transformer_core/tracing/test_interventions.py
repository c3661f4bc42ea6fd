"""Interventions in one input of a batch, refused ones, and what a batch's traces share."""

from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.tracing import huggingface
from transformer_core.tracing.interventions import AblateHead, InItem, TopKKeys, ZeroValue
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def gpt2(folder: Path) -> TraceableModel:
    return load(make_tiny("gpt2", folder / "gpt2"))


@pytest.fixture(scope="module")
def marian(folder: Path) -> TraceableModel:
    return load(make_tiny("marian", folder / "marian"))


def logits(trace: Trace) -> torch.Tensor:
    assert trace.logits is not None
    return trace.logits


def test_each_copy_of_a_batch_gets_its_own_change_only(gpt2: TraceableModel) -> None:
    changes = [
        AblateHead("decoder", 0, 1),
        AblateHead("decoder", 1, 3, "uniform"),
        ZeroValue("decoder", 0, 2),
        TopKKeys(2),
    ]
    batch = [InItem(item, change) for item, change in enumerate(changes)]
    together = gpt2.trace_batch([TEXT] * 5, interventions=batch)
    for trace, change in zip(together, changes, strict=False):
        alone = gpt2.trace(TEXT, interventions=[change])
        assert trace.interventions == (change,)
        assert torch.allclose(logits(trace), logits(alone), atol=1e-5)
        assert not torch.allclose(logits(trace), logits(together[4]), atol=1e-3)
    assert together[4].interventions == ()
    assert torch.allclose(logits(together[4]), logits(gpt2.trace(TEXT)), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (AblateHead("decoder", 9, 0), "no layer 9"),
        (AblateHead("encoder", 0, 0), "sites are decoder"),
        (AblateHead("decoder", 0, 9), "no head 9"),
        (InItem(1, AblateHead("decoder", 0, 0)), "no input 1"),
    ],
)
def test_a_change_that_would_do_nothing_is_refused(
    gpt2: TraceableModel, change: AblateHead | InItem, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        gpt2.trace(TEXT, interventions=[change])


def test_a_mean_over_padding_is_refused(gpt2: TraceableModel) -> None:
    mean = AblateHead("decoder", 0, 0, "mean")
    gpt2.trace_batch([TEXT, TEXT], interventions=[mean])
    with pytest.raises(InputError, match="over padding"):
        gpt2.trace_batch([TEXT, "The cat"], interventions=[mean])


def test_a_batch_computes_its_details_once(
    gpt2: TraceableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    original = gpt2._forward  # type: ignore[attr-defined]

    def counting(*args: object, **options: object) -> object:
        counted.append(options["detailed"])
        return original(*args, **options)

    monkeypatch.setattr(gpt2, "_forward", counting)
    for trace in gpt2.trace_batch([TEXT, "The cat", TEXT]):
        assert trace.resid("decoder", layer=1).shape[0] == len(trace.tokens)
    assert counted == [False, True]


def test_a_trace_s_own_target_is_read_token_by_token(marian: TraceableModel) -> None:
    decoded = marian.trace(TEXT, "The mat sat.")
    again = marian.trace(TEXT, decoded.target)
    assert again.target == decoded.target
    assert torch.equal(logits(again), logits(decoded))


def test_next_logits_are_the_last_row_kept_or_not(
    gpt2: TraceableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gpt2.trace(TEXT)
    monkeypatch.setattr(huggingface, "MAX_KEPT_LOGITS", 0)
    light = gpt2.trace(TEXT)
    assert light.kept_logits is None
    assert light.kept_next is not None
    assert light.next_logits is not None
    assert torch.allclose(light.next_logits, logits(whole)[-1], atol=1e-6)
    assert torch.equal(logits(light), logits(whole))
    long, short = gpt2.trace_batch([TEXT, "The cat"])
    assert long.kept_next is not None
    assert short.kept_next is None  # its last position is not the batch's
    assert short.next_logits is not None
    assert torch.allclose(short.next_logits, logits(gpt2.trace("The cat"))[-1], atol=1e-5)
