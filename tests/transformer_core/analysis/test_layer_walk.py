"""A layer's walk is what the model's own modules read and wrote, to the bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.support.tiny_models import TEXT_KINDS, make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.analysis.layer_walk import walk
from transformer_core.errors import NotInTraceError
from transformer_core.models.loading import load
from transformer_core.tracing import parts as parts_module
from transformer_core.tracing.parts import bias_of, watch_parts, weight_of
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."
POST = {"bert", "distilbert", "roberta", "electra", "marian", "bart"}
GATED = {"llama", "qwen3", "gemma3", "mistral"}


def walked(model: Any, trace: Trace, stack: str, layer: int) -> Any:
    place = (stack, layer)
    return walk(watch_parts(model, trace, layers={place}), place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.mark.parametrize("kind", [*TEXT_KINDS, "ours"])
def test_every_sum_is_the_models_own_to_the_bit(kind: str, folder: Path) -> None:
    path = folder / kind
    model = load(str(make_translator(path) if kind == "ours" else make_tiny(kind, path)))
    trace = model.trace(TEXT)
    for stack in (site for site in trace.sites if site != "cross"):
        found = walked(model, trace, stack, 1)
        assert torch.equal(found.resid_pre, trace.resid(stack, layer=0))
        assert torch.equal(found.resid_post, trace.resid(stack, layer=1))
        assert found.difference == 0.0
        assert found.scheme == ("post" if kind in POST else "pre")
        assert found.is_parallel == (kind == "gpt_neox")
        kinds = [block.kind for block in found.blocks]
        has_cross = stack == "decoder" and "cross" in trace.sites
        assert kinds == ["attention", *["cross"][: int(has_cross)], "feed-forward"]
        for block in found.blocks:
            if not found.is_parallel:
                total = found.entering(block) + block.written
                assert torch.equal(total, block.total)
        ff = found.block("feed-forward").ff
        assert ff.is_gated == (kind in GATED)
        assert torch.equal(ff.post, trace.ff(stack, layer=1))


@pytest.mark.parametrize(
    ("kind", "mid", "activation"), [("gpt2", "ln_2", "mlp.act"), ("bert", "", "")]
)
def test_the_stream_in_the_middle_is_what_the_second_norm_meets(
    kind: str, mid: str, activation: str, tmp_path: Path
) -> None:
    """Against hooks of the test's own on modules that are named by hand."""
    model: Any = load(str(make_tiny(kind, tmp_path / kind)))
    trace = model.trace(TEXT)
    layers = model.module.transformer.h if kind == "gpt2" else model.module.bert.encoder.layer
    norm = layers[1].ln_2 if kind == "gpt2" else layers[1].attention.output.LayerNorm
    seen: dict[str, Tensor] = {}
    with norm.register_forward_hook(
        lambda _, args, out: seen.update(entering=args[0][0], leaving=out[0])
    ):
        model.trace(trace.source)
    found = walked(model, trace, "decoder" if kind == "gpt2" else "encoder", 1)
    attention = found.block("attention")
    assert torch.equal(attention.total, seen["entering"])
    resid_mid = seen["entering"] if kind == "gpt2" else seen["leaving"]
    assert torch.equal(attention.leaving, resid_mid)
    assert mid == "" or torch.equal(found.block("feed-forward").reads, seen["leaving"])
    assert activation == "" or torch.equal(
        found.block("feed-forward").ff.post,
        layers[1].mlp.act(found.block("feed-forward").ff.pre),
    )


def test_a_gate_multiplies_what_was_activated(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("llama", tmp_path / "llama")))
    ff = walked(model, model.trace(TEXT), "decoder", 0).block("feed-forward").ff
    mlp = model.module.model.layers[0].mlp
    assert ff.function == type(mlp.act_fn).__name__
    assert torch.equal(mlp.act_fn(ff.pre) * ff.up, ff.post)


def test_the_heads_and_the_bias_add_up_to_what_attention_writes(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("marian", tmp_path / "marian")))
    trace = model.trace(TEXT)
    found = walked(model, trace, "decoder", 2)
    for kind, site in (("attention", "decoder"), ("cross", "cross")):
        block = found.block(kind)
        bias = bias_of(block.out)
        assert bias is not None
        total = trace.head_output(site, layer=2).sum(0) + bias
        torch.testing.assert_close(total, block.written, rtol=1e-5, atol=1e-5)
        z = trace.record(site, layer=2).z
        assert z is not None
        assert torch.equal(block.out.entering, z.transpose(0, 1).flatten(1))


def test_weights_of_either_layout_are_x_times_w(tmp_path: Path) -> None:
    for kind in ("gpt2", "bert"):  # Conv1D and Linear
        model: Any = load(str(make_tiny(kind, tmp_path / kind)))
        trace = model.trace(TEXT)
        block = walked(model, trace, trace.sites[0], 0).block("feed-forward")
        rebuilt = block.out.entering @ weight_of(block.out) + bias_of(block.out)
        torch.testing.assert_close(rebuilt, block.out.leaving, rtol=1e-5, atol=1e-5)


def test_a_layer_that_does_more_is_refused_with_what_was_missing(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path / "bert")))

    class Scaled(nn.Module):
        """A norm whose input is not the plain sum."""

        def __init__(self, norm: nn.LayerNorm) -> None:
            super().__init__()
            self.inner = norm

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(1.5 * x)  # type: ignore[no-any-return]

    output = model.module.bert.encoder.layer[1].attention.output
    output.LayerNorm = Scaled(output.LayerNorm)
    trace = model.trace(TEXT)
    with pytest.raises(NotInTraceError, match=r"Layer 1 of the encoder \(BertLayer\).*the sum of"):
        walked(model, trace, "encoder", 1)


def test_a_mixture_of_experts_is_refused_by_name(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path / "bert")))
    layer = model.module.bert.encoder.layer[0]
    layer.intermediate.dense = nn.Sequential(
        nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 64)
    )
    with pytest.raises(NotInTraceError, match="mixture of experts"):
        walked(model, model.trace(TEXT), "encoder", 0)


def test_a_layer_that_was_not_watched_says_so(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path / "bert")))
    parts = watch_parts(model, model.trace(TEXT), layers={("encoder", 0)})
    with pytest.raises(NotInTraceError, match="Layer 1 of the encoder was not watched"):
        walk(parts, ("encoder", 1))
    with pytest.raises(NotInTraceError, match="has no cross block"):
        walk(parts, ("encoder", 0)).block("cross")


def test_watching_leaves_no_hooks_behind_and_sees_its_own_call_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path / "bert")))
    trace = model.trace(TEXT)
    assert trace.details  # the lasting hooks of detailed captures are there from here on
    before = sum(len(part._forward_hooks) for part in model.module.modules())
    whole = watch_parts(model, trace)
    assert sum(len(part._forward_hooks) for part in model.module.modules()) == before
    # A call that another thread makes meanwhile looks like one with nothing being watched.
    monkeypatch.setattr(parts_module, "_watching", _Nobody())
    assert whole.noted
    assert watch_parts(model, trace).noted == []


class _Nobody:
    """A context variable that is never this call's."""

    def get(self) -> None:
        return None

    def set(self, value: object) -> None:
        """Forget it."""

    def reset(self, token: object) -> None:
        """Nothing to undo."""


def test_one_position_is_the_row_of_all(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("opt", tmp_path / "opt")))
    trace = model.trace(TEXT)
    whole, row = (watch_parts(model, trace, position=p) for p in (None, 2))
    first, second = (walk(parts, ("decoder", 1)) for parts in (whole, row))
    assert torch.equal(first.blocks[1].total[2:3], second.blocks[1].total)


def test_a_trace_that_cannot_be_run_again_says_so(tmp_path: Path) -> None:
    model: Any = load(str(make_tiny("bert", tmp_path / "bert")))
    bare = replace(model.trace(TEXT), recompute=None)
    with pytest.raises(NotInTraceError, match="running the text again"):
        watch_parts(model, bare)
