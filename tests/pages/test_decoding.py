"""The Decoding page: it writes, forks and returns, and says what cannot be written."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache, decoding_texts
from pages.components.decoding_controls import KEY
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.stepwise import Decoding
from transformer_core.decoding.strategies import Sample
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
    monkeypatch.setattr(decoding_texts, "texts", kept)
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


def with_callback(page: AppTest, action: Any) -> None:
    """Do something at the beginning of the next run, as a callback of the picture does."""
    from pages.components import navigation

    whole = navigation.set_up

    def once(title: str) -> None:
        navigation.set_up = whole
        action()
        whole(title)

    navigation.set_up = once
    page.run()


def until_written(page: AppTest) -> AppTest:
    """Run the page until nothing is being written any more."""
    page.run()
    for _ in range(100):
        if all(button.disabled for button in page.button if button.key == "decoding-stop"):
            return page
        time.sleep(0.05)
        page.run()
    raise AssertionError("still writing")


def test_a_text_is_written_and_its_steps_are_shown(page: AppTest, texts: dict[str, Any]) -> None:
    page.session_state["tokens"] = 6
    until_written(page)
    assert not page.exception
    assert not page.error
    text = texts[decoding_texts.PLACE]
    expected = load(text.asked.model_id).decode("The cat sat.", text.asked.strategy)  # type: ignore[attr-defined]
    assert [step.token_id for step in text.steps] == [step.token_id for step in expected]
    payload = decoding_texts.picture_of(text)
    assert len(payload.header["options"]["lens"]) == len(text.steps)


@pytest.mark.parametrize("strategy", ["Greedy", "Sample", "Beam"])
def test_a_fork_writes_on_from_another_token_and_the_first_text_stays(
    page: AppTest, texts: dict[str, Any], strategy: str
) -> None:
    page.session_state["tokens"] = 6
    page.session_state["strategy"] = strategy
    until_written(page)
    text = texts[decoding_texts.PLACE]
    assert strategy_facts(text.asked.strategy)["kind"] == strategy.lower()
    before = [step.token_id for step in text.steps]
    other = next(i for i in text.steps[2].logits.topk(9).indices.tolist()[3:] if i != before[2])
    branch = text.branches.fork(0, 2, other)
    text.open((branch.id, None), 2)
    until_written(page)
    assert not page.exception
    assert [step.token_id for step in text.steps][:3] == [*before[:2], other]
    assert text.steps[2].is_forced
    options = decoding_texts.picture_of(text).header["options"]
    assert options["shown"] == {"text": branch.id, "hypothesis": None, "start": 2}
    assert [one["number"] for one in options["tree"]["texts"]] == [0, branch.id]
    text.open((0, None), 0)
    until_written(page)
    assert [step.token_id for step in text.steps] == before


def test_strategies_of_one_source_share_a_tree(page: AppTest, texts: dict[str, Any]) -> None:
    page.session_state["tokens"] = 5
    until_written(page)
    text = texts[decoding_texts.PLACE]
    for strategy in ("Beam", "Sample"):
        page.session_state["strategy"] = strategy
        until_written(page)
        assert texts[decoding_texts.PLACE] is text
        assert type(text.branch.strategy).__name__ == strategy
    tree = decoding_texts.picture_of(text).header["options"]["tree"]
    names = [one["name"] for one in tree["texts"]]
    assert names == ["greedy", "beam of 4", "sample 0, T 1"]
    assert all(one["tip"] is not None for one in tree["texts"])
    assert tree["tip"] == tree["texts"][2]["tip"]
    page.text_input(key="text").set_value("A dog ran.")
    until_written(page)
    assert len(texts[decoding_texts.PLACE].branches) == 1


def test_opening_a_text_sets_the_controls_to_how_it_was_written(
    page: AppTest, texts: dict[str, Any]
) -> None:
    page.session_state["tokens"] = 4
    until_written(page)
    text = texts[decoding_texts.PLACE]
    other = text.branches.begin(Sample(2.0, 40, 0.9, None, 5, 4, 1.1))
    text.open((other.id, None), 1)

    def take() -> None:
        from pages.components.decoding_controls import take_strategy

        take_strategy(other.strategy)

    with_callback(page, take)
    until_written(page)
    assert not page.exception
    assert text.shown == (other.id, None)
    assert page.number_input(key="seed").value == 5
    assert page.select_slider(key="temperature").value == 2.0
    link = next(block.value for block in page.code if "strategy=" in block.value)
    for part in ("strategy=Sample", "temperature=2.0", "top_k=40", "top_p=0.9", "seed=5", "step=1"):
        assert part in link
    assert "text=" not in link


def test_a_link_restores_strategy_settings_and_step(page: AppTest, texts: dict[str, Any]) -> None:
    page.query_params.update(
        strategy="Sample", tokens="5", temperature="1.58", top_k="30", top_p="0.9", min_p="0.02",
        seed="11", penalty="1.1", step="3",
    )  # fmt: skip
    until_written(page)
    assert not page.exception
    text = texts[decoding_texts.PLACE]
    assert text.branch.strategy == Sample(1.58, 30, 0.9, 0.02, 11, 5, 1.1)
    assert decoding_texts.picture_of(text).header["options"]["shown"]["start"] == 3
    link = next(block.value for block in page.code if "strategy=" in block.value)
    assert "step=3" in link


@pytest.mark.parametrize("step", ["", "-1", "many", "99999999999999999999"])
def test_a_step_that_is_none_does_no_harm(page: AppTest, texts: dict[str, Any], step: str) -> None:
    page.query_params.update(step=step, tokens="3")
    until_written(page)
    assert not page.exception
    assert texts[decoding_texts.PLACE].steps


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
    assert not any(b.label.startswith("Work through") for b in page.button)  # its task is unknown


def test_where_a_text_is_too_long_it_can_be_worked_through_as_a_document(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[tuple[str, dict[str, str]]] = []

    def switch_page(path: str, *, query_params: dict[str, str]) -> None:
        went.append((path, query_params))

    monkeypatch.setattr(st, "switch_page", switch_page)
    cache.model_of("en-fr-small")
    page.query_params["model"] = "en-fr-small"
    page.session_state["text"] = "cat " * 500
    until_written(page)
    (button,) = [b for b in page.button if b.label.startswith("Work through")]
    button.click().run()
    assert went == [("pages/translate.py", {"input": "Document", "task": "Translate"})]
    assert page.session_state["document_text"] == "cat " * 500


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


def test_a_reader_that_was_chosen_on_another_page_is_named(page: AppTest) -> None:
    del page.query_params["model"]
    page.session_state["model"] = "minilm"
    page.run()
    assert not page.exception
    assert "chosen on another page, has no decoder" in page.warning[0].value
    assert "These can:" in page.warning[0].value


@pytest.mark.parametrize(
    "text",
    ["🙂🙂🙂", "a\x00b\x07\x1b[31m", "שלום עולם", "<script>alert(1)</script>", "中文", "\u202ea"],
)
def test_strange_texts_are_written_from_or_explained(page: AppTest, text: str) -> None:
    page.session_state["text"] = text
    page.session_state["tokens"] = 3
    until_written(page)
    assert not page.exception
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize("strategy", ["Greedy", "Beam"])
def test_a_forced_token_that_ends_the_text_ends_it(
    page: AppTest, texts: dict[str, Any], strategy: str
) -> None:
    page.session_state["tokens"] = 6
    page.session_state["strategy"] = strategy
    until_written(page)
    text = texts[decoding_texts.PLACE]
    (end, *_) = text.branch.decoding.constraints.end_ids
    branch = text.branches.fork(0, 1, end)
    text.open((branch.id, None), 1)
    until_written(page)
    assert not page.exception
    assert not page.error
    assert [step.token_id for step in text.steps][1:] == [end]
    assert text.steps[-1].ended == "eos"
    assert text.is_over


def test_a_chat_model_says_how_it_reads_and_lets_one_choose(
    page: AppTest, texts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer_core.tasks import chat

    monkeypatch.setattr(chat, "has_chat_template", lambda _: True)
    monkeypatch.setattr(chat, "chat_prompt", lambda _, text: f"Question: {text}")
    page.session_state["tokens"] = 3
    until_written(page)
    assert page.segmented_control(key="prompt").value == "Plain text"
    first = texts[decoding_texts.PLACE]
    assert first.steps[-1].answer.stepper.source.text == "The cat sat."
    page.session_state["prompt"] = "Message"
    until_written(page)
    assert not page.exception
    text = texts[decoding_texts.PLACE]
    assert text.steps[-1].answer.stepper.source.text == "Question: The cat sat."
    notes = decoding_texts.picture_of(text).header["notes"]
    assert any("chat template" in note for note in notes)
    code = next(block.value for block in page.code if "decode" in block.value)
    assert "text = chat_prompt(model, text)" in code


def test_the_code_of_the_page_runs(
    page: AppTest,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    page.session_state["tokens"] = 4
    until_written(page)
    code = next(block.value for block in page.code if "decode" in block.value)
    exec(code, {})
    assert capsys.readouterr().out.startswith("0 ")
    assert (tmp_path / "decoding.html").exists()


@pytest.mark.parametrize("moment", [0.0, 0.03, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("strategy", ["Greedy", "Beam"])
def test_stopping_at_any_moment_leaves_nothing_running(
    page: AppTest,
    texts: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    moment: float,
) -> None:
    whole, expand = Decoding.__next__, BeamDecoding.expand

    def slow(self: Any) -> Any:
        time.sleep(0.05)
        return (whole if isinstance(self, Decoding) else expand)(self)

    monkeypatch.setattr(Decoding, "__next__", slow)
    monkeypatch.setattr(BeamDecoding, "expand", slow)
    before = threading.active_count()
    page.session_state["tokens"] = 12
    page.session_state["strategy"] = strategy
    page.run()
    time.sleep(moment)
    page.button(key="decoding-stop").click().run()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.05)
    assert threading.active_count() <= before
    n_steps = len(texts[decoding_texts.PLACE].steps)
    time.sleep(0.2)
    assert len(texts[decoding_texts.PLACE].steps) == n_steps
    page.run()
    assert not page.exception
    assert len(texts) == 1


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
    n_steps = len(texts[decoding_texts.PLACE].steps)
    assert 0 < n_steps < 12
    assert any("Stopped" in caption.value for caption in page.caption)
    pace[0] = 0.0
    next(button for button in page.button if button.label == "Go on").click()
    until_written(page)
    assert texts[decoding_texts.PLACE].is_over
    assert len(texts[decoding_texts.PLACE].steps) > n_steps
    assert not any("Stopped" in caption.value for caption in page.caption)
    assert not [thread for thread in threading.enumerate() if thread.name in ("live", "work")]
