"""Attention against causes: worked by hand, and held against the model's own numbers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.attribution import (
    contribution_norms,
    contributions,
    reach,
    rollout,
    trace_rollout,
    weights,
)
from transformer_core.analysis.causes import (
    cosine_distance,
    leave_one_out,
    most_tokens,
    value_zeroing,
)
from transformer_core.analysis.correlation import ranks, spearman
from transformer_core.analysis.measures import (
    N_LEAST,
    Causes,
    agreement,
    mean_agreement,
    measures_of,
    prove_measures,
    sources,
)
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.models.loading import load
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import HideKey, ZeroValue
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.trace import Provenance, Trace

TEXT = "The cat sat."
SITES = [("bert", "encoder"), ("llama", "decoder"), ("marian", "cross"), ("marian", "decoder")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TraceableModel]:
    folder = tmp_path_factory.mktemp("tiny")
    return {k: load(make_tiny(k, folder / k)) for k in ("bert", "llama", "marian")}


def trace_of(model: TraceableModel) -> Trace:
    return model.trace(TEXT, "the mat" if "cross" in model.sites else None)


def by_hand() -> Trace:
    """Two tokens, one head: half of the weight each for query 0, all on itself for query 1."""
    pattern = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    v = torch.tensor([[[3.0, 0.0], [0.0, 2.0]]])
    record = AttentionRecord(
        q=torch.zeros(1, 2, 2),
        k=torch.zeros(1, 2, 2),
        scaling=1.0,
        v=v,
        z=pattern[None] @ v,
        overrides={0: pattern},
    )
    w_o = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 4.0]])
    details = Details({"encoder": (record,)}, {}, {}, {"encoder": (w_o,)})
    return Trace(
        Provenance("hand", "hand"),
        Tokens.from_labels(["a", "b"]),
        None,
        {"encoder": (record.light(),)},
        recompute=lambda: details,
    )


def test_weighted_values_as_worked_by_hand() -> None:
    # v W_O is (3, 0, 0) for a, with norm 3, and 2 · (0, 3, 4) for b, with norm 10.
    expected = torch.tensor([[1.5, 5.0], [0.0, 10.0]])
    for head in (0, None):
        norms = contribution_norms(by_hand(), "encoder", layer=0, head=head)
        assert torch.allclose(norms, expected)


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_contributions_add_up_to_what_the_heads_write(
    models: dict[str, TraceableModel], kind: str, site: str
) -> None:
    trace = trace_of(models[kind])
    written = trace.head_output(site, layer=1)
    for head in range(trace.n_heads(site)):
        parts = contributions(trace, site, layer=1, head=head)
        assert torch.allclose(parts.sum(1), written[head], atol=1e-5)
        norms = contribution_norms(trace, site, layer=1, head=head)
        assert torch.allclose(norms, parts.norm(dim=-1), atol=1e-5)
    together = contributions(trace, site, layer=1)
    assert torch.allclose(together.sum(1), written.sum(0), atol=1e-5)
    norms = contribution_norms(trace, site, layer=1)
    assert torch.allclose(norms, together.norm(dim=-1), atol=1e-5)


def test_rollout_of_heads_that_look_at_themselves_is_the_identity() -> None:
    assert torch.equal(rollout(torch.eye(4).expand(3, 4, 4)), torch.eye(4))


def test_rollout_as_worked_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    second = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    # With the residual: (1 0, ½ ½), then (¾ ¼, 0 1); the second times the first.
    expected = torch.tensor([[0.875, 0.125], [0.5, 0.5]])
    assert torch.allclose(rollout(torch.stack([first, second])), expected)


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_rows_of_rollout_and_of_mean_weights_sum_to_one(
    models: dict[str, TraceableModel], kind: str, site: str
) -> None:
    trace = trace_of(models[kind])
    for rows in (trace_rollout(trace, site, layer=1), weights(trace, site, layer=1)):
        assert torch.allclose(rows.sum(-1), torch.ones(len(rows)), atol=1e-5)
    mean = trace.pattern(site, layer=1).mean(0)
    assert torch.allclose(weights(trace, site, layer=1), mean, atol=1e-6)


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_each_column_of_value_zeroing_is_one_run_with_that_value_zeroed(
    models: dict[str, TraceableModel], kind: str, site: str
) -> None:
    model = models[kind]
    trace = trace_of(model)
    seen: list[tuple[int, int]] = []
    found = value_zeroing(model, trace, site, layer=1, on_progress=lambda *n: seen.append(n))
    assert found.shape == (len(trace.query_tokens(site)), len(trace.key_tokens(site)))
    assert seen[-1] == (found.shape[1], found.shape[1])
    before = trace.resid(site, layer=1)
    for key in range(found.shape[1]):
        changed = model.trace(TEXT, trace.target, interventions=[ZeroValue(site, 1, key)])
        after = changed.resid(site, layer=1)
        angle = 1 - (before * after).sum(-1) / (before.norm(dim=-1) * after.norm(dim=-1))
        assert torch.allclose(found[:, key], angle, atol=1e-5)
    assert float(found.max()) > 1e-3


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_leaving_one_out_is_hiding_it_everywhere(
    models: dict[str, TraceableModel], kind: str, site: str
) -> None:
    model = models[kind]
    trace = trace_of(model)
    found = leave_one_out(model, trace, site)
    key = 1
    sites = ("encoder", "cross") if site == "cross" else (site,)
    hidden = [HideKey(key, at) for at in sites]
    changed = model.trace(TEXT, trace.target, interventions=hidden)
    last = trace.n_layers(site) - 1
    moved = cosine_distance(trace.resid(site, layer=last), changed.resid(site, layer=last))
    assert torch.allclose(found.representation[:, key], moved, atol=1e-6)
    assert found.prediction is not None
    assert trace.logits is not None
    assert changed.logits is not None
    p, q = trace.logits.softmax(-1), changed.logits.softmax(-1)
    bits = (p * (p / q).log2()).sum(-1)
    assert torch.allclose(found.prediction[:, key], bits, atol=1e-3)


def test_what_a_query_cannot_see_changes_nothing(models: dict[str, TraceableModel]) -> None:
    trace = trace_of(models["llama"])
    later = ~reach(trace, "decoder")
    assert torch.equal(later, torch.ones_like(later).triu(1))
    zeroed = value_zeroing(models["llama"], trace, "decoder", layer=0)
    left_out = leave_one_out(models["llama"], trace, "decoder")
    assert float(zeroed[later].max()) < 1e-9
    assert float(left_out.representation[later].max()) < 1e-9
    assert bool(reach(trace_of(models["bert"]), "encoder").all())


def test_a_window_reaches_farther_through_more_layers() -> None:
    near = torch.ones(5, 5).tril().triu(-1).bool()[None]
    layers = tuple(
        AttentionRecord(torch.zeros(1, 5, 2), torch.zeros(1, 5, 2), 1.0, mask=near)
        for _ in range(2)
    )
    tokens = Tokens.from_labels(list("abcde"))
    trace = Trace(Provenance("x", "x"), tokens, None, {"decoder": layers})
    assert torch.equal(reach(trace, "decoder"), torch.ones(5, 5).tril().triu(-2).bool())


def test_what_cannot_be_run_again_is_refused(models: dict[str, TraceableModel]) -> None:
    imported = Trace.from_patterns(
        {"encoder": torch.full((1, 1, 2, 2), 0.5)}, source=Tokens.from_labels(["a", "b"])
    )
    with pytest.raises(NotInTraceError):
        contribution_norms(imported, "encoder", layer=0, head=0)
    with pytest.raises(NotInTraceError):
        leave_one_out(models["bert"], imported, "encoder")
    trace = trace_of(models["bert"])
    other = replace(trace, source=replace(trace.source, text="The mat."))
    with pytest.raises(InputError, match="other tokens"):
        value_zeroing(models["bert"], other, "encoder", layer=0)
    image = replace(trace, source=Tokens.from_labels(trace.tokens))
    with pytest.raises(InputError, match="Only a text"):
        value_zeroing(models["bert"], image, "encoder", layer=0)


def test_ranks_share_where_values_are_equal() -> None:
    assert ranks(torch.tensor([[10.0, 20.0, 20.0, 5.0]])).tolist() == [[2.0, 3.5, 3.5, 1.0]]


def test_spearman_as_worked_by_hand() -> None:
    # Ranks 1 2 3 4 5 and 2 1 4 3 5: Σd² = 4, so 1 − 6 · 4 / (5 · 24) = 0.8 (Spearman 1904).
    x, y = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.tensor([20.0, 10.0, 40.0, 30.0, 99.0])
    table = spearman(torch.stack([x, y, -y, x**3]))
    assert table[0].tolist() == pytest.approx([1.0, 0.8, -0.8, 1.0])


def test_spearman_is_pearson_of_ranks_with_ties() -> None:
    x, y = torch.tensor([1.0, 1.0, 2.0, 3.0]), torch.tensor([4.0, 2.0, 2.0, 1.0])
    expected = torch.corrcoef(torch.tensor([[1.5, 1.5, 3.0, 4.0], [4.0, 2.5, 2.5, 1.0]]))
    assert torch.allclose(spearman(torch.stack([x, y])), expected)


@pytest.mark.parametrize("row", [[1.0, 1.0, 1.0], [1.0, float("nan"), 2.0]])
def test_what_has_no_order_has_no_correlation(row: list[float]) -> None:
    table: Tensor = spearman(torch.tensor([row, [1.0, 2.0, 3.0]]))
    assert bool(table[0].isnan().all())
    assert table[1, 1].item() == pytest.approx(1.0)
    assert bool(spearman(torch.ones(2, 2)).isnan().all())


def test_all_measures_stand_side_by_side(models: dict[str, TraceableModel]) -> None:
    trace = trace_of(models["llama"])
    causes = Causes.measure(models["llama"], trace, "decoder", layer=1)
    measures = measures_of(trace, "decoder", layer=1, head=2, causes=causes)
    names = [m.key for m in measures]
    assert names == [
        "weight",
        "weighted_value",
        "rollout",
        "value_zeroing",
        "leave_one_out",
        "prediction",
    ]
    assert [m.is_cause for m in measures] == [False] * 3 + [True] * 3
    checks = prove_measures(trace, "decoder", layer=1, head=2, measures=measures)
    assert len(checks) == 3
    assert all(check.is_ok for check in checks)
    assert "L1" in measures[3].meaning
    without = measures_of(trace, "decoder", layer=1, head=2)
    assert [m.values is None for m in without] == [False] * 3 + [True] * 3


def test_a_wrong_measure_fails_its_proof(models: dict[str, TraceableModel]) -> None:
    trace = trace_of(models["llama"])
    measures = measures_of(trace, "decoder", layer=1, head=2)
    assert measures[0].values is not None
    measures[0] = replace(measures[0], values=measures[0].values * 1.1)
    checks = prove_measures(trace, "decoder", layer=1, head=2, measures=measures)
    assert not checks[0].is_ok


def test_agreement_is_over_other_tokens_that_can_influence_the_query(
    models: dict[str, TraceableModel],
) -> None:
    trace = models["llama"].trace("The cat sat on the mat and the cat sat.")
    measures = measures_of(trace, "decoder", layer=1, head=2)
    seen = sources(trace, "decoder")
    n = len(trace.tokens)
    assert torch.equal(seen, torch.ones(n, n).tril(-1).bool())
    tables = agreement(measures, seen)
    query = n - 1
    alpha, rolled = measures[0].values, measures[2].values
    assert alpha is not None
    assert rolled is not None
    pair = torch.stack([alpha[query, :query], rolled[query, :query]])
    assert tables[query, 0, 2].item() == pytest.approx(spearman(pair)[0, 1].item())
    assert bool(tables[:, 3].isnan().all())
    assert bool(tables[1].isnan().all())  # one source has no order
    mean = mean_agreement(tables, seen)
    assert mean[0, 2].item() == pytest.approx(tables[N_LEAST:, 0, 2].nanmean().item())
    assert bool(sources(trace_of(models["marian"]), "cross").all())


def test_the_longest_text_depends_on_the_model() -> None:
    assert most_tokens(22_713_216) == 78
    assert most_tokens(134_515_008) == 32
    assert most_tokens(10**12) == 8
