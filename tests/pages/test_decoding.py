"""The Decoding page: it writes, forks and returns, and says what cannot be written."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache, decoder
from pages.components.decoding_controls import KEY
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.stepwise import Decoding
from transformer_core.figures.decoder import strategy_facts
from transformer_core.models.loading import load

PAGE = Path(__file__).resolve().parents[2] / "pages" / "decoding.py"


class _Texts:
    """Stands in for what a session keeps: AppTest has no session of its own to ask."""

    def __init__(self) -> None:
        self.texts: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        return self.texts


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept = _Texts()
    monkeypatch.setattr(decoder, "_texts", kept)
    return kept.texts


@pytest.fixture
def page(tmp_path: Path, texts: dict[str, Any]) -> Iterator[AppTest]:
    st.cache_resource.clear()
    folder = str(make_translator(tmp_path / "tiny"))
    cache.model_of(folder)
    test = AppTest.from_file(str(PAGE), default_timeout=30)
    test.query_params["model"] = folder
    test.session_state["text"] = "The cat sat."
    yield test
    st.cache_resource.clear()


def until_written(page: AppTest) -> AppTest:
    """Run the page until nothing is being written any more."""
    page.run()
    for _ in range(100):
        if not any(button.key == "decoding-stop" for button in page.button):
            return page
        time.sleep(0.05)
        page.run()
    raise AssertionError("still writing")


def test_a_text_is_written_and_its_steps_are_shown(page: AppTest, texts: dict[str, Any]) -> None:
    page.session_state["tokens"] = 6
    until_written(page)
    assert not page.exception
    assert not page.error
    text = texts[decoder.PLACE]
    expected = load(text.asked.model_id).decode("The cat sat.", text.asked.strategy)  # type: ignore[attr-defined]
    assert [step.token_id for step in text.steps] == [step.token_id for step in expected]
    payload = decoder.picture_of(text)
    assert len(payload.header["options"]["lens"]) == len(text.steps)


@pytest.mark.parametrize("strategy", ["Greedy", "Sample", "Beam"])
def test_a_fork_writes_on_from_another_token_and_the_first_text_stays(
    page: AppTest, texts: dict[str, Any], strategy: str
) -> None:
    page.session_state["tokens"] = 6
    page.session_state["strategy"] = strategy
    until_written(page)
    text = texts[decoder.PLACE]
    assert strategy_facts(text.asked.strategy)["kind"] == strategy.lower()
    before = [step.token_id for step in text.steps]
    other = next(i for i in text.steps[2].logits.topk(9).indices.tolist()[3:] if i != before[2])
    branch = text.branches.fork(0, 2, other)
    text.shown = (branch.id, None)
    until_written(page)
    assert not page.exception
    assert [step.token_id for step in text.steps][:3] == [*before[:2], other]
    assert text.steps[2].is_forced
    branches = decoder.picture_of(text).header["options"]["branches"]
    assert [(one["parent"], one["step"]) for one in branches] == [(None, 0), (0, 2)]
    text.shown = (0, None)
    until_written(page)
    assert [step.token_id for step in text.steps] == before


def test_new_settings_begin_a_new_text(page: AppTest, texts: dict[str, Any]) -> None:
    page.session_state["tokens"] = 4
    until_written(page)
    first = texts[decoder.PLACE]
    page.number_input(key="tokens").set_value(5)
    until_written(page)
    assert texts[decoder.PLACE] is not first
    assert len(texts[decoder.PLACE].steps) <= 5


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_is_asked_for(page: AppTest, text: str) -> None:
    page.session_state["text"] = text
    page.run()
    assert not page.exception
    assert "Type a text" in page.info[0].value


def test_a_text_that_is_too_long_is_explained_and_kept(page: AppTest) -> None:
    long = "cat " * 500
    page.session_state["text"] = long
    until_written(page)
    assert not page.exception
    assert len(page.error) == 1
    assert page.text_input(key="text").value == long


def test_a_model_that_only_reads_says_which_can_write(page: AppTest) -> None:
    page.query_params["model"] = "minilm"
    page.run()
    assert not page.exception
    assert "has no decoder" in page.warning[0].value
    assert page.selectbox(key=KEY).value != "minilm"


def test_a_folder_without_a_decoder_is_explained(page: AppTest, tmp_path: Path) -> None:
    folder = str(make_tiny("bert", tmp_path / "bert"))
    cache.model_of(folder)
    page.query_params["model"] = folder
    until_written(page)
    assert not page.exception
    assert len(page.error) == 1


def test_the_code_of_the_page_runs(page: AppTest, capsys: pytest.CaptureFixture[str]) -> None:
    page.session_state["tokens"] = 4
    until_written(page)
    code = next(block.value for block in page.code if "decode" in block.value)
    exec(code, {})
    assert capsys.readouterr().out.startswith("0 ")


def test_a_text_that_was_stopped_is_kept_and_goes_on(
    page: AppTest, texts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Decoding.__next__
    pace = [0.12]

    def slow(self: Decoding) -> Any:
        time.sleep(pace[0])
        return whole(self)

    monkeypatch.setattr(Decoding, "__next__", slow)
    page.session_state["tokens"] = 12
    page.run()
    page.button(key="decoding-stop").click().run()
    until_written(page)
    assert not page.exception
    n_steps = len(texts[decoder.PLACE].steps)
    assert 0 < n_steps < 12
    assert any("Stopped" in caption.value for caption in page.caption)
    pace[0] = 0.0
    next(button for button in page.button if button.label == "Go on").click()
    until_written(page)
    assert texts[decoder.PLACE].is_over
    assert len(texts[decoder.PLACE].steps) > n_steps
    assert not any("Stopped" in caption.value for caption in page.caption)
    assert not [thread for thread in threading.enumerate() if thread.name == "live"]
