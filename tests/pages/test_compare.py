"""The compare view: a second text, examples, another model, code that runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from pages.components import cache, second_side
from pages.components.views import compare as view
from pages.components.views.view import Situation
from transformer_core.figures import compare, first_paint
from transformer_core.figures.readings import Place, Reading

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
WIDE = first_paint.TEXT.replace("tired", "wide")


@pytest.fixture
def page() -> Iterator[AppTest]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    test = AppTest.from_file(str(PAGE), default_timeout=90)
    test.session_state["view"] = "Compare"
    test.session_state["attention-code"] = True  # opened, as a person does
    yield test
    st.cache_resource.clear()


def code_of(page: AppTest) -> str:
    return next(block.value for block in page.code if "import transformer_core" in block.value)


def test_the_first_sentence_is_compared_with_its_famous_pair(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    assert page.text_input(key="second_text").value == WIDE


def test_the_code_for_two_texts_runs_and_ranks_the_same_heads(page: AppTest) -> None:
    page.run()
    run: dict[str, Any] = {}
    exec(code_of(page), run)
    place = Place("encoder", first_paint.LAYER, first_paint.HEAD)
    model = cache.model_of("minilm")
    sides = [compare.Side(model.trace(text), place) for text in (first_paint.TEXT, WIDE)]
    assert torch.allclose(run["ranking"].bits, compare.rank_heads(*sides).bits, atol=1e-6)
    assert "What changes with the text?" in run["page"]


def test_an_example_sets_both_texts(page: AppTest) -> None:
    page.run()
    page.button(key="pair key / keys").click().run()
    assert not page.exception
    first, second = second_side.PAIRS["key / keys"]
    assert page.text_input(key="text").value == first
    assert page.text_input(key="second_text").value == second
    assert repr(second) in code_of(page)


def test_words_and_hidden_tokens_are_in_the_code(page: AppTest) -> None:
    page.run()
    page.toggle(key="words").set_value(True).run()
    page.toggle(key="hide_special").set_value(True).run()
    assert not page.exception
    run: dict[str, Any] = {}
    exec(code_of(page), run)
    assert "views.Reading(words=True, hide_special=True" in code_of(page)


@pytest.mark.parametrize("text", ["", "   "])
def test_without_a_second_text_it_is_said_what_to_do(page: AppTest, text: str) -> None:
    page.run()
    page.text_input(key="second_text").set_value(text).run()
    assert not page.exception
    assert "Type a second text" in page.info[0].value


def test_a_second_text_that_is_too_long_is_explained_and_kept(page: AppTest) -> None:
    page.run()
    long = "word " * 600
    page.text_input(key="second_text").set_value(long).run()
    assert not page.exception
    assert "512" in page.error[0].value
    assert page.text_input(key="second_text").value == long


def test_another_model_is_compared_by_its_closest_head(page: AppTest) -> None:
    cache.model_of("smollm2")
    page.run()
    page.segmented_control(key="compare_with").set_value("model").run()
    assert not page.exception
    assert not page.error
    trace, other = (cache.trace_of(name, first_paint.TEXT) for name in ("minilm", "smollm2"))
    first = compare.Side(trace, Place("encoder", first_paint.LAYER, first_paint.HEAD))
    bits = compare.closest_heads(first, compare.Side(other, Place("decoder", 0, 0))).bits
    layer, head = divmod(int(bits.argmin()), 9)
    assert page.selectbox(key="other_Layer").value == layer
    assert page.selectbox(key="other_Head").value == head
    page.selectbox(key="other_Layer").set_value(7).run()
    assert page.selectbox(key="other_Layer").value == 7
    assert page.selectbox(key="other_Head").value == head
    run: dict[str, Any] = {}
    exec(code_of(page), run)
    assert torch.allclose(run["ranking"].bits, bits, atol=1e-6)
    assert f"Place(site='decoder', layer=7, head={head})" in code_of(page)


def test_the_files_hold_the_pair(page: AppTest) -> None:
    trace = cache.trace_of("minilm", first_paint.TEXT)
    now = Situation("minilm", first_paint.TEXT, trace, Place("encoder", 3, 1), Reading())
    files = view.files(now)
    assert files["CSV"][0] == "all-MiniLM-L6-v2-encoder-L3-H1-pair.csv"
    assert "difference" in str(files["CSV"][1]())
    assert '"head_bits_kind": "index"' in str(files["JSON"][1]())
