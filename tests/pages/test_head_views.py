"""Head cards, and attention or cause: their code makes the very picture; jobs come in."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.views import attention_or_cause, head_cards
from pages.components.views.view import Situation
from tests.support.tiny_models import make_tiny
from transformer_core.background import Work
from transformer_core.figures.views import Place, Reading
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.trace import Trace

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
TEXT = "The cat sat on the mat."
PLACES = [("bert", Place("encoder", 1, 2)), ("llama", Place("decoder", 0, 1))]
CROSS = ("marian", Place("cross", 1, 0))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def situation(kind: str, place: Place, folder: Path) -> Situation:
    model_id = str(make_tiny(kind, folder / kind))
    return Situation(model_id, TEXT, cache.trace_of(model_id, TEXT), place, Reading())


def wait_for(job: Work[Any]) -> None:
    end = time.monotonic() + 120
    while not job.is_over and time.monotonic() < end:
        job.watch()
        time.sleep(0.01)
    assert not job.error
    assert job.result is not None


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "the page's code", "exec"), names)
    return names


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_the_code_of_the_cards_makes_the_picture(kind: str, place: Place, tmp_path: Path) -> None:
    now = situation(kind, place, tmp_path)
    assert head_cards.payload(now).header["options"]["alone"]
    job = head_cards._job(now)
    assert job is not None
    wait_for(job)
    payload = head_cards.payload(now)
    assert not payload.header["options"]["alone"]
    names = run(head_cards.code(now))
    assert names["picture"].id == payload.id
    assert names["page"].startswith("<!doctype html>")
    for _, make in head_cards.files(now).values():
        assert make()


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default")
@pytest.mark.parametrize(("kind", "place"), [*PLACES, CROSS])
def test_the_code_of_the_measures_makes_the_picture(
    kind: str, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = situation(kind, place, tmp_path)
    before = attention_or_cause.payload(now).header["options"]["measures"]
    assert before[3]["missing"] == "measuring …"
    for job in attention_or_cause._jobs(now).values():
        wait_for(job)
    payload = attention_or_cause.payload(now)
    assert not any(m["missing"] for m in payload.header["options"]["measures"])
    names = run(attention_or_cause.code(now))
    assert names["picture"].id == payload.id
    assert "value zeroing" in capsys.readouterr().out
    for _, make in attention_or_cause.files(now).values():
        assert make()


def test_a_text_too_long_for_causes_says_up_to_where(tmp_path: Path) -> None:
    now = situation("bert", Place("encoder", 0, 0), tmp_path)
    card = cache.model_of(now.model_id).card
    object.__setattr__(card, "parameters", 10**12)
    payload = attention_or_cause.payload(now)
    assert payload.header["options"]["measures"][3]["missing"] == "text over 8 tokens"
    assert attention_or_cause._jobs(now) == {}
    assert "Causes.measure" not in attention_or_cause.code(now)


def test_a_matrix_of_ones_own_has_cards_and_weights(tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "mine.npz"
    np.savez(file, attention=np.eye(3, dtype=np.float32)[None, None], tokens=["a", "b", "c"])
    trace = Trace.from_patterns(
        {"encoder": torch.eye(3)[None, None]}, source=Tokens.from_labels(["a", "b", "c"])
    )
    trace.extra["file"] = str(file)  # type: ignore[index]
    now = Situation("mine", "", trace, Place("encoder", 0, 0), Reading())
    assert head_cards.payload(now).header["options"]["alone"]
    assert head_cards._job(now) is None
    told = attention_or_cause.payload(now).header["options"]["measures"]
    assert told[1]["missing"] == "needs the model's weights"
    assert told[3]["missing"] == "needs a model"


@pytest.mark.parametrize("view", ["Head cards", "Attention or cause?"])
def test_both_views_open_on_the_page(view: str) -> None:
    cache.model_of("minilm")
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params["view"] = view
    page.run()
    assert not page.exception
    assert not page.error
    assert page.session_state["view"] == view
