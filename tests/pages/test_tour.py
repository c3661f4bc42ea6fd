"""The guided tour: its bar, its addresses, and that it leads to pages that are there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.navigation import PAGES, find_page
from pages.components.views import VIEWS
from transformer_core.figures import home
from transformer_core.figures.tour import STOPS

ROOT = Path(__file__).resolve().parents[2]
SITES = {"encoder", "decoder", "cross"}


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of(home.MODEL)
    yield
    st.cache_resource.clear()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(ROOT / "pages" / "home.py"), default_timeout=60)


def bar(page: AppTest) -> str:
    """What the tour says."""
    return "\n".join(block.value for block in page.markdown)


def test_every_page_is_found_by_its_file_and_no_other() -> None:
    for group in PAGES.values():
        for entry in group:
            assert find_page(Path(entry.path).stem) == entry
            assert (ROOT / entry.path).is_file()
    assert find_page("nothing") is None


def test_a_stop_asks_for_what_the_pages_have() -> None:
    for stop in STOPS:
        settings = stop.settings
        assert settings.get("view", "Heat map") in VIEWS
        assert settings.get("site", "cross") in SITES
        assert settings.get("model", home.MODEL) == home.MODEL


def test_the_tour_is_not_there_unasked(page: AppTest) -> None:
    page.run()
    assert "stop 1 of 10" not in bar(page)
    page.button(key="start-tour").click().run()
    assert not page.exception
    assert "stop 1 of 10" in bar(page)
    assert page.query_params["tour"] == "1"


def test_next_and_back_go_from_stop_to_stop_and_keep_the_text(page: AppTest) -> None:
    page.query_params["tour"] = "1"
    page.run()
    page.text_input(key="text").set_value("The dog sleeps.").run()
    page.button(key="tour-next").click().run()
    assert "stop 2 of 10" in bar(page)
    page.button(key="tour-back").click().run()
    assert "stop 1 of 10" in bar(page)
    assert page.button(key="tour-back").disabled
    assert page.text_input(key="text").value == "The dog sleeps."


def test_the_tour_can_be_left_and_ends_at_its_last_stop(page: AppTest) -> None:
    page.query_params["tour"] = "2"
    page.run()
    page.button(key="tour-leave").click().run()
    assert "of 10" not in bar(page)
    assert "tour" not in page.query_params
    page.query_params["tour"] = str(len(STOPS))
    page.run()
    assert page.button(key="tour-next").label == "End"
    page.button(key="tour-next").click().run()
    assert "of 10" not in bar(page)


@pytest.mark.parametrize("asked", ["0", "11", "-1", "x", "１", "9" * 50, "%00"])
def test_a_stop_that_is_not_there_is_said(page: AppTest, asked: str) -> None:
    page.query_params["tour"] = asked
    page.run()
    assert not page.exception
    assert any("from 1 to 10" in warning.value for warning in page.warning)
    assert "of 10" not in bar(page)


def test_a_page_that_the_stop_is_not_about_offers_the_way_back() -> None:
    attention = AppTest.from_file(str(ROOT / "pages" / "attention.py"), default_timeout=60)
    attention.session_state["tour"] = 1
    attention.session_state["tour_at"] = 1
    attention.run()
    assert not attention.exception
    assert attention.button(key="tour-return").label == "Back to this stop"
