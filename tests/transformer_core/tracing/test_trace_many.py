"""Texts of many people in one pass: each trace is what its text alone would have given."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.tiny_models import ENCODER_DECODER_KINDS, TEXT_KINDS, make_tiny
from tests.support.tiny_translator import TEXTS as SOURCES
from tests.support.tiny_translator import make_translator
from transformer_core.errors import TransformerCoreError
from transformer_core.models.loading import load
from transformer_core.tracing.batching import difference
from transformer_core.tracing.trace import Trace

TEXTS = ["The cat sat on the mat, it was tired.", "A cat.", "The dog was on the mat."]
TARGETS = ["A mat.", "The cat sat on it.", "It was."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {kind: make_tiny(kind, root / kind) for kind in TEXT_KINDS}


def fresh(folders: dict[str, Path], kind: str) -> Any:
    return load(str(folders[kind]))


def assert_same(found: Trace, alone: Trace) -> None:
    """Shapes, masks and everything kept; numbers to 1e-5."""
    assert (found.tokens, found.target_tokens) == (alone.tokens, alone.target_tokens)
    assert found.sites == alone.sites
    for site in alone.sites:
        for layer in range(alone.n_layers(site)):
            one, two = found.light(site, layer), alone.light(site, layer)
            assert (one.q.shape, one.k.shape) == (two.q.shape, two.k.shape)
            assert (one.mask is None, one.is_causal) == (two.mask is None, two.is_causal)
            assert (one.bias is None) == (two.bias is None)
            close(found.pattern(site, layer=layer), alone.pattern(site, layer=layer))
            for name in ("v", "z"):
                if not found.is_detailed:
                    close(getattr(one, name), getattr(two, name))
                ours = getattr(found.record(site, layer=layer), name)
                close(ours, getattr(alone.record(site, layer=layer), name))
            close(found.head_output(site, layer=layer), alone.head_output(site, layer=layer))
            if site != "cross":
                close(found.ff(site, layer=layer), alone.ff(site, layer=layer))
                close(found.resid(site, layer=layer), alone.resid(site, layer=layer))
    for name in ("kept_logits", "kept_next", "logits", "next_logits"):
        one, two = getattr(found, name), getattr(alone, name)
        assert (one is None) == (two is None), name
        if one is not None:
            close(one, two)


def close(found: Any, expected: Any) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("detailed", [False, True])
@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_batch_gives_each_text_the_trace_of_its_own(
    kind: str, detailed: bool, folders: dict[str, Path]
) -> None:
    model = fresh(folders, kind)
    targets = TARGETS if kind in ENCODER_DECODER_KINDS else None
    traces = model.trace_many(TEXTS, targets, detailed=detailed)
    assert model.is_batched, "padding was found to change this model"
    assert all(trace.is_detailed is detailed for trace in traces)
    for trace, text, target in zip(traces, TEXTS, targets or [None] * 3, strict=True):
        assert_same(trace, model.trace(text, target))


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "marian", "t5"])
def test_a_trace_owns_its_memory(kind: str, folders: dict[str, Path]) -> None:
    model = fresh(folders, kind)
    targets = TARGETS if kind in ENCODER_DECODER_KINDS else None
    traces = model.trace_many(TEXTS, targets)
    for trace, text, target in zip(traces, TEXTS, targets or [None] * 3, strict=True):
        assert trace.nbytes <= model.trace(text, target).nbytes
    details = model.trace_many(TEXTS, targets, detailed=True)[1].details
    texts = [details.logits, *details.ff[trace.sites[0]], *details.resid[trace.sites[0]]]
    texts += [t for r in details.attention[trace.sites[0]] for t in (r.q, r.k, r.v, r.z)]
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in texts if t is not None)
    others = [weakref.ref(t) for t in traces[1:]]
    storages = [
        {
            t.untyped_storage().data_ptr()
            for r in trace.attention[trace.sites[0]]
            for t in (r.q, r.k)
        }
        for trace in traces
    ]
    assert not storages[0] & storages[1]
    first = traces[0]
    gc.disable()  # the server's heap is frozen: what only a collection frees would stay
    try:
        del traces, trace
        assert [ref() for ref in others] == [None, None]
    finally:
        gc.enable()
    assert first.details is not None


def test_details_run_the_model_on_one_text_alone(folders: dict[str, Path]) -> None:
    model = fresh(folders, "bert")
    traces = model.trace_many(TEXTS)
    sizes: list[int] = []
    model.module.register_forward_pre_hook(
        lambda _, __, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
    )
    assert traces[1].details is traces[1].details
    assert sizes == [1]


def test_large_logits_are_kept_as_one_text_would_keep_them(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh(folders, "gpt2")
    n_bytes = model.module.config.vocab_size * 4
    monkeypatch.setattr("transformer_core.tracing.huggingface.MAX_KEPT_LOGITS", 6 * n_bytes)
    for trace, text in zip(model.trace_many(TEXTS), TEXTS, strict=True):
        alone = model.trace(text)
        assert (trace.kept_logits is None) == (len(trace.source) > 6)
        assert_same(trace, alone)


def test_our_own_translator_writes_and_reads_in_one_batch(tmp_path: Path) -> None:
    model: Any = load(str(make_translator(tmp_path)))
    for trace, text in zip(model.trace_many(SOURCES), SOURCES, strict=True):
        assert_same(trace, model.trace(text))
    assert model.is_batched


class Leaky(nn.Module):
    """Embeddings that take in their right neighbour, as a convolution does."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        x: torch.Tensor = self.inner(*args, **kwargs)
        return x + torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)


def test_a_model_that_padding_changes_reads_one_text_at_a_time(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    model = fresh(folders, "bert")
    base = model.module.bert
    base.embeddings = Leaky(base.embeddings)
    traces = model.trace_many(TEXTS)
    assert model.is_batched is False
    assert "one text at a time" in caplog.text.replace("texts one", "one text")
    for trace, text in zip(traces, TEXTS, strict=True):
        assert difference(trace, model.trace(text)) == 0


def test_a_model_that_cannot_run_a_batch_reads_one_text_at_a_time(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh(folders, "bert")
    forward = model.module.forward

    def only_one(input_ids: torch.Tensor, **options: Any) -> Any:
        if len(input_ids) > 1:
            raise RuntimeError("one row, please")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model.module, "forward", only_one)
    assert [t.text for t in model.trace_many(TEXTS)] == TEXTS
    assert model.is_batched is False


def test_equal_lengths_prove_nothing_about_padding(folders: dict[str, Path]) -> None:
    model = fresh(folders, "bert")
    model.trace_many([TEXTS[0], TEXTS[0]])
    assert model.is_batched is None
    model.trace_many(TEXTS)
    assert model.is_batched


def test_one_bad_text_fails_the_call_and_none_or_one_is_simple(folders: dict[str, Path]) -> None:
    model = fresh(folders, "bert")
    assert model.trace_many([]) == []
    assert model.trace_many(["A cat."])[0].tokens == model.trace("A cat.").tokens
    with pytest.raises(TransformerCoreError):
        model.trace_many(["A cat.", ""])
