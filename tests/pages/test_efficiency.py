"""The Efficiency page: what each method shows, and what it says to odd settings."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache, efficiency_distill
from transformer_core.efficiency import evaluation

PAGE = Path(__file__).resolve().parents[2] / "pages" / "efficiency.py"
MODEL = "en-fr-small"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    few = evaluation.shipped()
    small = evaluation.EvaluationSet("few", few.pairs[:3], few.calibration[:3], few.passages[:1])
    monkeypatch.setattr(evaluation, "shipped", lambda: small)
    st.cache_resource.clear()
    cache.model_of(MODEL)
    found = AppTest.from_file(str(PAGE), default_timeout=60)
    found.session_state["model"] = MODEL
    found.session_state["text"] = "The cat is sleeping on the sofa."
    yield found
    st.cache_resource.clear()


def opened(page: AppTest, method: str) -> AppTest:
    page.session_state["efficiency_method"] = method
    return page.run()


def finished(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    end = time.monotonic() + 50
    while any(button.label == "Stop" for button in page.button) and time.monotonic() < end:
        time.sleep(0.3)
        page.run()
    assert not page.exception
    return page


def errors(page: AppTest) -> str:
    return " ".join(error.value for error in page.error)


def test_sparse_attention_says_how_many_links_are_lost(page: AppTest) -> None:
    opened(page, "Sparse attention")
    assert not page.exception
    lost, change, logit = page.metric
    assert lost.label == "Links lost, all heads"
    assert 40 < float(lost.value.rstrip("%")) < 60
    assert float(change.value) > 0
    assert float(logit.value) > 0
    page.session_state["sparsity"] = 0.0
    page.run()
    assert page.metric[0].value == "0.0%"
    assert float(page.metric[2].value) < 1e-4


@pytest.mark.parametrize("sparsity", [1.0, -1.0])
def test_a_sparsity_that_leaves_nothing_is_refused_and_nothing_is_lost(
    page: AppTest, sparsity: float
) -> None:
    page.session_state["sparsity"] = sparsity
    opened(page, "Sparse attention")
    assert not page.exception
    assert f"sparsity is {sparsity:g}; it must be from 0" in errors(page)
    page.session_state["sparsity"] = 0.5
    page.run()
    assert not page.error
    assert len(page.metric) == 3


def test_windows_and_blocks_are_shown_and_empty_ones_refused(page: AppTest) -> None:
    page.session_state["sparse_rule"] = "Window"
    opened(page, "Sparse attention")
    assert not page.error
    page.session_state["sparse_rule"] = "Blocks"
    page.session_state["sparse_Blocks"] = 0
    page.run()
    assert "size is 0; it must be at least 1" in errors(page)


@pytest.mark.parametrize("number", [80, -1, 500])
def test_all_heads_cannot_go(page: AppTest, number: int) -> None:
    page.session_state[f"prune_heads_{MODEL}"] = number
    opened(page, "Pruning")
    assert not page.exception
    assert "at least one must stay" in errors(page)
    page.session_state[f"prune_heads_{MODEL}"] = 20
    page.run()
    assert not page.error


def test_heads_are_pruned_beside_random_orders(page: AppTest) -> None:
    page.session_state[f"prune_heads_{MODEL}"] = 4
    page.session_state["prune_refit"] = False
    opened(page, "Pruning")
    finished(page, "Measure importance and prune")
    assert any("4 heads gone: BLEU" in m.value for m in page.markdown)
    assert any("in random order" in m.value for m in page.markdown)


def test_weights_and_layers_out_of_range_are_refused(page: AppTest) -> None:
    page.session_state["prune_what"] = "Weights"
    page.session_state["prune_share"] = 1.0
    opened(page, "Pruning")
    assert "from 0 to below 1" in errors(page)
    page.session_state["prune_what"] = "Layers"
    page.session_state[f"prune_layers_{MODEL}"] = [f"decoder {i}" for i in range(3)]
    page.run()
    assert "at least one must stay" in errors(page)
    page.session_state[f"prune_layers_{MODEL}"] = []
    page.run()
    assert "Choose a layer" in page.info[0].value


def test_fewer_bits_are_measured_and_a_run_can_be_stopped(page: AppTest) -> None:
    opened(page, "Quantisation")
    button = next(b for b in page.button if b.label == "Measure quality and cost")
    button.click().run()
    stops = [b for b in page.button if b.label == "Stop"]
    if stops:  # else it is done already
        stops[0].click().run()
        end = time.monotonic() + 20
        while not any(b.label == "Measure again" for b in page.button):
            assert time.monotonic() < end
            time.sleep(0.2)
            page.run()
        finished(page, "Measure again")
    assert any("of the size" in m.value for m in page.markdown)
    assert page.dataframe[0].value["variant"].tolist() == ["plain", "int8", "bfloat16"]


def test_without_a_student_the_command_is_shown(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficiency_distill, "_students", lambda _: {})
    opened(page, "Distillation")
    assert not page.exception
    assert any("transformer_core distill" in code.value for code in page.code)


def test_the_student_that_ships_stands_beside_its_teacher_and_itself_alone(page: AppTest) -> None:
    cache.model_of("en-fr-student")
    opened(page, "Distillation")
    assert not page.exception
    assert page.selectbox(key="student").value == "en-fr-student"
    (scores,) = [table.value for table in page.table if "search" in table.value]
    assert len(scores) == 4
    assert all(scores["distilled − alone, BLEU"].str.startswith("+"))
    assert any("1,843,200 parameters" in caption.value for caption in page.caption)


def test_an_encoder_caches_nothing_and_no_text_asks_for_one(page: AppTest) -> None:
    page.session_state["text"] = "  "
    opened(page, "Sparse attention")
    assert "Type a sentence above" in page.info[0].value
    opened(page, "Long texts")
    assert not page.exception
    assert any(b.label == "Measure up to 4,096 tokens" for b in page.button)


def test_an_address_with_odd_settings_opens_the_page_all_the_same(page: AppTest) -> None:
    for name, value in {"method": "Magic", "rule": "None", "what": "x", "value": "many"}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert page.query_params["method"] == "Sparse attention"
    page.session_state["efficiency_method"] = None
    page.run()
    assert not page.exception
