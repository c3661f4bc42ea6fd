"""Two maps side by side: what is aligned, subtracted, ranked and said."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis.compare import js_divergence
from transformer_core.errors import InputError
from transformer_core.figures import compare, comparison, html
from transformer_core.figures.compare import Side, closest_heads, pair, rank_heads
from transformer_core.figures.readings import Place, Reading
from transformer_core.figures.wire import unpack
from transformer_core.models.loading import load

FIRST, SECOND = "The cat sat on the mat.", "The mat sat on the mat."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tiny")
    kinds = ("bert", "gpt2", "gemma3", "electra", "marian")
    return {kind: load(make_tiny(kind, folder / kind)) for kind in kinds}


def side(model: Any, text: str, layer: int = 1, head: int = 2, **options: Any) -> Side:
    trace = model.trace(text, **options)
    return Side(trace, Place(trace.sites[-1], layer, head))


def test_a_minimal_pair_is_aligned_token_by_token(models: Any) -> None:
    first, second = side(models["gpt2"], FIRST), side(models["gpt2"], SECOND)
    header, arrays = unpack(pair(first, second).to_bytes())
    options = header["options"]
    labels = [header["queries"]["display"], options["other"]["queries"]["display"]]
    for (i, j), same in zip(options["query_pairs"], options["query_same"], strict=True):
        assert same == (labels[0][i].casefold() == labels[1][j].casefold())
    assert not all(options["query_same"])
    for side_of, name in ((first, "weights"), (second, "other")):
        exact = side_of.trace.pattern("decoder", layer=1, head=2).numpy()
        assert np.abs(arrays[name].values() - exact).max() <= arrays[name].max_error + 1e-7
        assert np.array_equal(arrays[name].masked, np.triu(np.ones_like(exact), 1) > 0)
    assert compare.CAUSAL_NOTE in header["notes"]
    assert header["badge"]["ok"]
    assert len(header["badge"]["details"]) == 6


def test_a_text_compared_with_itself_differs_by_nothing(models: Any) -> None:
    one = side(models["bert"], FIRST)
    ranking = rank_heads(one, side(models["bert"], FIRST))
    assert ranking.kind == "index"
    assert torch.equal(ranking.bits, torch.zeros(2, 4))
    options = pair(one, one, ranking=ranking).header["options"]
    assert options["row_bits"] == [0.0] * len(one.trace.tokens)
    assert all(options["query_same"])


def test_heads_are_ranked_by_the_mean_divergence_of_their_rows(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["bert"], SECOND)
    assert len(first.trace.tokens) == len(second.trace.tokens)
    ranking = rank_heads(first, second)
    for layer in range(2):
        for head in range(4):
            p, q = (s.trace.pattern("encoder", layer=layer, head=head) for s in (first, second))
            expected = float(js_divergence(p, q).mean())
            assert float(ranking.bits[layer, head]) == pytest.approx(expected, abs=1e-6)
    assert float(ranking.bits.min()) > 0
    board = pair(first, second, ranking=ranking).header["options"]["board"]
    assert board["order"] == "largest"
    assert board["selected"] == [1, 2]
    assert board["values"][1][2] == pytest.approx(float(ranking.bits[1, 2]))
    back = rank_heads(second, first)
    assert torch.allclose(ranking.bits, back.bits, atol=1e-7)


def test_two_models_that_cut_alike_are_compared_by_token(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["electra"], FIRST)
    payload = pair(first, second, ranking=rank_heads(first, second))
    assert compare.WORDS_NOTE not in payload.header["notes"]
    assert payload.header["title"] == "Do the two models read alike?"
    assert "by index only where" in payload.header["options"]["board"]["subtitle"]


def test_two_models_that_cut_differently_are_compared_by_word(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["gemma3"], FIRST)
    payload = pair(first, second)
    assert compare.WORDS_NOTE in payload.header["notes"]
    words = [word.text for word in first.trace.source.words]
    assert payload.header["queries"]["display"] == words
    options = payload.header["options"]
    plain = [not w.is_special for w in first.trace.source.words]
    paired = {i for i, _ in options["query_pairs"]}
    assert paired >= {i for i, flag in enumerate(plain) if flag}


def test_models_of_other_shapes_are_not_ranked_by_index(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["gemma3"], FIRST, layer=2)
    with pytest.raises(InputError, match="2 × 4 heads"):
        rank_heads(first, second)
    ranking = closest_heads(first, second)
    assert ranking.kind == "closest"
    assert ranking.bits.shape == (3, 4)
    moved = Side(second.trace, Place("decoder", 0, 3))
    one = pair(first, moved).header["options"]["row_bits"]
    known = [bits for bits in one if bits is not None]
    assert float(ranking.bits[0, 3]) == pytest.approx(sum(known) / len(known), abs=1e-6)
    board = pair(first, second, ranking=ranking).header["options"]["board"]
    assert board["order"] == "smallest"
    assert "reads like L1 H2?" in board["title"]


def test_targets_are_aligned_at_the_cross_attention(models: Any) -> None:
    first = side(models["marian"], FIRST, target="A cat.")
    second = side(models["marian"], FIRST, target="A dog.")
    options = pair(first, second).header["options"]
    assert len(options["key_pairs"]) == len(first.trace.tokens)
    assert all(options["key_same"])
    assert not all(options["query_same"])


def test_special_tokens_can_be_hidden_and_rows_renormalised(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["bert"], SECOND)
    payload = pair(first, second, Reading(hide_special=True))
    assert "[CLS]" not in payload.header["queries"]["display"]
    assert payload.arrays["weights"].values().sum(1) == pytest.approx(1, abs=1e-3)


def test_the_first_look_is_at_the_largest_change_between_ordinary_tokens(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["bert"], SECOND)
    row, column = pair(first, second).header["options"]["selected"]
    assert not first.trace.source.is_special[row]
    assert not first.trace.source.is_special[column]


def test_too_many_cells_are_not_ranked(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MAX_RANKED", 10)
    with pytest.raises(InputError, match="Shorten the text"):
        rank_heads(side(models["bert"], FIRST), side(models["bert"], SECOND))
    payload = pair(side(models["bert"], FIRST), side(models["bert"], SECOND))
    assert payload.header["options"]["board"] == {"note": "Heads are not ranked here."}


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("short", "other", "short"),
        (
            "The animal didn't cross the street because it was too tired.",
            "The animal didn't cross the street because it was too wide.",
            "… street because it was too tired.",
        ),
        (
            "She walked " + "and walked " * 12,
            "He walked " + "and walked " * 12,
            "She walked and walked and walked and …",
        ),
    ],
)
def test_long_texts_are_named_by_what_differs(text: str, other: str, expected: str) -> None:
    assert compare._excerpt(text, other) == expected


def test_the_files_hold_aligned_weights_and_divergence(models: Any) -> None:
    first, second = side(models["bert"], FIRST), side(models["bert"], SECOND)
    rows = list(csv.reader(io.StringIO(compare.to_csv(first, second))))
    n = len(first.trace.tokens)
    assert len(rows) == 2 + n * n
    p, q = (s.trace.pattern("encoder", layer=1, head=2) for s in (first, second))
    weight, other, change = (float(cell) for cell in rows[2 + n + 3][4:])
    assert weight == pytest.approx(float(p[1, 3]), rel=1e-5)
    assert other == pytest.approx(float(q[1, 3]), rel=1e-5)
    assert change == pytest.approx(other - weight, abs=1e-5)
    ranking = rank_heads(first, second)
    content = json.loads(compare.to_json(first, second, ranking=ranking))
    assert content["text"] == [FIRST, SECOND]
    assert content["head_bits"][1][2] == pytest.approx(float(ranking.bits[1, 2]))
    assert np.allclose(content["patterns"][1], q.numpy())
    assert json.loads(compare.to_json(first, second))["head_bits"] is None


def test_the_pair_is_a_page_of_its_own(models: Any) -> None:
    page = html.to_html(pair(side(models["bert"], FIRST), side(models["bert"], SECOND)))
    assert "What changes with the text?" in page
