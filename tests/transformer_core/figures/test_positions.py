"""Pictures of positions: what travels, what is said of it, and what the charts draw."""

import io
from typing import Any

import numpy as np
import pytest

from transformer_core.errors import ConfigError, InputError
from transformer_core.figures import (
    positions,
    positions_alibi,
    positions_rotary,
    positions_still,
)
from transformer_core.figures import positions_sinusoidal as sinusoidal
from transformer_core.figures.field import FieldWords
from transformer_core.figures.positions_charts import Axes, Chart, Line
from transformer_core.figures.positions_drawn import Drawn
from transformer_core.figures.wire import unpack

WORDS = FieldWords("Which number?", "A table.", unit="value")


def payload_of(drawn: Drawn) -> Any:
    assert not isinstance(drawn.picture, Chart)
    return drawn.picture


def chart_of(drawn: Drawn) -> Chart:
    assert isinstance(drawn.picture, Chart)
    return drawn.picture


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All records of a chart."""
    return [row for rows in spec["datasets"].values() for row in rows]


def test_colours_of_a_table_are_its_numbers_in_255_steps() -> None:
    drawn = sinusoidal.matrix(40, 16)
    header, arrays = unpack(payload_of(drawn).to_bytes())
    codes = arrays["codes"].codes.astype(float)
    np.testing.assert_allclose((codes - 127) / 127, drawn.arrays["table"], atol=0.5 / 127 + 1e-6)
    assert header["options"]["formula"] == {"kind": "sinusoidal", "width": 16, "base": 10_000.0}
    assert header["options"]["shape"] == [40, 16]
    assert header["badge"]["ok"]
    assert "255 steps" in header["notes"][-1]


def test_a_large_table_is_pooled_to_means_and_says_so() -> None:
    table = np.arange(1030 * 3, dtype=np.float32).reshape(1030, 3)
    small = positions.pooled(table)
    assert small.shape == (512, 3)
    starts = (np.arange(512) * 1030) // 512
    np.testing.assert_allclose(small[0], table[: starts[1]].mean(axis=0))
    np.testing.assert_allclose(small[-1], table[starts[-1] :].mean(axis=0))
    np.testing.assert_allclose(positions.pooled(table.T), small.T)
    header = payload_of(sinusoidal.matrix(1100, 600)).header
    assert "pooled to 512 × 512" in header["notes"][0]
    assert header["options"]["shape"] == [1100, 600]


def test_a_learned_table_keeps_its_numbers_and_says_where_its_scale_ends() -> None:
    table = np.full((20, 50), 0.01, dtype=np.float32)
    table[0, 0] = 5.0
    payload = positions.positions_matrix(table, WORDS, positions.Source())
    assert payload.header["options"]["limit"] == pytest.approx(0.01)
    assert "1 numbers beyond it, up to 5.00" in payload.header["notes"][-1]
    np.testing.assert_allclose(payload.arrays["values"].values(), table, atol=1e-3)


def test_keys_after_a_query_are_masked_in_alibi() -> None:
    drawn = positions_alibi.matrix(6, 8, head=1)
    codes = payload_of(drawn).arrays["codes"].codes
    assert (codes[np.triu_indices(6, 1)] == 255).all()
    assert (codes[np.tril_indices(6)] < 255).all()
    assert drawn.arrays["bias"][5, 1] == -0.0625 * 4 * (0.25 / 0.0625)


def test_a_wrong_number_fails_the_badge() -> None:
    table = sinusoidal.matrix(8, 4).arrays["table"]
    wrong = table.copy()
    wrong[3, 2] += 1e-3
    assert positions.formula_badge(table, table, "the formula", most=1e-6).is_ok
    assert not positions.formula_badge(wrong, table, "the formula", most=1e-6).is_ok


@pytest.mark.parametrize("values", [[[]], [1.0], [[np.nan]]])
def test_what_is_no_table_is_refused(values: Any) -> None:
    with pytest.raises(InputError):
        positions.positions_matrix(values, WORDS, positions.Source())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: sinusoidal.matrix(8, 7),
        lambda: sinusoidal.waves(8, 0),
        lambda: sinusoidal.tutorial(8, 1),
        lambda: positions_rotary.matrix(8, 3),
        lambda: positions_rotary.motion(8, 5),
        lambda: positions_alibi.matrix(8, 0),
    ],
)
def test_sizes_that_cannot_be_are_refused(draw: Any) -> None:
    with pytest.raises(ConfigError):
        draw()


def test_one_position_and_two_dimensions_are_drawn_in_every_view() -> None:
    for drawn in (
        sinusoidal.matrix(1, 2),
        sinusoidal.waves(1, 2),
        sinusoidal.similarity(1, 2),
        sinusoidal.beyond(1, 2),
        *(sinusoidal.tutorial(1, 2, shown=shown) for shown in sinusoidal.SHOWN),
        positions_rotary.matrix(1, 2),
        positions_rotary.motion(1, 2),
        positions_rotary.waves(1, 2),
        positions_rotary.similarity(1, 2),
        positions_rotary.beyond(1, 2),
        positions_alibi.matrix(1, 1),
        positions_alibi.similarity(1, 1),
        positions_alibi.beyond(1, 1),
    ):
        if isinstance(drawn.picture, Chart):
            drawn.picture.to_altair("dark").to_dict()
        else:
            drawn.picture.to_bytes()
        assert drawn.to_csv()


def test_waves_name_dimension_partner_and_wavelength() -> None:
    chart = chart_of(sinusoidal.waves(20, 16, dim=5))
    assert [line.name for line in chart.lines] == ["dimension 5 (cosine)", "dimension 4 (sine)"]
    assert chart.title == "Dimension 5 comes back after 62.8 positions"
    assert chart.lines[0].y[0] == 1.0
    assert chart.lines[1].is_dashed


def test_both_lines_of_the_similarity_lie_on_each_other() -> None:
    chart = chart_of(sinusoidal.similarity(64, 32))
    first, second = chart.lines
    ahead = dict(zip(second.x, second.y, strict=True))
    for distance, value in zip(first.x, first.y, strict=True):
        if distance in ahead:
            assert value == pytest.approx(ahead[distance], abs=1e-6)
    assert chart.badge is not None
    assert chart.badge.is_ok


def test_the_chart_carries_lines_bands_marks_and_theme() -> None:
    lines = (Line("a", [0, 1], [0.0, 1.0], band=([-1, 0], [1, 2])), Line("b", [0, 1], [2.0, 3.0]))
    chart = Chart("Which?", Axes("x", "y", mark=(1, "here")), lines, caption="Two lines.")
    spec = chart.to_altair("dark").to_dict()
    marks = [layer["mark"]["type"] for layer in spec["layer"]]
    assert marks == ["area", "line", "point", "point", "rule", "text"]
    assert spec["description"] == "Which? Two lines."
    assert {"line": "b", "x": 1.0, "y": 3.0} in rows_of(spec)
    assert "#7db4ef" in str(spec)  # query blue of the dark theme


def test_bars_are_told_apart_even_where_labels_are_equal() -> None:
    chart = Chart(
        "Which?",
        Axes("size", "token"),
        bars={"with": [1.0, 2.0, 3.0], "without": [0.0, 0.0, 0.0]},
        labels=("the", "it's", "the"),
    )
    spec = chart.to_altair().to_dict()
    assert {row["row"] for row in rows_of(spec)} == {0, 1, 2}
    assert r"it\'s" in str(spec["layer"][0]["encoding"]["y"]["axis"]["labelExpr"])
    assert chart.to_csv().splitlines()[2] == "with,1.0,the"


def test_files_hold_the_whole_table_and_its_words() -> None:
    drawn = sinusoidal.matrix(12, 6)
    saved = np.load(io.BytesIO(drawn.to_npz()), allow_pickle=False)
    np.testing.assert_array_equal(saved["table"], drawn.arrays["table"])
    assert str(saved["title"]) == drawn.title
    lines = drawn.to_csv().splitlines()
    assert lines[1] == "position \\ dimension,0,1,2,3,4,5"
    assert len(lines) == 14
    assert float(lines[3].split(",")[1]) == pytest.approx(np.sin(1), abs=1e-6)
    assert positions_rotary.motion(9, 4).to_csv().splitlines()[1] == "array,index,value"
    assert "<canvas" not in drawn.to_html()
    assert drawn.title in drawn.to_html()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_is_saved_as_png_and_svg_with_its_words(theme: Any) -> None:
    bars = Chart("Bars?", Axes("size", "token"), bars={"a": [0.5, 0.0]}, labels=("<the>", "cat"))
    for chart in (
        chart_of(sinusoidal.beyond(16, 8)),
        chart_of(positions_alibi.beyond(16, 12)),
        chart_of(sinusoidal.tutorial(1, 2, shown="Shift")),
        Chart("Log?", Axes("x", "y", is_log=True), (Line("one", [0, 1], [1e-6, 10.0]),)),
        bars,
    ):
        svg = positions_still.to_svg(chart, theme=theme)
        assert chart.title.replace("<", "&lt;") in svg
        assert positions_still.to_png(chart, theme=theme).startswith(b"\x89PNG")
    assert "&lt;the&gt;" in positions_still.to_svg(bars)
    two = Chart("Two?", Axes("x", "y"), (Line("one", [0, 1, 2], [0.0, 1.0, 0.5]),))
    blue = 'stroke="#225fa2"'
    assert positions_still.to_svg(two).count(blue) == 2  # a segment between neighbours


def test_a_long_title_of_the_x_axis_takes_several_lines() -> None:
    """A phone has room for some 34 letters."""
    title = "1 − cos of the token's output in the two orders"
    for chart in (
        Chart("Which?", Axes(title, "y"), bars={"a": [1.0]}, labels=("x",)),
        Chart("Which?", Axes(title, "y"), (Line("a", [0, 1], [0.0, 1.0]),)),
    ):
        lines = chart.to_altair().to_dict()["layer"][0]["encoding"]["x"]["title"]
        assert " ".join(lines) == title
        assert max(map(len, lines)) <= 34
