"""Quality, time and memory: against sums by hand; sparse texts; the shipped set."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from transformer_core.efficiency import attention_cost, comparison, quality, quantization, sparse
from transformer_core.efficiency.evaluation import EvaluationSet, from_file, shipped
from transformer_core.efficiency.timing import Spread, peak_bytes, ratios, take_turns
from transformer_core.efficiency.variants import plain
from transformer_core.errors import ConfigError, DataError
from transformer_core.tracing.sparsity import TopShare, Window


def test_perplexity_is_that_of_the_traced_logits(llama: Any, small_set: EvaluationSet) -> None:
    found = quality.measure(plain(llama), small_set)
    trace = llama.trace(small_set.passages[0])
    labels = torch.tensor(trace.source.ids[1:])
    loss = torch.nn.functional.cross_entropy(trace.logits[:-1], labels)
    assert found.kind == "perplexity"
    assert found.value == pytest.approx(math.exp(float(loss)), rel=1e-4)


def test_a_translator_is_scored_on_what_it_translates(
    translator: Any, small_set: EvaluationSet
) -> None:
    found = quality.measure(plain(translator), small_set)
    assert found.kind == "BLEU"
    assert set(found.further) == {"chrF"}
    # Nothing dropped, but written through the seat: the same texts come out of the other path.
    sources = [r.source for r in small_set.pairs]
    seated = sparse.sparse_variant(translator, TopShare(0.0))
    assert quality.translations(seated, sources) == quality.translations(plain(translator), sources)


def test_an_encoder_is_as_like_itself_as_can_be(bert: Any, small_set: EvaluationSet) -> None:
    reference = quality.embeddings(plain(bert), small_set)
    same = quality.measure(plain(bert), small_set, reference=reference)
    other = quality.measure(
        sparse.sparse_variant(bert, TopShare(0.8)), small_set, reference=reference
    )
    assert same.value == pytest.approx(1, abs=1e-6)
    assert other.value < 0.999


def test_a_comparison_puts_the_plain_model_at_one(
    translator: Any, small_set: EvaluationSet
) -> None:
    rows = [plain(translator), quantization.quantized(translator, "int8")]
    found = comparison.compare("quantisation", rows, small_set, rounds=2)
    assert found.plain.time_ratio == Spread(1, 1, 1, 2)
    assert (found.size(found.plain), found.speed(found.plain)) == (1, 1)
    assert found.size(found.rows[1]) < 0.5
    content = found.to_dict()
    assert content["rows"][1]["relative"]["size"] == found.size(found.rows[1])
    assert "of the size" in content["rows"][1]["remark"]
    assert found.work == "16 sentences written greedily, as one batch"


def test_where_nothing_is_gained_the_remark_says_so() -> None:
    better, worse = (quality.Quality("perplexity", value) for value in (10.0, 12.0))
    one, two = Spread(1, 1, 1, 3), Spread(1.2, 1.1, 1.3, 3)
    first = comparison.Row("plain", better, one, one, 100, 1000)
    other = comparison.Row("other", worse, two, two, 80, 1000)
    found = comparison.Comparison("x", "m", "t", "w", (first, other), 1)
    expected = "Nothing is gained here: not faster, not smaller; perplexity 12 instead of 10."
    assert found.remark(other) == expected
    assert found.quality(other) == pytest.approx(10 / 12)


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    seconds = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert [len(each) for each in seconds.values()] == [2, 2]
    assert ratios([2.0, 6.0, 3.0], [1.0, 2.0, 3.0]) == Spread(2.0, 1.5, 2.5, 3)


def test_memory_counts_what_is_alive_at_once() -> None:
    def work() -> None:
        for _ in range(3):
            one = torch.zeros(1000)  # 4,000 bytes
            two = one + 1
            del one, two

    assert peak_bytes(work) == 8000
    assert peak_bytes(lambda: torch.zeros(10).view(2, 5).t()) == 40


def test_fused_attention_holds_less_and_gives_the_same() -> None:
    points = attention_cost.length_curve(d_head=16, lengths=(32, 256), rounds=2)
    assert [point.length for point in points] == [32, 256]
    for point in points:
        assert point.largest_difference < 1e-5
        assert point.naive_bytes >= 2 * point.length**2 * 4
    assert points[1].sdpa_bytes < points[1].naive_bytes / 4
    with pytest.raises(ConfigError, match=r"from 1 to 4,096"):
        attention_cost.length_curve(lengths=(5000,))


def test_a_sparse_text_says_which_links_it_lost(llama: Any, translator: Any) -> None:
    trace = llama.trace("The cat sat on the mat.")
    found = sparse.sparse_effect(llama, trace, TopShare(0.5))
    n = len(trace.source)
    kept = sum(max(1, row // 2) for row in range(1, n + 1))
    heads = trace.n_layers("decoder") * trace.n_heads("decoder")
    assert (found.n_links, found.n_kept) == (n * (n + 1) // 2 * heads, kept * heads)
    lost = found.lost("decoder", 0, 1)
    assert int(lost.sum()) == n * (n + 1) // 2 - kept
    pattern = trace.pattern("decoder", layer=0, head=1)
    assert torch.allclose(found.weight_lost("decoder", 0, 1), (pattern * lost).sum(-1))
    assert found.logits_difference is not None and found.logits_difference > 0
    assert found.to_dict()["output_change"] > 0
    pair = translator.trace("The cat sat.", "Le chat est assis.")
    window = sparse.sparse_effect(translator, pair, Window(1))
    assert not bool(window.lost("cross", 0, 0).any())
    assert bool(window.lost("encoder", 0, 0).any())


def test_the_set_that_ships_is_whole_and_its_parts_are_apart() -> None:
    found = shipped()
    assert (len(found.pairs), len(found.calibration), len(found.passages)) == (64, 32, 6)
    assert not {r.source for r in found.pairs} & {r.source for r in found.calibration}
    assert len(found.first(10).pairs) == 10


def test_a_file_is_split_into_what_is_scored_and_what_calibrates(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"source {i}\ttarget {i}\n" for i in range(40)), encoding="utf-8")
    found = from_file(path, limit=10)
    assert [r.source for r in found.pairs] == [f"source {i}" for i in range(10)]
    assert len(found.calibration) == 30
    held = from_file(path, held_out=0.3)
    assert not {r.source for r in held.pairs} & {r.source for r in held.calibration}
    with pytest.raises(DataError, match="at least 1"):
        from_file(path, limit=0)
