"""The pictures of the Efficiency page: their data, their labels, and honest words."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import make_tiny
from transformer_core.efficiency.attention_cost import LengthPoint
from transformer_core.efficiency.comparison import Comparison, Row
from transformer_core.efficiency.curves import Pruning, PruningCurve
from transformer_core.efficiency.key_values import CachePoint
from transformer_core.efficiency.quality import Quality
from transformer_core.efficiency.sparse import sparse_effect
from transformer_core.efficiency.timing import Spread
from transformer_core.errors import InputError
from transformer_core.figures import efficiency as figures
from transformer_core.figures import html
from transformer_core.figures.readings import Place
from transformer_core.figures.wire import unpack
from transformer_core.models.loading import load
from transformer_core.tracing.sparsity import Window

PLACE = Place("encoder", 1, 2)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tiny")
    return load(make_tiny("bert", folder / "bert"))


def spread(value: float) -> Spread:
    return Spread(value, value * 0.9, value * 1.1, 5)


def bleu(value: float) -> Quality:
    return Quality("BLEU", value)


def comparison() -> Comparison:
    facts = {"cache_bytes": 25, "plain_cache_bytes": 100}
    rows = (
        Row("plain", bleu(40), spread(2), Spread(1, 1, 1, 5), 100, 1000),
        Row("small", bleu(30), spread(1), spread(0.5), 200, 400, facts),
    )
    return Comparison("bits", "m", "texts", "work", rows, 1)


def test_lost_links_are_marked_on_the_untouched_map(bert: Any) -> None:
    trace = bert.trace("The cat sat on the mat.")
    effect = sparse_effect(bert, trace, Window(1))
    payload = figures.lost_links(effect, PLACE)
    header, arrays = unpack(payload.to_bytes())
    n = len(trace.source)
    expected = [[int(abs(i - j) > 1) for j in range(n)] for i in range(n)]
    assert arrays["lost"].codes.tolist() == expected
    assert header["view"] == "heatmap"
    assert "window of ±1" in header["subtitle"]
    assert figures.LOST_NOTE in header["notes"]
    row, column = header["options"]["selected"]
    pattern = trace.pattern("encoder", layer=1, head=2)
    lost = effect.lost("encoder", 1, 2)
    assert float(pattern[row, column]) == float((pattern * lost).max())
    assert "LostLinks" in html.to_html(payload)


def test_a_map_too_large_to_mark_is_refused(bert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MAX_MARKED", 4)
    effect = sparse_effect(bert, bert.trace("The cat sat."), Window(1))
    with pytest.raises(InputError, match="too many to mark"):
        figures.lost_links(effect, PLACE)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_cost_chart_puts_the_plain_model_at_one(theme: Any) -> None:
    rows = figures.cost_rows(comparison())
    plain = [row for row in rows if row["name"] == "plain"]
    assert {(row["x"], row["y"]) for row in plain} == {(1.0, 1.0)}
    small = {row["cost"]: row["x"] for row in rows if row["name"] == "small"}
    assert small == {"time": 0.5, "size of weights": 0.4, "cache": 0.25}
    chart = figures.cost_chart(comparison(), theme=theme).to_dict()
    assert "quality, plain = 1" in str(chart)


def curve() -> PruningCurve:
    heads = [("encoder", 0, 0), ("encoder", 0, 1), ("encoder", 1, 0)]
    return PruningCurve(
        Pruning(2),
        dict(zip(heads, [0.3, 0.1, 0.2], strict=True)),
        heads[1:],
        bleu(40),
        {1: bleu(39), 2: bleu(38)},
        {0: {1: bleu(35), 2: bleu(20)}, 1: {1: bleu(37), 2: bleu(30)}, 2: {1: bleu(36)}},
    )


def test_the_pruning_chart_shows_only_random_orders_that_are_whole() -> None:
    lines, band = figures.pruning_rows(curve())
    own = [row["value"] for row in lines if row["order"] == "least important first"]
    assert own == [40, 39, 38]
    assert band == [
        {"gone": 0, "low": 40, "high": 40},
        {"gone": 1, "low": 35, "high": 37},
        {"gone": 2, "low": 20, "high": 30},
    ]
    assert "heads taken out" in str(figures.pruning_chart(curve()).to_dict())
    assert figures.pruning_rows(PruningCurve(Pruning(1))) == ([], [])


def test_importance_is_drawn_head_by_head_least_first() -> None:
    chart = figures.importance_bars(curve().importance, curve().order, unit="nats").to_dict()
    (values,) = chart["datasets"].values()
    assert [row["head"] for row in values] == ["encoder L0 H1", "encoder L1 H0", "encoder L0 H0"]
    assert [row["state"] for row in values] == ["taken out", "taken out", "stays"]


def test_soft_labels_stand_beside_the_plain_ones() -> None:
    chart = figures.soft_labels(["le", "la"], [0.9, 0.1], [0.6, 0.4], temperature=2.0).to_dict()
    (rows,) = chart["datasets"].values()
    assert [(row["token"], row["how"], row["p"]) for row in rows] == [
        ("1. le", "T = 1", 0.9),
        ("1. le", "T = 2", 0.6),
        ("2. la", "T = 1", 0.1),
        ("2. la", "T = 2", 0.4),
    ]


def test_growth_is_drawn_for_time_and_memory() -> None:
    point = LengthPoint(64, spread(2e-3), spread(1e-3), spread(2), 4_000_000, 1_000_000, 1e-7)
    first, second = figures.length_charts([point])
    assert "time (ms)" in str(first.to_dict())
    assert "tensors (MB)" in str(second.to_dict())
    cache = CachePoint(16, spread(1e-3), spread(2e-3), 500_000)
    assert "cache (MB)" in str(figures.cache_charts([cache])[1].to_dict())
