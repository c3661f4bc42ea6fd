"""The residual stream noted in the very pass that makes a trace, where somebody asks for it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import TEXTS, make_translator
from transformer_core.models.loading import load

TEXT = "The cat sat on the mat, it was tired."


@pytest.fixture(params=["bert", "gpt2", "bart", "own"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "own":
        return load(str(make_translator(tmp_path)))
    return load(str(make_tiny(request.param, tmp_path)))


def text_for(model: Any) -> str:
    return TEXT if hasattr(model, "image_processor") else TEXTS[0]


def test_the_kept_stream_is_that_of_the_fuller_pass(model: Any) -> None:
    trace = model.trace(text_for(model), keep_resid=True)
    assert trace.kept_resid is not None
    for site, stream in trace.details.resid.items():
        kept = [trace.resid(site, layer=layer) for layer in range(-1, trace.n_layers(site))]
        assert len(kept) == len(stream) == trace.n_layers(site) + 1
        for ours, expected in zip(kept, stream, strict=True):
            torch.testing.assert_close(ours, expected)


def test_reading_it_runs_the_model_no_second_time(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = model.trace(text_for(model), keep_resid=True)
    monkeypatch.setattr(model, "_forward", None)
    assert trace.resid(trace.sites[0], layer=0).shape[0] == len(trace.tokens)
    assert not trace.is_detailed


def test_it_counts_in_the_bytes_of_a_trace_and_is_not_kept_unasked(model: Any) -> None:
    plain, kept = (model.trace(text_for(model), keep_resid=keep) for keep in (False, True))
    assert plain.kept_resid is None
    streams = [t for stream in kept.kept_resid.values() for t in stream]
    assert kept.nbytes == plain.nbytes + sum(t.nbytes for t in streams)


def test_without_logits_a_decoder_computes_them_when_they_are_asked_for(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("gpt2", tmp_path)))
    plain, lean = (model.trace(TEXT, keep_logits=keep) for keep in (True, False))
    assert (lean.kept_logits, lean.kept_next) == (None, None)
    assert lean.nbytes == plain.nbytes - plain.kept_logits.nbytes
    torch.testing.assert_close(lean.logits, plain.logits)
    torch.testing.assert_close(lean.next_logits, plain.next_logits)
