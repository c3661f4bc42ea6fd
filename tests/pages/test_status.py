"""The Status page: it names what is loaded, and a public server keeps its places to itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache, status

PAGE = Path(__file__).resolve().parents[2] / "pages" / "status.py"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def test_it_says_how_full_queue_and_memory_are() -> None:
    cache.trace_of("minilm", "The cat sat on the mat.")
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not page.exception
    said = {metric.label: metric.value for metric in page.metric}
    assert said["In line"] == "0 of 64"
    assert said["Computed in 5 min"] == "1"
    models = page.dataframe[0].value
    assert list(models["model"]) == ["all-MiniLM-L6-v2"]
    assert models["MiB"][0] > 80


def test_a_public_server_keeps_its_places_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "is_public", lambda: True)
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    shown = page.dataframe[-1].value.to_csv()
    assert "QUEUE_LENGTH" in shown
    assert "WORKBENCH_CACHE" not in shown
    assert "RAY_ADDRESS" not in shown
