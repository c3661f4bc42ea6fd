"""The Translate & summarise page: what it shows, and what it says to odd input."""

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.messages import plain
from transformer_core.tasks.streaming import PartState

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
        if all(button.disabled for button in page.button if button.key == "translation-stop"):
            break
        time.sleep(0.3)
        page.run()
    return page


def wait_for_no_work() -> None:
    end = time.monotonic() + 60
    while any(thread.name == "work" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_sentence_is_translated_with_its_numbers(page: AppTest) -> None:
    translated(page, "Where is the station?")
    assert not page.exception
    assert not page.error
    headings = [markdown.value for markdown in page.markdown if markdown.value.startswith("####")]
    assert len(headings) == 1
    assert "gare" in headings[0]
    assert any("tokens/s" in caption.value for caption in page.caption)
    assert not any("as far as" in markdown.value for markdown in page.markdown)


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
    "text",
    [
        "😀😀",
        "日本語の文です。",
        "nul \x00 and bell \x07 here",
        "<b>*bold*</b> $x$ [link](http://a)",
        "a" * 400,
        "מה שלומך היום?",
        "Où est la gare ?",
        "one\u2028two\u202ethree",
    ],
)
def test_odd_texts_are_answered_without_a_traceback(page: AppTest, text: str) -> None:
    translated(page, text)
    assert not page.exception
    assert page.text_input(key="text").value == text


def test_a_text_of_ten_thousand_words_is_kept_and_offered_as_a_document(page: AppTest) -> None:
    text = "The cat sat on the mat number seven. " * 1250
    translated(page, text)
    assert not page.exception
    assert "up to 1,024" in page.error[0].value
    assert page.text_input(key="text").value == text
    next(b for b in page.button if "as a document" in b.label).click().run()
    assert not page.exception
    assert any("1,250 texts" in caption.value for caption in page.caption)
    assert any(b.label == "Translate 1,250 texts" for b in page.button)


def test_a_document_is_worked_through_stopped_and_gone_on_with(page: AppTest) -> None:
    page.session_state["translate_search"] = "Greedy"
    page.session_state["document_text"] = "The cat sat. " * 150
    page.session_state["input"] = "Document"
    page.run()
    page.button(key="document-start").click().run()
    page.button(key="document-stop").click().run()
    wait_for_no_work()
    page.run()
    assert not page.exception
    assert not page.error
    assert any("Stopped" in caption.value for caption in page.caption)
    page.button(key="document-start").click().run()
    wait_for_no_work()
    page.run()
    assert len(page.dataframe) == 1
    assert any("tokens/s" in caption.value for caption in page.caption)
    assert not any(button.key == "document-start" for button in page.button)


def test_a_stop_leaves_no_thread_and_what_was_written(page: AppTest) -> None:
    page.session_state["text"] = "The cat sat on the mat. " * 40
    page.run()
    page.button(key="translation-stop").click().run()
    wait_for_no_work()
    page.run()
    assert not page.exception
    assert any("Stopped" in caption.value for caption in page.caption)


def test_texts_that_were_stopped_are_not_kept(page: AppTest) -> None:
    for n in range(3):
        page.session_state["text"] = f"The cat sat on mat {n}. " * 40
        page.run()
        page.button(key="translation-stop").click().run()
        wait_for_no_work()
    page.run()
    gc.collect()
    kept = [one for one in gc.get_objects() if type(one) is PartState]
    assert all("mat 2" in part.source.text for part in kept)
    assert len(kept) <= 40


def test_a_page_that_is_left_leaves_no_computation() -> None:
    st.cache_resource.clear()
    cache.model_of(MODEL)
    page = AppTest.from_string(
        "import runpy, streamlit as st\n"
        "from pages.components.navigation import set_up\n"
        "if st.session_state.get('elsewhere'):\n"
        "    set_up('Elsewhere')\n"
        "else:\n"
        f"    runpy.run_path({str(PAGE)!r})\n",
        default_timeout=60,
    )
    page.session_state["text"] = "The dog ran away from the house. " * 40
    page.run()
    assert not page.exception
    assert any(thread.name == "work" for thread in threading.enumerate())
    page.session_state["elsewhere"] = True
    page.run()
    wait_for_no_work()
    st.cache_resource.clear()


def opened(page: AppTest, label: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, AppTest]:
    """Click and see where it leads, before any other page runs."""
    pages: list[str] = []

    def go(target: str, *, query_params: dict[str, str]) -> None:
        assert query_params == {}
        pages.append(target)
        st.stop()

    monkeypatch.setattr(st, "switch_page", go)
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    (target,) = pages
    return target, page


def test_a_result_is_taken_to_attention_with_its_target(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated(page, "Where is the station?")
    written = next(m.value for m in page.markdown if m.value.startswith("####"))
    target, page = opened(page, "Open in Attention", monkeypatch)
    state = page.session_state
    assert target == "pages/attention.py"
    assert (state["model"], state["text"]) == (MODEL, "Where is the station?")
    assert (state["site"], state["view"]) == ("cross", "Heat map")
    model, text, target_text = state["carried_target"]
    assert (model, text) == (MODEL, "Where is the station?")
    assert plain(target_text) == written.removeprefix("#### ")


def test_one_part_is_taken_to_decoding_and_the_whole_text_is_there_again(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "The cat sat on the mat. " * 14
    translated(page, text)
    target, page = opened(page, "Open in Decoding", monkeypatch)
    state = page.session_state
    assert target == "pages/decoding.py"
    assert state["text"] == "The cat sat on the mat."
    assert (state["decoding_model"], state["strategy"]) == (MODEL, "Greedy")
    monkeypatch.undo()
    page.run()
    assert page.text_input(key="text").value == text


def test_results_have_files(page: AppTest) -> None:
    translated(page, "Where is the station?")
    labels = {getattr(button, "label", "") for button in page.get("download_button")}
    assert {"TXT", "TMX (translation memory)", "CSV (alignment)"} <= labels


def test_an_example_gives_way_to_that_of_the_other_task(page: AppTest) -> None:
    page.session_state["translate_search"] = "Greedy"
    page.run()
    assert str(page.text_input(key="text").value).startswith("The Transformer model")
