"""Importance against finite differences and traced ablation; cut heads against zeroed ones."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from transformer_core.efficiency import curves, cutting, heads, quality, refitting, surgeon
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, losses, pair_batch, text_batch
from transformer_core.efficiency.quality import batches
from transformer_core.efficiency.variants import Variant, all_heads, plain
from transformer_core.errors import InputError
from transformer_core.tracing.interventions import AblateHead


def test_the_gradient_of_a_gate_is_the_slope_of_the_loss(
    translator: Any, small_set: EvaluationSet
) -> None:
    found = heads.importance(translator, small_set, by="gradient")
    assert set(found) == set(all_heads(translator))
    (batch,) = batches(translator, small_set, is_calibration=True)
    for site, layer, head in [("encoder", 0, 1), ("decoder", 1, 2), ("cross", 0, 3)]:
        step = 1e-2
        ends = []
        for moved in (1 - step, 1 + step):
            gate = torch.ones(2, 4)
            gate[:, head] = moved
            gates = {(site, layer): gate}
            ends.append(losses(logits_of(translator, batch, gates=gates), batch).double())
        slope = ((ends[1] - ends[0]) / (2 * step)).abs().mean()
        assert found[site, layer, head] == pytest.approx(float(slope), rel=0.02, abs=1e-4)


def test_gradients_reach_the_heads_of_models_of_transformers(
    llama: Any, marian: Any, small_set: EvaluationSet
) -> None:
    for model in (llama, marian):
        found = heads.importance(model, small_set, by="gradient")
        assert set(found) == set(all_heads(model))
        assert min(found.values()) > 0


def test_ablation_importance_is_the_rise_of_the_traced_loss(
    llama: Any, small_set: EvaluationSet
) -> None:
    found = heads.importance(llama, small_set, by="ablation")
    text = small_set.passages[0]

    def traced(*changes: AblateHead) -> float:
        trace = llama.trace(text, interventions=changes)
        ids = torch.tensor(trace.source.ids[1:])
        loss = torch.nn.functional.cross_entropy(trace.logits[:-1], ids)
        return float(loss)

    for head in (("decoder", 0, 0), ("decoder", 1, 3)):
        expected = traced(AblateHead(*head)) - traced()
        assert found[head] == pytest.approx(expected, abs=1e-5)


def test_an_encoder_is_ablated_and_refuses_gradients(bert: Any, small_set: EvaluationSet) -> None:
    found = heads.importance(bert, small_set, by="ablation")
    assert min(found.values()) >= -1e-6
    assert max(found.values()) > 1e-4
    with pytest.raises(InputError, match="predicts no tokens"):
        heads.importance(bert, small_set, by="gradient")


def test_cut_heads_give_the_numbers_of_zeroed_heads_and_are_smaller(
    translator: Any, small_set: EvaluationSet
) -> None:
    gone = [("encoder", 0, 1), ("decoder", 1, 0), ("decoder", 1, 3), ("cross", 0, 2)]
    gone += [("encoder", 1, head) for head in range(4)]  # a layer without any head left
    cut = cutting.without_heads(translator, gone)
    zeroed = Variant("", translator, heads.ablated(gone))
    batch = pair_batch(translator, ["The cat sat."], ["Le chat."])
    own, other = (logits_of(v.model, batch, v.interventions) for v in (cut, zeroed))
    assert torch.allclose(own, other, atol=1e-5)
    assert not torch.allclose(own, logits_of(translator, batch), atol=1e-3)
    assert cut.size_bytes < plain(translator).size_bytes
    assert quality.measure(cut, small_set) == quality.measure(zeroed, small_set)


def test_heads_of_other_models_are_zeroed_as_the_tracer_does(
    llama: Any, small_set: EvaluationSet
) -> None:
    gone = [("decoder", 0, 1), ("decoder", 1, 2)]
    pruned = cutting.without_heads(llama, gone)
    assert pruned.facts["cut_out"] is False
    batch = text_batch(llama, small_set.passages)
    traced = llama.trace(small_set.passages[0], interventions=heads.ablated(gone))
    own = logits_of(llama, batch, pruned.interventions)[0]
    assert torch.allclose(own, traced.logits, atol=1e-5)


def test_measuring_again_after_each_removal_never_repeats_a_head(
    translator: Any, small_set: EvaluationSet
) -> None:
    order = heads.least_important_first(translator, small_set, 7, step=2)
    assert len(set(order)) == 7
    once = heads.least_important_first(translator, small_set, 7)
    found = heads.importance(translator, small_set)
    assert once == sorted(found, key=lambda head: found[head])[:7]
    assert heads.random_order(translator, 7, seed=1) != heads.random_order(translator, 7, seed=2)


@pytest.mark.parametrize("number", [-1, 24, 99])
def test_all_heads_and_more_cannot_go(translator: Any, number: int) -> None:
    with pytest.raises(InputError, match="at least one must stay"):
        heads.random_order(translator, number, seed=0)


def test_refitting_brings_a_pruned_layer_nearer_to_what_it_wrote(
    translator: Any, small_set: EvaluationSet
) -> None:
    gone = [("encoder", 0, 1), ("decoder", 0, 2), ("cross", 1, 0)]
    pair = batches(translator, small_set, is_calibration=True)[0]
    whole = logits_of(translator, pair)
    pruned = cutting.without_heads(translator, gone)
    before = float((logits_of(pruned.model, pair) - whole).square().mean())
    refitted = refitting.refit(translator, pruned, small_set)
    after = float((logits_of(refitted.model, pair) - whole).square().mean())
    assert after < before / 2
    nothing = refitting.refit(translator, cutting.without_heads(translator, []), small_set)
    assert torch.allclose(logits_of(nothing.model, pair), whole, atol=1e-5)


def test_the_surgeon_knows_what_refitting_leaves_undone(
    translator: Any, small_set: EvaluationSet
) -> None:
    """Its error of a layer's output is that of the least-squares fit, solved by torch."""
    place, head = ("encoder", 1), 2
    layer = surgeon._layers(translator, small_set, lambda: None)[place]
    layer.slopes = torch.eye(32, dtype=torch.float64)  # all directions matter alike
    rest = [i for i in range(32) if i // 8 != head]
    # G = AᵀA of this A: whatever Z was, the fit is the same.
    a = torch.linalg.cholesky(layer.gram).T
    wanted = a @ layer.weight
    fit = torch.linalg.lstsq(a[:, rest], wanted).solution
    error = float((a[:, rest] @ fit - wanted).square().sum())
    assert layer.costs()[head] == pytest.approx(error / 2, rel=1e-6)
    layer.take_out(head)
    assert layer.heads == [0, 1, 3]
    assert torch.allclose(layer.weight, fit)


def test_the_surgeon_takes_what_is_missed_least(translator: Any, small_set: EvaluationSet) -> None:
    found = surgeon.missing_without(translator, small_set)
    assert set(found) == set(all_heads(translator))
    assert min(found.values()) >= 0
    order = surgeon.least_missed_first(translator, small_set, 9)
    assert order[0] == min(found, key=lambda head: found[head])
    assert len(set(order)) == 9


def test_the_surgeon_looks_again_at_what_was_refitted(
    translator: Any, small_set: EvaluationSet
) -> None:
    once = curves.Pruning(7, "surgeon", 0, True, n_points=1, seeds=())
    order = surgeon.least_missed_first(translator, small_set, 7)
    assert curves.pruning_curve(translator, small_set, once).order == order
    again = curves.pruning_curve(translator, small_set, replace(once, step=3)).order
    assert again[:3] == order[:3]
    assert len(set(again)) == 7
    assert set(again) <= set(all_heads(translator))
    half = refitting.refit(translator, cutting.without_heads(translator, again[:3]), small_set)
    found = surgeon.missing_without(half.model, small_set)
    left = [head for head in all_heads(translator) if head not in again[:3]]
    site, layer, index = min(found, key=lambda head: found[head])
    assert again[3] == [head for head in left if head[:2] == (site, layer)][index]


def test_layers_that_are_cut_are_not_computed(
    translator: Any, llama: Any, bert: Any, small_set: EvaluationSet
) -> None:
    pruned = cutting.without_layers(translator, [("encoder", 0), ("decoder", 1)])
    assert (pruned.model.n_layers("encoder"), pruned.model.n_layers("cross")) == (1, 1)
    whole = translator.trace("The cat sat.").resid("encoder", layer=-1)
    trace = pruned.model.trace("The cat sat.")
    assert torch.equal(trace.resid("encoder", layer=-1), whole)
    layer = translator.module.encoder.layers[1]
    assert torch.allclose(trace.resid("encoder", layer=0), layer(whole[None])[0], atol=1e-5)
    for model in (llama, bert):
        site = model.sites[0]
        short = cutting.without_layers(model, [(site, 1)])
        text = small_set.passages[0]
        last = short.model.trace(text).resid(site, layer=0)
        assert torch.allclose(last, model.trace(text).resid(site, layer=0), atol=1e-5)
        assert short.size_bytes < plain(model).size_bytes
        assert model.n_layers(site) == 2


@pytest.mark.parametrize(
    ("layers", "message"),
    [([("encoder", 0), ("encoder", 1)], "at least one must stay"), ([("encoder", 5)], "0 to 1"),
     ([("cross", 0)], "has no cross")],
)  # fmt: skip
def test_layers_that_are_not_there_are_refused(
    translator: Any, layers: list[tuple[str, int]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cutting.without_layers(translator, layers)
