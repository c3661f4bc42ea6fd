"""The Attention page: what it says to odd input, and that it keeps what was typed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from tests.support.tiny_translator import make_translator

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"


@pytest.fixture
def page() -> Iterator[AppTest]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    yield AppTest.from_file(str(PAGE), default_timeout=30)
    st.cache_resource.clear()


def test_the_first_sentence_is_traced(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    assert page.selectbox(key="layer").value == 3
    assert page.selectbox(key="head").value == 1


@pytest.mark.parametrize("text", ["", "   ", "word " * 10_000], ids=["empty", "spaces", "long"])
def test_a_text_that_cannot_be_traced_is_explained_and_kept(page: AppTest, text: str) -> None:
    page.run()
    page.text_input(key="text").set_value(text).run()
    assert not page.exception
    assert len(page.error) == 1
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize("text", ["a", "nul \x00 here", "שלום hello مرحبا", "😀👩‍👩‍👧", "日本語"])
def test_odd_texts_are_traced(page: AppTest, text: str) -> None:
    page.run()
    page.text_input(key="text").set_value(text).run()
    assert not page.exception
    assert not page.error


def test_every_view_opens_without_an_error(page: AppTest) -> None:
    page.run()
    for view in ("All heads", "Links", "Query·key", "Heat map"):
        page.session_state["view"] = view
        page.run()
        assert not page.exception, view
        assert not page.error, view


def test_an_unknown_model_in_the_address_is_named(page: AppTest) -> None:
    page.query_params["model"] = "no-such-model"
    page.run()
    assert not page.exception
    assert "no-such-model" in page.warning[0].value


@pytest.mark.parametrize("value", ["99", "-1", "x"])
def test_a_layer_out_of_range_in_the_address_is_named(page: AppTest, value: str) -> None:
    page.query_params["layer"] = value
    page.run()
    assert not page.exception
    assert "from 0 to 5" in page.warning[0].value
    assert page.selectbox(key="layer").value == 0


@pytest.mark.parametrize(("asked", "shown"), [("encoder", "encoder"), ("nowhere", "cross")])
def test_the_address_names_the_site_of_an_encoder_decoder(
    page: AppTest, tmp_path: Path, asked: str, shown: str
) -> None:
    folder = make_translator(tmp_path / "tiny")
    cache.model_of(str(folder))
    page.session_state["text"] = "The cat sat."
    for name, value in {"model": str(folder), "site": asked, "layer": "1", "head": "1"}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert page.segmented_control(key="site").value == shown
    assert page.query_params["site"] == shown
    page.segmented_control(key="site").set_value("decoder").run()
    assert page.query_params["site"] == "decoder"


def test_what_stands_below_the_picture_is_drawn_when_it_is_opened(page: AppTest) -> None:
    page.run()
    assert not page.code
    assert not page.get("download_button")
    for part in ("explain", "code", "export", "link"):
        page.session_state[f"attention-{part}"] = True
    page.run()
    assert not page.exception
    assert any("softmax" in text.value for text in page.markdown)
    assert len(page.get("download_button")) == 4
    code, link = (block.value for block in page.code)
    assert "tc.load('minilm')" in code
    assert "layer=3" in link
    assert "text=" not in link
    page.checkbox(key="attention-link-text").check().run()
    assert "text=The+animal" in page.code[-1].value
