"""int8, bfloat16, small weights and shared keys: against what torch and the definitions give."""

from typing import Any

import pytest
import torch
from torch import nn

from transformer_core.efficiency import key_values, magnitude, quality, quantization
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, pair_batch, text_batch
from transformer_core.efficiency.variants import plain
from transformer_core.errors import ConfigError, InputError


def test_an_int8_linear_map_is_the_product_of_rounded_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(24, 16, generator=generator), torch.randn(24, generator=generator)
    x = torch.randn(2, 5, 16, generator=generator)
    layer = quantization.Int8Linear(weight, bias)

    def back(matrix: torch.Tensor) -> torch.Tensor:
        """Rounded by hand, in double precision."""
        scale = matrix.double().abs().amax(-1, keepdim=True) / 127
        return (matrix.double() / scale).round() * scale

    expected = back(x) @ back(weight).T + bias
    assert torch.allclose(layer(x).double(), expected, atol=1e-4)
    exact = nn.functional.linear(x, weight, bias)
    assert float((layer(x) - exact).abs().max()) < 0.15


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_a_model_in_fewer_bits_is_smaller_and_nearly_the_same(
    translator: Any, llama: Any, precision: quantization.Precision, small_set: EvaluationSet
) -> None:
    pair = pair_batch(translator, ["The cat sat."], ["Le chat."])
    for model, batch in ((translator, pair), (llama, text_batch(llama, small_set.passages))):
        before = [p.clone() for p in model.module.parameters()]
        variant = quantization.quantized(model, precision)
        whole, low = logits_of(model, batch), logits_of(variant.model, batch).float()
        assert float((low - whole).norm() / whole.norm()) < 0.1
        assert not torch.equal(low, whole)
        assert variant.size_bytes < 0.75 * plain(model).size_bytes
        same = zip(before, model.module.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in same)
    assert quality.measure(quantization.quantized(translator, precision), small_set).value >= 0


def test_int8_weights_take_a_quarter(translator: Any) -> None:
    variant = quantization.quantized(translator, "int8")
    table = variant.model.module.target_embedding
    assert table.weight.dtype == torch.int8
    whole = translator.module.target_embedding
    ids = torch.tensor([[3, 5]])
    assert float((table(ids) - whole(ids)).abs().max()) < 0.01 * float(whole(ids).abs().max())


def test_an_unknown_precision_is_refused(translator: Any) -> None:
    with pytest.raises(ConfigError, match="choose int8 or bfloat16"):
        quantization.quantized(translator, "int2")  # type: ignore[arg-type]


def test_the_smallest_weights_go_first(translator: Any, llama: Any) -> None:
    for model in (translator, llama):
        whole = [p.weight.clone() for p in magnitude.matrices_of(model.module)]
        variant = magnitude.without_small_weights(model, 0.3)
        kept = [p.weight for p in magnitude.matrices_of(variant.model.module)]
        sizes = torch.cat([w.abs().flatten() for w in whole])
        limit = sizes.kthvalue(round(0.3 * len(sizes))).values
        for old, new in zip(whole, kept, strict=True):
            # Of weights that are just as large as the limit some go, some stay.
            assert bool((new[old.abs() < limit] == 0).all())
            assert torch.equal(new[old.abs() > limit], old[old.abs() > limit])
        assert variant.size_bytes == plain(model).size_bytes
        assert variant.facts["packed_bytes"] < variant.size_bytes
        assert variant.facts["zeros"] == round(0.3 * len(sizes))


@pytest.mark.parametrize("share", [1.0, -0.1])
def test_a_share_out_of_range_is_refused(translator: Any, share: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to below 1"):
        magnitude.without_small_weights(translator, share)


def test_query_heads_of_a_group_share_the_mean_of_its_keys(translator: Any, llama: Any) -> None:
    variant = key_values.with_fewer_kv_heads(translator, 2)
    trace = variant.model.trace("The cat sat.", "Le chat.")
    keys = trace.record("cross", layer=0).k
    whole = translator.trace("The cat sat.", "Le chat.")
    assert torch.equal(keys[0], keys[1])
    assert torch.allclose(keys[2], whole.record("encoder", layer=0).k[2] * 0 + keys[3])
    old = translator.module.decoder.layers[0].self_attention.w_kv.weight.view(2, 4, 8, 32)
    new = variant.model.module.decoder.layers[0].self_attention.w_kv.weight.view(2, 4, 8, 32)
    assert torch.allclose(new[:, 0], (old[:, 0] + old[:, 1]) / 2)
    assert variant.facts["cache_bytes"] * 2 == variant.facts["plain_cache_bytes"]
    assert key_values.n_kv_heads(llama) == 2
    one = key_values.with_fewer_kv_heads(llama, 1).model.module.model.layers[0].self_attn
    weight = llama.module.model.layers[0].self_attn.k_proj.weight.view(2, 8, 32)
    assert torch.allclose(one.k_proj.weight.view(2, 8, 32)[1], weight.mean(0))


def test_the_cache_holds_what_is_said(translator: Any, llama: Any) -> None:
    module = translator.module
    cache = module.new_cache()
    memory = module.encode(torch.full((1, 6), 5), None)
    module.decode(torch.full((1, 10), 5), memory, src_mask=None, cache=cache)
    own = sum(t.nbytes for layer in cache.layers for t in layer.self_attention.held)
    assert key_values.cache_bytes(translator, 10) == own
    kept = llama.module(torch.full((1, 10), 5), use_cache=True).past_key_values
    theirs = sum(layer.keys.nbytes + layer.values.nbytes for layer in kept.layers)
    assert key_values.cache_bytes(llama, 10) == theirs


def test_the_cache_is_timed_at_each_length(translator: Any, llama: Any) -> None:
    for model in (translator, llama):
        points = key_values.cache_curve(model, lengths=(4, 8, 999), rounds=2)
        assert [point.length for point in points] == [4, 8]
        assert points[1].cache_bytes == 2 * points[0].cache_bytes


@pytest.mark.parametrize(("number", "message"), [(3, "choose one of 1, 2"), (0, "choose one of")])
def test_key_heads_that_do_not_divide_are_refused(
    translator: Any, bert: Any, number: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        key_values.with_fewer_kv_heads(translator, number)
    with pytest.raises(InputError, match="no decoder"):
        key_values.with_fewer_kv_heads(bert, 1)
