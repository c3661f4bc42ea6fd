"""The Positions page: every view is drawn, its code makes the very picture, bad sizes are said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.positions import KINDS, live
from pages.components.positions.view import Settings
from tests.support.tiny_models import make_tiny
from transformer_core.figures.positions_charts import Chart
from transformer_core.figures.positions_drawn import Drawn

PAGE = Path(__file__).resolve().parents[2] / "pages" / "positions.py"
TEXT = "The cat sat on the mat."
VALUES: dict[str, Any] = {
    "length": 24, "rows": 10, "trained": 32, "width": 16, "wide": 32, "d_head": 8, "heads": 4,
    "head": 1, "dim": 3, "pair": 2, "distance": 2, "front": 3, "seed": 1, "layer": 1,
    "base": 100_000, "shown": "Difference", "order": "shuffled", "moved": "By layer",
    "away": "Pattern",
}  # fmt: skip
FORMULAS = [
    (kind.name, view)
    for kind in KINDS.values()
    for view in kind.views
    if kind.name not in {"Learned", live.KIND.name}
]


@pytest.fixture
def page() -> Iterator[AppTest]:
    st.cache_resource.clear()
    yield AppTest.from_file(str(PAGE), default_timeout=60)
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: str(make_tiny(kind, folder / kind)) for kind in ("bert", "llama")}


def open_view(page: AppTest, kind: str, view: str, **settings: object) -> AppTest:
    page.query_params["kind"], page.query_params["view"] = kind, view
    for name, value in settings.items():
        page.query_params[name] = str(value)
    return page.run()


def same(first: Drawn, second: Drawn) -> bool:
    """Whether two pictures are the same, to the byte or the number."""
    if isinstance(first.picture, Chart):
        return first.picture == second.picture
    return first.picture.id == second.picture.id  # type: ignore[union-attr]


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "the page's code", "exec"), names)
    return names


@pytest.mark.parametrize(("kind", "view"), FORMULAS)
def test_the_code_of_a_formula_makes_the_picture(kind: str, view: str) -> None:
    one, now = KINDS[kind].views[view], Settings(None, "", VALUES)
    drawn, names = one.draw(now), run(one.code(now))
    assert drawn is not None
    assert same(names["drawn"], drawn)
    assert "<html" in names["page"]
    assert drawn.to_csv().count("\n") > 2
    assert one.explanation
    assert KINDS[kind].explanation.count("$$") == 2


@pytest.mark.parametrize("shown", ["Difference", "Paper's", "Tutorials'", "Shift"])
def test_the_mistake_is_shown_four_ways_with_its_number(shown: str) -> None:
    now = Settings(None, "", {**VALUES, "shown": shown})
    view = KINDS["Sinusoidal"].views["Tutorials' formula"]
    drawn = view.draw(now)
    assert drawn is not None
    picture = drawn.picture
    subtitle = picture.subtitle if isinstance(picture, Chart) else picture.header["subtitle"]
    assert "no rotation any more" in subtitle
    assert same(run(view.code(now))["drawn"], drawn)


@pytest.mark.parametrize("choice", [{}, {"moved": "One head", "away": "Weight by distance"}])
@pytest.mark.parametrize("view", list(live.KIND.views))
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_code_of_a_test_makes_the_picture(
    kind: str, view: str, choice: dict[str, str], models: dict[str, str], monkeypatch: Any
) -> None:
    st.cache_resource.clear()
    monkeypatch.setattr(live, "COMPARED", ())
    cache.model_of(models[kind])
    now = Settings(models[kind], TEXT, {**VALUES, **choice})
    one = live.KIND.views[view]
    drawn, names = one.draw(now), run(one.code(now))
    assert drawn is not None
    for name, array in drawn.arrays.items():
        np.testing.assert_allclose(names["drawn"].arrays[name], array, atol=1e-5)
    assert names["drawn"].title == drawn.title


@pytest.mark.parametrize("view", list(KINDS["Learned"].views))
def test_the_code_of_a_learned_table_makes_the_picture(view: str, models: dict[str, str]) -> None:
    st.cache_resource.clear()
    cache.model_of(models["bert"])
    now, one = Settings(models["bert"], TEXT, VALUES), KINDS["Learned"].views[view]
    drawn = one.draw(now)
    assert drawn is not None
    assert same(run(one.code(now))["drawn"], drawn)


@pytest.mark.parametrize(("kind", "view"), FORMULAS)
def test_every_view_is_drawn_and_its_link_keeps_all_settings(
    page: AppTest, kind: str, view: str
) -> None:
    open_view(page, kind, view, length=24, width=16, d_head=8, heads=4, head=2, base=500000)
    assert not page.exception
    assert not page.error
    assert page.query_params["kind"] == kind
    assert page.query_params["view"] == view
    names = {*KINDS[kind].views[view].controls, *KINDS[kind].views[view].picked}
    assert names <= set(page.query_params)
    if "base" in names:
        assert page.query_params["base"] == "500000"
    link = next(code.value for code in page.code if code.value.startswith(("http", "?")))
    for name in names:
        assert f"{name}=" in link


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("width", 511, "d_model is 511; it must be even"),
        ("width", 1, "Try 2."),
        ("width", 0, "Try 2."),
        ("length", 0, "seq_length is 0; it must be from 1 to 2,048"),
        ("length", 5000, "seq_length is 5,000"),
    ],
)
def test_a_size_that_cannot_be_is_said_and_nothing_is_lost(
    page: AppTest, name: str, value: int, words: str
) -> None:
    open_view(page, "Sinusoidal", "Matrix", length=48, width=32)
    typed = page.number_input(key=f"positions_{name}_typed")
    typed.set_value(value).run()
    assert not page.exception
    assert words in page.error[0].value.replace("\\", "")
    assert page.slider(key="positions_length").value == 48
    assert page.slider(key="positions_width").value == 32
    assert page.number_input(key=f"positions_{name}_typed").value == value
    page.number_input(key=f"positions_{name}_typed").set_value(64).run()
    assert not page.error
    assert page.slider(key=f"positions_{name}").value == 64


def test_a_bad_address_is_said_and_the_page_is_drawn(page: AppTest) -> None:
    open_view(page, "Sinusoidal", "Matrix", width=7, length="many")
    assert not page.exception
    assert "d_model is 7" in page.error[0].value.replace("\\", "")
    open_view(page, "No such", "Nothing")
    assert not page.exception


def test_slider_and_number_follow_each_other(page: AppTest) -> None:
    open_view(page, "Rotary", "Similarity")
    page.slider(key="positions_d_head").set_value(96).run()
    assert page.number_input(key="positions_d_head_typed").value == 96
    page.number_input(key="positions_d_head_typed").set_value(128).run()
    assert page.slider(key="positions_d_head").value == 128


def test_another_kind_keeps_what_was_set_and_begins_with_its_first_view(page: AppTest) -> None:
    open_view(page, "Sinusoidal", "Similarity", length=77)
    page.button_group(key="positions_kind").set_value("ALiBi").run()
    assert page.query_params["view"] == "Similarity"
    page.button_group(key="positions_kind").set_value("Rotary").run()
    assert page.slider(key="positions_length").value == 77
    page.button_group(key="positions_view").set_value("Rotation").run()
    page.button_group(key="positions_kind").set_value("Sinusoidal").run()
    assert page.query_params["view"] == "Matrix"
    assert not page.exception


def test_a_model_without_a_table_says_what_it_has(page: AppTest, models: dict[str, str]) -> None:
    cache.model_of(models["llama"])
    page.query_params["model"] = models["llama"]
    open_view(page, "Learned", "Matrix")
    assert "rotary positions" in page.info[0].value
    assert not page.exception


def test_a_sentence_is_asked_for_where_there_is_none(page: AppTest, models: dict[str, str]) -> None:
    cache.model_of(models["bert"])
    page.query_params["model"] = models["bert"]
    page.session_state["text"] = " "
    open_view(page, live.KIND.name, "Words reordered")
    assert "Type a sentence" in page.error[0].value
    page.session_state["text"] = "cat"
    page.run()
    assert "two words" in page.error[0].value
    page.session_state["text"] = "The cat sat"
    page.run()
    assert not page.error
    assert not page.exception
