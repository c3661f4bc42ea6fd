"""A trace as a user holds it: interventions, files, imported matrices, memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.proof import prove
from transformer_core.errors import FileFormatError, InputError, NotInTraceError
from transformer_core.models.loading import load
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import AblateHead, ReplacePattern, TopKKeys, ZeroValue
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.seat import MAX_WITH_VALUES
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TraceableModel:
    return load(make_tiny("llama", tmp_path_factory.mktemp("tiny") / "llama"))


@pytest.mark.parametrize("mode", ["zero", "mean", "uniform"])
def test_an_ablated_head_writes_what_its_mode_says(model: TraceableModel, mode: str) -> None:
    plain = model.trace(TEXT).record("decoder", layer=1)
    changed = model.trace(TEXT, interventions=[AblateHead("decoder", 1, 2, mode)])  # type: ignore[arg-type]
    z = changed.record("decoder", layer=1).z
    assert z is not None and plain.z is not None
    if mode == "zero":
        assert bool((z[2] == 0).all())
    elif mode == "mean":
        assert torch.allclose(z[2], plain.z[2].mean(0).expand_as(z[2]), atol=1e-6)
    else:
        n = torch.arange(1, z.shape[1] + 1)[:, None]
        assert torch.allclose(z[2], plain.values(2).cumsum(0) / n, atol=1e-5)
    assert torch.equal(z[1], plain.z[1])
    assert not torch.equal(changed.logits, model.trace(TEXT).logits)  # type: ignore[arg-type]


def test_a_replaced_pattern_is_the_one_that_is_used(model: TraceableModel) -> None:
    n = len(model.trace(TEXT).tokens)
    wanted = torch.zeros(n, n)
    wanted[:, 0] = 1
    trace = model.trace(TEXT, interventions=[ReplacePattern("decoder", 0, 1, wanted)])
    record = trace.record("decoder", layer=0)
    assert torch.equal(trace.pattern("decoder", layer=0, head=1), wanted)
    assert record.z is not None
    assert torch.allclose(record.z[1], record.values(1)[0].expand_as(record.z[1]), atol=1e-6)


def test_top_k_keeps_the_k_largest_weights_and_renormalises(model: TraceableModel) -> None:
    plain = model.trace(TEXT).pattern("decoder", layer=0, head=0)
    kept = model.trace(TEXT, interventions=[TopKKeys(2)]).pattern("decoder", layer=0, head=0)
    values, where = plain.topk(2, dim=-1)
    expected = torch.zeros_like(plain).scatter(-1, where, values / values.sum(-1, keepdim=True))
    assert torch.allclose(kept, expected, atol=1e-6)
    assert bool(((kept > 0).sum(-1) <= 2).all())


def test_a_zeroed_value_leaves_the_pattern_and_changes_the_output(model: TraceableModel) -> None:
    plain = model.trace(TEXT).record("decoder", layer=0)
    changed = model.trace(TEXT, interventions=[ZeroValue("decoder", 0, 1)])
    record = changed.record("decoder", layer=0)
    assert torch.equal(record.pattern(), plain.pattern())
    assert plain.z is not None and record.z is not None
    lost = plain.pattern(0)[:, 1:2] * plain.values(0)[1]
    assert torch.allclose(record.z[0], plain.z[0] - lost, atol=1e-5)


def test_what_the_heads_write_adds_up_to_the_attention_output(model: TraceableModel) -> None:
    trace = model.trace(TEXT)
    layer = model.module.model.layers[0]  # type: ignore[attr-defined]
    with torch.no_grad():
        z = trace.record("decoder", layer=0).z
        expected = layer.self_attn.o_proj(z.transpose(0, 1).flatten(1))  # type: ignore[union-attr]
    written = trace.head_output("decoder", layer=0).sum(0)
    assert torch.allclose(written, expected, atol=1e-5)


def test_a_saved_trace_is_the_same_when_read(model: TraceableModel, tmp_path: Path) -> None:
    trace = model.trace(TEXT)
    trace.save(tmp_path / "t.npz")
    read = Trace.load(tmp_path / "t.npz")
    assert read.source == trace.source
    for layer in range(2):
        assert torch.equal(
            read.pattern("decoder", layer=layer), trace.pattern("decoder", layer=layer)
        )
        assert torch.equal(read.resid("decoder", layer=layer), trace.resid("decoder", layer=layer))
    assert torch.equal(read.logits, trace.logits)  # type: ignore[arg-type]
    with pytest.raises(NotInTraceError, match="keeps no weights"):
        read.head_output("decoder", layer=0)


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    other, broken = tmp_path / "other.npz", tmp_path / "broken.npz"
    np.savez(other, a=np.zeros(3))
    broken.write_bytes(b"PK\x03\x04 not a zip")
    for path in (other, broken, tmp_path / "missing.npz"):
        with pytest.raises(FileFormatError):
            Trace.load(path)


def test_imported_rows_must_sum_to_one() -> None:
    tokens = Tokens.from_labels(["a", "b"])
    trace = Trace.from_patterns({"encoder": torch.full((1, 1, 2, 2), 0.5)}, source=tokens)
    assert torch.equal(trace.pattern("encoder", layer=0, head=0), torch.full((2, 2), 0.5))
    with pytest.raises(InputError, match="sum to 1"):
        Trace.from_patterns({"encoder": torch.ones(1, 1, 2, 2)}, source=tokens)
    with pytest.raises(InputError, match="query tokens"):
        Trace.from_patterns({"encoder": torch.ones(1, 1, 3, 3) / 3}, source=tokens)


@pytest.mark.parametrize(("n", "kinds"), [(MAX_WITH_VALUES, 2), (MAX_WITH_VALUES + 1, 1)])
def test_a_trace_keeps_queries_and_keys_and_of_a_short_text_what_they_made(
    model: TraceableModel, n: int, kinds: int
) -> None:
    labels = [f"t{i}" for i in range(n)]
    trace = model.trace(replace(Tokens.from_labels(labels), ids=tuple(range(3, n + 3))))
    per_token = 2 * kinds * (4 + 2) * 8 * 4  # layers × kinds × (query + key heads) × d_head
    logits = trace.logits
    assert logits is not None
    assert trace.nbytes == n * per_token + logits.numel() * 4


def test_what_a_short_text_keeps_is_what_a_fuller_pass_gives(model: TraceableModel) -> None:
    trace = model.trace(TEXT)
    for layer in range(trace.n_layers("decoder")):
        light, full = trace.light("decoder", layer), trace.record("decoder", layer=layer)
        assert light.v is not None and full.v is not None
        assert light.z is not None and full.z is not None
        assert torch.equal(light.v, full.v)
        assert torch.equal(light.z, full.z)


def test_a_picture_of_a_short_text_needs_no_second_pass(model: TraceableModel) -> None:
    trace = replace(model.trace(TEXT), recompute=None)
    *_, check = prove(trace, "decoder", layer=1, head=2, with_output=True)
    assert check.name.endswith("the module's output")
    assert check.is_ok
