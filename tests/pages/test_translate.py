"""The Translate & summarise page: what it shows, and what it says to odd input."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache

PAGE = Path(__file__).resolve().parents[2] / "pages" / "translate.py"
MODEL = "en-fr-small"


@pytest.fixture
def page() -> Iterator[AppTest]:
    st.cache_resource.clear()
    cache.model_of(MODEL)
    yield AppTest.from_file(str(PAGE), default_timeout=60)
    st.cache_resource.clear()


def translated(page: AppTest, text: str) -> AppTest:
    page.session_state["translate_search"] = "Greedy"
    page.session_state["text"] = text
    page.run()
    for _ in range(100):  # a long text is polled until it is there
        if not any(button.key == "translation-stop" for button in page.button):
            break
        time.sleep(0.3)
        page.run()
    return page


def test_a_sentence_is_translated_with_its_numbers(page: AppTest) -> None:
    translated(page, "Where is the station?")
    assert not page.exception
    assert not page.error
    headings = [markdown.value for markdown in page.markdown if markdown.value.startswith("####")]
    assert len(headings) == 1
    assert "gare" in headings[0]
    assert any("tokens/s" in caption.value for caption in page.caption)


def test_a_document_says_that_it_was_cut(page: AppTest) -> None:
    text = " ".join(["The cat sat on the mat."] * 20)
    translated(page, text)
    assert not page.exception
    assert any("20 parts" in caption.value for caption in page.caption)
    assert page.selectbox


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_says_what_to_do(page: AppTest, text: str) -> None:
    translated(page, text)
    assert not page.exception
    assert "Type a text" in page.info[0].value
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize(
    "text", ["😀😀", "日本語の文です。", "nul \x00 here", "<b>*bold*</b>", "a" * 400]
)
def test_odd_texts_are_answered_without_a_traceback(page: AppTest, text: str) -> None:
    translated(page, text)
    assert not page.exception
    assert page.text_input(key="text").value == text


def test_an_example_gives_way_to_that_of_the_other_task(page: AppTest) -> None:
    page.session_state["translate_search"] = "Greedy"
    page.run()
    assert str(page.text_input(key="text").value).startswith("The Transformer model")
