"""The switchboard's page view: modes, sweeps, presets kept by session, code that runs."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache, sweep
from pages.components.views import switchboard
from pages.components.views.view import Situation
from tests.support.tiny_models import make_tiny
from transformer_core.analysis import ablation
from transformer_core.figures.readings import Place, Reading

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
TEXT = "The cat sat on the mat."


@pytest.fixture
def page() -> Iterator[AppTest]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    test.session_state["view"] = "Switchboard"
    test.session_state["attention-code"] = True  # opened, as a person does
    test.session_state["text"] = TEXT
    yield test
    st.cache_resource.clear()


def words(page: AppTest) -> str:
    """All small print of the page."""
    return " ".join(caption.value for caption in page.caption)


def code_of(page: AppTest) -> str:
    return next(block.value for block in page.code if "import transformer_core" in block.value)


def switch(page: AppTest, *heads: tuple[int, int, str]) -> None:
    """Switch heads as the browser's message does."""
    page.session_state["switches"] = {"minilm encoder": heads}


def wait_for_sweep(page: AppTest) -> None:
    for _ in range(100):
        page.run()
        if "heads swept" in words(page):
            return
        time.sleep(0.2)
    pytest.fail(f"the sweep did not end: {words(page)}")


def test_the_board_opens_with_every_head_on(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    assert "each of the 72 heads off alone" in words(page)
    assert "off = {}" in code_of(page)


def test_the_code_does_what_the_picture_shows(page: AppTest) -> None:
    switch(page, (3, 1, "zero"), (0, 2, "zero"))
    page.run()
    assert not page.exception
    run: dict[str, Any] = {}
    exec(code_of(page), run)
    model = cache.model_of("minilm")
    trace = model.trace(TEXT)
    changed = ablation.switch_off(model, trace, "encoder", {(3, 1): "zero", (0, 2): "zero"})
    assert run["effect"].size == pytest.approx(
        ablation.effect_on(model, trace, changed).size, rel=1e-4
    )
    assert run["importance"].shape == (6, 12)
    assert "What changes when heads are off?" in run["page"]


def test_another_mode_is_that_of_the_heads_that_are_off(page: AppTest) -> None:
    switch(page, (3, 1, "zero"))
    page.run()
    page.segmented_control(key="switch_mode").set_value("mean").run()
    assert not page.exception
    assert page.session_state["switches"]["minilm encoder"] == ((3, 1, "mean"),)
    assert "(3, 1): 'mean'" in code_of(page)


def test_a_sweep_runs_to_its_end_and_stays(page: AppTest) -> None:
    page.run()
    page.button(key="start_sweep").click().run()
    wait_for_sweep(page)
    assert not page.exception
    assert "The most important: L" in words(page)
    assert any("Which heads matter most?" in text.value for text in page.markdown)
    page.session_state["view"] = "Heat map"
    page.run()
    page.session_state["view"] = "Switchboard"
    page.run()
    assert "heads swept" in words(page)


def test_a_stopped_sweep_keeps_what_it_knows(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "MAX_COPIES", 1)
    page.run()
    page.button(key="start_sweep").click().run()
    page.run()
    page.button(key="stop_sweep").click().run()
    assert not page.exception
    asked = sweep.Asked("minilm", TEXT, None, "encoder")
    found = sweep.sweep_of(asked, "zero", cache.trace_of("minilm", TEXT))
    for _ in range(100):
        if not found.work.is_running:
            break
        time.sleep(0.1)
    known = found.n_done
    assert 0 < known < 72
    page.run()
    assert f"{known} of 72 heads are known." in words(page)
    assert page.button(key="start_sweep").label == "Go on"


def test_switches_of_a_larger_model_do_not_break_a_smaller_one(page: AppTest) -> None:
    switch(page, (29, 8, "zero"), (-1, 0, "zero"), (1, 1, "zero"))
    page.run()
    assert not page.exception
    assert "off = {(1, 1): 'zero'}" in code_of(page)


@pytest.mark.parametrize("view", ["Switchboard", "Compare"])
def test_an_encoder_decoder_is_shown_at_each_of_its_sites(
    page: AppTest, tmp_path: Path, view: str
) -> None:
    folder = str(make_tiny("marian", tmp_path / "marian"))
    cache.model_of(folder)
    page.query_params["model"] = folder
    page.session_state["view"] = view
    page.session_state["second_text"] = "The dog sat on the mat."
    off = ((1, 2, "zero"),)
    page.session_state["switches"] = {f"{folder} {site}": off for site in ("encoder", "cross")}
    for site in ("cross", "encoder", "decoder"):
        page.session_state["site"] = site
        page.run()
        assert not page.exception
        assert not page.error
        run: dict[str, Any] = {}
        exec(code_of(page), run)
        assert f"{site!r}" in code_of(page)
        assert ("(1, 2): 'zero'" in code_of(page)) == (view == "Switchboard" and site != "decoder")


def test_the_files_hold_the_board(page: AppTest) -> None:
    trace = cache.trace_of("minilm", TEXT)
    now = Situation("minilm", TEXT, trace, Place("encoder", 0, 0), Reading())
    files = switchboard.files(now)
    rows = list(csv.reader(io.StringIO(str(files["CSV"][1]()))))
    assert len(rows) == 2 + 72
    assert files["JSON"][0] == "all-MiniLM-L6-v2-encoder-switchboard.json"
