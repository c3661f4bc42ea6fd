"""Tests of a model's sense of order, on models of every kind."""

from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.analysis import positions_live as live
from transformer_core.errors import InputError
from transformer_core.models.loading import load
from transformer_core.tracing.model import TraceableModel

TEXT = "the cat sat on the mat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def model_of(kind: str, folder: Path) -> TraceableModel:
    make = make_translator if kind == "ours" else lambda path: make_tiny(kind, path)
    return load(str(make(folder / kind)))


def test_a_reordered_text_keeps_pieces_and_special_tokens_together(folder: Path) -> None:
    model = model_of("bert", folder)
    tokens = model.tokenizer.encode("unbelievable cats sat")
    other, places = live.reorder(tokens, "reversed")
    assert [tokens.ids[i] for i in places] == list(other.ids)
    assert other.is_special == tokens.is_special
    assert [word.text for word in other.words if not word.is_special] == [
        word.text for word in tokens.words if not word.is_special
    ][::-1]
    rotated, _ = live.reorder(tokens, "rotated")
    words = [word.text for word in rotated.words if not word.is_special]
    assert words[-1] == next(w.text for w in tokens.words if not w.is_special)
    again = [live.reorder(tokens, "shuffled", seed=5)[1] for _ in range(2)]
    assert again[0] == again[1]
    with pytest.raises(InputError, match="two words"):
        live.reorder(model.tokenizer.encode("cat"), "reversed")


@pytest.mark.parametrize("kind", ["bert", "ours", "marian"])
def test_outputs_of_an_encoder_permute_along_without_positions(kind: str, folder: Path) -> None:
    model = model_of(kind, folder)
    result = live.read_reordered(model, model.trace(TEXT), "reversed")
    assert result.away_difference <= 1e-4 * result.scale
    assert float(result.away_distance.max()) < 1e-5
    assert result.usual_difference > 1e-2
    assert float(result.usual_distance.max()) > 1e-4


def test_a_decoder_still_tells_orders_apart_by_its_mask(folder: Path) -> None:
    model = model_of("llama", folder)
    result = live.read_reordered(model, model.trace(TEXT), "reversed")
    assert result.away_difference > 1e-2


@pytest.mark.parametrize(
    ("kind", "is_moved"),
    [("llama", False), ("gpt_neox", False), ("t5", False), ("bert", True), ("gpt2", True),
     ("marian", True), ("ours", True)],
)  # fmt: skip
def test_scores_move_with_positions_only_where_these_are_added(
    kind: str, is_moved: bool, folder: Path
) -> None:
    model = model_of(kind, folder)
    result = live.put_in_front(model, model.trace(TEXT), 5)
    share = float(result.largest.max() / result.scale.max())
    assert share > 1e-2 if is_moved else share < 1e-4
    before, after = result.scores(0, 0)
    assert torch.equal(before.isfinite(), after.isfinite())
    seen = before.isfinite()
    assert float((after - before)[seen].abs().max()) == float(result.largest[0, 0])


def test_what_stands_in_front_makes_no_difference(folder: Path) -> None:
    """The hidden tokens are hidden: with positions away, nothing of them is left."""
    from transformer_core.tracing.interventions import HideKey, WithoutPositions

    model = model_of("gpt2", folder)
    trace = model.trace(TEXT, interventions=[WithoutPositions()])
    longer = live.put_in_front(model, model.trace(TEXT), 3).shifted
    hidden = [HideKey(i) for i in range(3)]
    away = model.trace(longer.source, interventions=[WithoutPositions(), *hidden])
    last = trace.n_layers("decoder") - 1
    torch.testing.assert_close(
        away.resid("decoder", layer=last)[3:], trace.resid("decoder", layer=last)
    )


def test_what_cannot_be_compared_is_refused_with_the_limit(folder: Path) -> None:
    model = model_of("bert", folder)
    trace = model.trace(TEXT)
    with pytest.raises(InputError, match="put 1 at least"):
        live.put_in_front(model, trace, 0)
    with pytest.raises(InputError, match="Put at most"):
        live.put_in_front(model, trace, 1000)


def test_weight_by_distance_is_the_mean_of_what_may_be_seen(folder: Path) -> None:
    trace = model_of("llama", folder).trace(TEXT)
    pattern = trace.pattern("decoder", layer=1)
    found = live.weight_by_distance(trace, layer=1)
    for distance in range(len(trace.source)):
        expected = pattern.diagonal(-distance, dim1=1, dim2=2).mean()
        assert float(found[distance]) == pytest.approx(float(expected), rel=1e-5)
    assert live.weight_by_distance(trace).shape == found.shape


def test_kinds_are_named(folder: Path) -> None:
    assert live.kinds_of(model_of("bert", folder)) == ("learned",)
    assert live.kinds_of(model_of("ours", folder)) == ("sinusoidal",)
    away = live.take_away(model_of("bert", folder), model_of("bert", folder).trace(TEXT))
    assert len(away.interventions) == 1
