"""Home: what it shows of a sentence, what it says to odd input, and the guided tour's stops."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.home import page_of, settings_of
from transformer_core.figures import home

PAGE = Path(__file__).resolve().parents[2] / "pages" / "home.py"


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of(home.MODEL)
    yield
    st.cache_resource.clear()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60)


def typed(page: AppTest, text: str) -> AppTest:
    page.run()
    return page.text_input(key="text").set_value(text).run()


def test_the_first_sentence_is_translated(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    assert page.text_input(key="text").value == home.TEXT


@pytest.mark.parametrize("text", ["", "   "], ids=["empty", "spaces"])
def test_nothing_to_read_is_said_and_kept(page: AppTest, text: str) -> None:
    typed(page, text)
    assert not page.exception
    assert len(page.error) == 1
    assert "no text" in page.error[0].value
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize(
    "text", ["a", "nul \x00 here", "שלום hello مرحبا", "😀👩‍👩‍👧", "日本語", "<b>x</b>"]
)
def test_odd_texts_are_shown_or_explained(page: AppTest, text: str) -> None:
    typed(page, text)
    assert not page.exception
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize("text", ["שלום עולם", "日本語", "😀😀"])
def test_a_text_in_another_script_is_told_what_the_model_knows(page: AppTest, text: str) -> None:
    typed(page, text)
    assert any("English only" in warning.value for warning in page.warning)
    page.text_input(key="text").set_value("Déjà vu at the café.").run()
    assert not page.warning


def test_a_long_text_is_shown_part_by_part(page: AppTest) -> None:
    text = "hello world " * 5_000
    typed(page, text)
    assert not page.exception
    assert not page.error
    assert page.text_input(key="text").value == text
    n_parts = len(page.selectbox(key="home_part").options)
    assert n_parts > 100
    assert any(f"{n_parts:,} parts" in caption.value for caption in page.caption)
    page.selectbox(key="home_part").set_value(n_parts - 1).run()
    assert not page.exception
    typed(page, "One sentence.")
    assert not page.exception
    assert not page.error


def test_the_code_on_the_page_makes_its_pictures(
    page: AppTest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed(page, "The dog sleeps.")
    code = next(block.value for block in page.code if "pictures_of" in block.value)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "dort" in capsys.readouterr().out
    assert "Cross-attention" in (tmp_path / "map.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("block", "page_name", "site"),
    [
        ("encoder.self.block", "attention", "encoder"),
        ("decoder.cross.block", "attention", "cross"),
        ("decoder.cross.add", "layer", "decoder"),
        ("softmax", "decoding", None),
    ],
)
def test_a_block_opens_its_page_at_its_place(block: str, page_name: str, site: str | None) -> None:
    settings = settings_of(block, 1, page_name)
    assert settings["model"] == home.MODEL
    assert settings.get("site") == site
    assert settings.get("layer") == (None if site is None else 1)


def test_every_block_opens_a_page_that_is_there() -> None:
    for block in home.load().architecture.header["options"]["blocks"]:
        assert page_of(block) is not None, block
