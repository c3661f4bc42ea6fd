"""Links cut while a model runs: against the plain function, masks written out, and nothing cut."""

from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.errors import ConfigError
from transformer_core.functional import top_k_sparse_attention
from transformer_core.models.loading import load
from transformer_core.tracing.interventions import InItem
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.sparsity import Blocks, Rule, SparseAttention, TopShare, Window
from transformer_core.tracing.trace import Trace

TEXT = "The cat sat on the mat. The dog ran."
NAMES = ("bert", "llama", "t5", "ours")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, folder: Path) -> TraceableModel:
    name = request.param
    make = make_translator if name == "ours" else lambda path: make_tiny(name, path)
    return load(make(folder / name))


def traced(model: TraceableModel, rule: Rule, text: str = TEXT) -> Trace:
    return model.trace(text, interventions=[SparseAttention(rule)])


def test_nothing_changes_where_nothing_is_dropped(model: TraceableModel) -> None:
    plain = model.trace(TEXT)
    for rule in (TopShare(0.0), Window(500), Blocks(500)):
        cut = model.trace(TEXT, plain.target, interventions=[SparseAttention(rule)])
        for site in plain.sites:
            last = plain.n_layers(site) - 1
            assert (cut.pattern(site, layer=last) - plain.pattern(site, layer=last)).abs().max() < (
                1e-6
            )
        if plain.logits is not None and cut.logits is not None:
            assert (cut.logits - plain.logits).abs().max() <= 1e-6 * plain.logits.abs().max()


@pytest.mark.parametrize("sparsity", [0.25, 0.9])
def test_each_row_keeps_exactly_its_share_and_equals_the_plain_function(
    model: TraceableModel, sparsity: float
) -> None:
    trace = traced(model, TopShare(sparsity))
    for site in trace.sites:
        for layer in range(trace.n_layers(site)):
            pattern = trace.pattern(site, layer=layer)
            n_query, n_key = pattern.shape[1:]
            for row in range(n_query):
                visible = row + 1 if site == "decoder" else n_key
                kept = max(1, int(visible * (1 - sparsity) + 1e-9))
                assert (pattern[:, row] > 0).sum(-1).tolist() == [kept] * len(pattern)
    site = trace.sites[0]
    record = trace.record(site, layer=0)
    if record.bias is None and record.z is not None:
        whole = model.trace(TEXT, trace.target).record(site, layer=0)
        seen = torch.ones(record.n_query, record.n_key, dtype=torch.bool)
        seen = seen.tril() if site == "decoder" else seen
        k, v = (
            torch.stack([of(head) for head in range(whole.n_heads)])
            for of in (whole.keys, whole.values)
        )
        scale = whole.scaling * whole.d_head**0.5
        theirs = top_k_sparse_attention(whole.q * scale, k, v, sparsity, mask=seen)
        assert torch.allclose(trace.pattern(site, layer=0), theirs.pattern, atol=1e-6)
        assert torch.allclose(record.z, theirs.output, atol=1e-6)


def test_a_window_and_blocks_hide_what_a_mask_written_out_hides(model: TraceableModel) -> None:
    for rule in (Window(2, n_first=1), Blocks(3)):
        trace = traced(model, rule)
        site = trace.sites[0]
        pattern = trace.pattern(site, layer=1)
        n = pattern.shape[-1]
        for query in range(n):
            for key in range(n):
                if isinstance(rule, Window):
                    is_kept = abs(query - key) <= 2 or key == 0
                else:
                    is_kept = query // 3 == key // 3
                is_kept = is_kept and (site == "encoder" or key <= query)
                assert bool((pattern[:, query, key] > 0).all()) == is_kept
        if "cross" in trace.sites:
            assert bool((trace.pattern("cross", layer=0) > 0).all())


def test_only_the_named_head_of_the_named_layer_loses_links(model: TraceableModel) -> None:
    site = model.sites[0]
    plain = model.trace(TEXT)
    only = SparseAttention(TopShare(0.6), site, 1, 2)
    cut = model.trace(TEXT, plain.target, interventions=[only])
    same = (cut.pattern(site, layer=1) - plain.pattern(site, layer=1)).abs().amax((1, 2))
    assert float(same[2]) > 1e-4
    assert float(same[[0, 1, 3]].max()) < 1e-6
    assert torch.equal(cut.pattern(site, layer=0), plain.pattern(site, layer=0))


def test_in_a_batch_each_input_keeps_its_own_links(model: TraceableModel) -> None:
    texts = [TEXT, "The dog ran."]
    alone = [traced(model, TopShare(0.5), text) for text in texts]
    changes = [InItem(i, SparseAttention(TopShare(0.5))) for i in range(2)]
    together = model.trace_batch(texts, [one.target for one in alone], interventions=changes)
    for one, other in zip(alone, together, strict=True):
        for site in one.sites:
            last = one.n_layers(site) - 1
            assert torch.allclose(
                one.pattern(site, layer=last), other.pattern(site, layer=last), atol=1e-5
            )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopShare(1.0), "sparsity is 1; it must be from 0"),
        (lambda: TopShare(-1), "sparsity is -1"),
        (lambda: Window(-1), "reach is -1"),
        (lambda: Blocks(0), "size is 0"),
        (lambda: Blocks(2, n_first=-2), "first positions is -2"),
    ],
)
def test_rules_that_leave_nothing_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()  # type: ignore[operator]
