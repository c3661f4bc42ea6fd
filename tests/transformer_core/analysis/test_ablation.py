"""Switching heads off, held against models whose output projection does not get the head's z."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.tiny_models import D_MODEL, N_HEADS, make_tiny
from transformer_core.analysis import ablation
from transformer_core.analysis.ablation import (
    EmbeddingEffect,
    NextTokenEffect,
    TargetEffect,
    divergence,
    effect_on,
    head_importance,
    switch_off,
)
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."
D_HEAD = D_MODEL // N_HEADS


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tiny")
    return {kind: load(make_tiny(kind, folder / kind)) for kind in ("bert", "gpt2", "marian")}


@contextmanager
def without_heads(projection: nn.Module, heads: list[int]) -> Iterator[None]:
    """Zero the heads' slices of what goes into an output projection: a plain forward pre-hook."""

    def zero(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        z = args[0].clone()
        for head in heads:
            z[..., head * D_HEAD : (head + 1) * D_HEAD] = 0
        return (z,)

    handle = projection.register_forward_pre_hook(zero)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def plain_logits(model: Any, trace: Trace) -> torch.Tensor:
    """The model's logits, without any capture."""
    inputs = {"input_ids": torch.tensor([trace.source.ids])}
    if trace.target is not None:
        inputs["decoder_input_ids"] = torch.tensor([trace.target.ids])
    logits: torch.Tensor = model.module(**inputs).logits[0]
    return logits


def projections(models: Any) -> list[tuple[str, str, int, nn.Module]]:
    """Kind, site, layer and output projection of some attention modules."""
    bert, gpt2, marian = (models[kind].module for kind in ("bert", "gpt2", "marian"))
    return [
        ("bert", "encoder", 0, bert.bert.encoder.layer[0].attention.output.dense),
        ("bert", "encoder", 1, bert.bert.encoder.layer[1].attention.output.dense),
        ("gpt2", "decoder", 1, gpt2.transformer.h[1].attn.c_proj),
        ("marian", "encoder", 0, marian.model.encoder.layers[0].self_attn.out_proj),
        ("marian", "decoder", 2, marian.model.decoder.layers[2].self_attn.out_proj),
        ("marian", "cross", 1, marian.model.decoder.layers[1].encoder_attn.out_proj),
    ]


def traced(models: Any, kind: str) -> Trace:
    target = "A cat." if kind == "marian" else None
    trace: Trace = models[kind].trace(TEXT, target)
    return trace


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize("heads", [[2], [0, 3]])
def test_a_head_off_equals_a_projection_that_does_not_get_it(
    models: Any, case: int, heads: list[int]
) -> None:
    kind, site, layer, projection = projections(models)[case]
    plain = traced(models, kind)
    changed = switch_off(models[kind], plain, site, {(layer, head): "zero" for head in heads})
    with without_heads(projection, heads):
        expected = plain_logits(models[kind], plain)
    assert changed.logits is not None
    assert (changed.logits - expected).abs().max() <= 1e-5
    assert (changed.logits - plain_logits(models[kind], plain)).abs().max() > 1e-2


def test_nothing_off_changes_nothing(models: Any) -> None:
    for kind in ("bert", "gpt2", "marian"):
        plain = traced(models, kind)
        effect = effect_on(models[kind], plain, switch_off(models[kind], plain, plain.sites[0], {}))
        assert effect.size == pytest.approx(0, abs=1e-9)


def test_an_encoder_is_measured_on_its_sentence_embedding(models: Any) -> None:
    plain = traced(models, "bert")
    changed = switch_off(models["bert"], plain, "encoder", {(0, 1): "zero", (1, 2): "mean"})
    effect = effect_on(models["bert"], plain, changed)
    assert isinstance(effect, EmbeddingEffect)
    before, after = (t.resid("encoder", layer=1) for t in (plain, changed))
    a, b = before.mean(0), after.mean(0)
    assert effect.size == pytest.approx(1 - float(a @ b / (a.norm() * b.norm())), abs=1e-5)
    assert effect.tokens[2] == pytest.approx(
        float((after[2] - before[2]).norm() / before[2].norm()), abs=1e-5
    )
    assert effect.size > 1e-4


def test_a_decoder_is_measured_on_the_next_token(models: Any) -> None:
    plain = traced(models, "gpt2")
    changed = switch_off(models["gpt2"], plain, "decoder", {(1, 0): "uniform"})
    effect = effect_on(models["gpt2"], plain, changed, n_candidates=3)
    assert isinstance(effect, NextTokenEffect)
    assert plain.logits is not None
    assert changed.logits is not None
    p, q = (t[-1].softmax(-1) for t in (plain.logits, changed.logits))
    assert effect.size == pytest.approx(float((p * (p / q).log2()).sum()), rel=1e-4)
    assert set(p.topk(3).indices.tolist()) | set(q.topk(3).indices.tolist()) == set(
        effect.ids.tolist()
    )
    assert torch.equal(effect.before, p[effect.ids])
    names = models["gpt2"].tokenizer.from_ids(effect.ids.tolist()).display
    assert [name.strip() for name in effect.names] == [name.strip() for name in names]
    assert torch.equal(effect.after, q[effect.ids])
    assert torch.equal(effect.before, effect.before.sort(descending=True).values)


def test_an_encoder_decoder_is_measured_on_its_target(models: Any) -> None:
    plain = traced(models, "marian")
    assert plain.target is not None
    changed = switch_off(models["marian"], plain, "cross", {(0, 0): "zero"})
    effect = effect_on(models["marian"], plain, changed)
    assert isinstance(effect, TargetEffect)
    assert plain.logits is not None
    assert changed.logits is not None
    second = plain.target.ids[1]
    assert effect.before[0] == pytest.approx(float(plain.logits[0].softmax(-1)[second]), abs=1e-6)
    assert effect.after[0] == pytest.approx(float(changed.logits[0].softmax(-1)[second]), abs=1e-6)
    assert len(effect.before) == len(plain.target) - 1
    assert len(effect.bits) == len(plain.target)
    assert effect.size == pytest.approx(float(effect.bits.mean()))


@pytest.mark.parametrize("mode", ["zero", "mean", "uniform"])
@pytest.mark.parametrize(("kind", "site"), [("bert", "encoder"), ("marian", "cross")])
def test_a_sweep_in_batches_equals_each_head_alone(
    models: Any, monkeypatch: pytest.MonkeyPatch, mode: Any, kind: str, site: str
) -> None:
    plain = traced(models, kind)
    monkeypatch.setattr(ablation, "MAX_COPIES", 5)  # batches that end in the middle of a layer
    swept = head_importance(models[kind], plain, site, mode=mode)
    assert swept.shape == (plain.n_layers(site), plain.n_heads(site))
    for layer, head in ((0, 0), (0, 3), (1, 1), (1, 3)):
        off = switch_off(models[kind], plain, site, {(layer, head): mode})
        alone = effect_on(models[kind], plain, off)
        assert swept[layer, head] == pytest.approx(alone.size, rel=1e-3, abs=1e-7)
    assert len({round(value, 9) for value in swept.flatten().tolist()}) == swept.numel()


def test_a_sweep_goes_on_where_it_was_stopped(models: Any) -> None:
    plain = traced(models, "bert")
    done = [(0, 0), (1, 3)]
    found = [
        head
        for some in ablation.sweep(models["bert"], plain, "encoder", done=done)
        for head in some
    ]
    assert sorted([*found, *done]) == [(layer, head) for layer in range(2) for head in range(4)]


def test_divergence_is_the_textbook_s() -> None:
    before, after = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.75, 0.25]).log()
    expected = 0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)
    assert float(divergence(before, after)) == pytest.approx(expected, abs=1e-6)
    assert float(divergence(before, before)) == 0
    impossible = torch.tensor([0.0, -torch.inf])
    assert float(divergence(impossible, torch.zeros(2))) == pytest.approx(1.0)


def test_other_tokens_and_imported_matrices_are_refused(models: Any) -> None:
    with pytest.raises(InputError, match="different tokens"):
        effect_on(models["bert"], models["bert"].trace("The cat"), models["bert"].trace("The mat"))
    matrix = Trace.from_patterns(
        {"encoder": torch.full((1, 1, 2, 2), 0.5)}, source=Tokens.from_labels(["a", "b"])
    )
    with pytest.raises(InputError, match="text only"):
        switch_off(models["bert"], matrix, "encoder", {(0, 0): "zero"})


@pytest.mark.parametrize("mode", ["zero", "mean", "uniform"])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_proof_holds_for_what_was_switched_and_fails_for_anything_else(
    models: Any, mode: Any, kind: str
) -> None:
    plain = traced(models, kind)
    site, off = plain.sites[0], {(0, 1): mode, (1, 2): mode}
    changed = switch_off(models[kind], plain, site, off)
    assert [check.is_ok for check in ablation.prove_off(plain, changed, site, off)] == [True, True]
    wrong = ablation.prove_off(plain, changed, site, {(0, 3): mode})
    assert [check.is_ok for check in wrong] == [False, False]
    assert ablation.prove_off(plain, changed, site, {}) == []
