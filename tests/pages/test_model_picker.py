"""Choosing a model: the list, the dialog for any other, and what the address may ask for."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from huggingface_hub.utils import close_session
from streamlit.testing.v1 import AppTest

from pages.components import other_model
from tests.support.fake_hub import COMMIT, FakeHub, point_to
from tests.support.tiny_models import make_tiny
from transformer_core.models.catalogue import models

OTHER = "…"
GPT2 = "gpt2"


def script() -> None:
    """A page of nothing but the picker."""
    import streamlit as st

    from pages.components.model_picker import choose_model, show_notices

    chosen = choose_model()
    show_notices()
    st.text(f"chosen: {chosen}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    fake = FakeHub()
    fake.folders["openai-community/gpt2"] = make_tiny("gpt2", tmp_path / "gpt2")
    with fake.serving() as endpoint:
        point_to(endpoint, tmp_path, monkeypatch)
        yield fake
        close_session()


@pytest.fixture
def page(hub: FakeHub) -> Iterator[AppTest]:
    st.cache_resource.clear()
    yield AppTest.from_function(script, default_timeout=30)
    st.cache_resource.clear()


def chosen(page: AppTest) -> str:
    assert not page.exception
    return str(page.text[0].value).removeprefix("chosen: ")


def look_up(page: AppTest, name: str) -> AppTest:
    page.selectbox(key="model").set_value(OTHER).run()
    page.text_input(key="model_other_name").set_value(name)
    return page.button[0].click().run()


def until(page: AppTest, condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        time.sleep(0.1)
        page.run()
    pytest.fail("it did not come to that")


def test_the_list_has_what_is_here_then_any_other_then_what_can_be_got(
    page: AppTest, hub: FakeHub
) -> None:
    page.run()
    options = page.selectbox(key="model").options
    here = [card.name for card in models() if card.is_available and card.reads == "text"]
    assert [label.partition(" · ")[0] for label in options[: len(here)]] == here
    assert options[len(here)].startswith("Other")
    assert all("download" in label or "not inst" in label for label in options[len(here) + 1 :])
    assert "gpt2 · download 548 MB" in options
    assert chosen(page) == "minilm"
    assert hub.requests == []


def test_a_model_that_is_here_is_chosen_at_once(page: AppTest) -> None:
    page.run()
    page.selectbox(key="model").set_value("smollm2").run()
    assert chosen(page) == "smollm2"
    assert not page.text_input


def test_other_opens_a_dialog_and_keeps_the_model(page: AppTest, hub: FakeHub) -> None:
    page.run()
    page.selectbox(key="model").set_value(OTHER).run()
    assert chosen(page) == "minilm"
    assert page.text_input(key="model_other_name").value == ""
    assert hub.requests == []


def test_what_a_download_takes_is_shown_before_anything_is_fetched(
    page: AppTest, hub: FakeHub
) -> None:
    page.run()
    page.selectbox(key="model").set_value(GPT2).run()
    assert page.text_input(key="model_other_name").value == GPT2
    assert hub.requests == []
    page.button[0].click().run()
    table = page.markdown[-1].value
    assert "Licence | apache-2.0" in table and COMMIT[:12] in table
    assert not [request for request in hub.requests if "/resolve/" in request]
    assert page.button(key="model-fetch").label.startswith("Download ")


def test_a_download_shows_progress_and_its_model_is_chosen_at_the_end(
    page: AppTest, hub: FakeHub
) -> None:
    hub.flows.clear()
    page.run()
    page.selectbox(key="model").set_value(GPT2).run()
    page.button[0].click().run()
    page.button(key="model-fetch").click().run()
    assert page.button(key="model-stop").label == "Stop"
    hub.flows.set()
    until(page, lambda: chosen(page) == GPT2)
    assert not page.text_input
    assert any(label == "gpt2 · GPT" for label in page.selectbox(key="model").options)


def test_a_download_that_is_stopped_says_so_and_changes_nothing(
    page: AppTest, hub: FakeHub
) -> None:
    hub.flows.clear()
    page.run()
    page.selectbox(key="model").set_value(GPT2).run()
    page.button[0].click().run()
    page.button(key="model-fetch").click().run()
    page.button(key="model-stop").click().run()
    hub.flows.set()
    assert chosen(page) == "minilm"
    assert page.toast[0].value.startswith("Stopped")
    assert not page.error
    standing = other_model.downloads().ask("openai-community/gpt2").wait(30)
    assert standing.error is None  # it can be begun again


def test_a_download_goes_on_when_the_window_is_closed(page: AppTest, hub: FakeHub) -> None:
    hub.flows.clear()
    page.run()
    page.selectbox(key="model").set_value(GPT2).run()
    page.button[0].click().run()
    page.button(key="model-fetch").click().run()
    page.session_state["model_other_is_open"] = False
    page.run()
    assert page.button(key="model-stop").label == "Stop"
    hub.flows.set()
    until(page, lambda: chosen(page) == GPT2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "neither in the catalogue"),
        ("no/such", "There is no model no/such"),
        ("/no/such/folder", "There is no folder"),
        ("what is *this*?", r"'what is \*this\*?' is neither"),
    ],
)
def test_a_name_of_nothing_is_said_beside_the_field_and_kept(
    page: AppTest, name: str, said: str
) -> None:
    page.run()
    look_up(page, name)
    assert chosen(page) == "minilm"
    assert said in page.error[0].value
    assert page.text_input(key="model_other_name").value == name


def test_a_gated_model_says_how_to_be_let_in(page: AppTest, hub: FakeHub) -> None:
    hub.gated.add("openai-community/gpt2")
    page.run()
    look_up(page, GPT2)
    assert "is gated" in page.error[0].value


def test_a_local_folder_is_chosen_directly_and_joins_the_list(
    page: AppTest, tmp_path: Path, hub: FakeHub
) -> None:
    folder = make_tiny("bert", tmp_path / "my_bert")
    page.run()
    look_up(page, str(folder))
    assert chosen(page) == str(folder)
    assert "my_bert · local folder" in page.selectbox(key="model").options
    page.selectbox(key="model").set_value("minilm").run()
    assert "my_bert · local folder" in page.selectbox(key="model").options
    assert hub.requests == []


def test_a_folder_that_is_no_model_is_said(page: AppTest, tmp_path: Path) -> None:
    page.run()
    look_up(page, str(tmp_path))
    assert "is no model folder" in page.error[0].value


def test_a_model_of_images_is_not_taken_for_one_of_texts(page: AppTest, tmp_path: Path) -> None:
    folder = make_tiny("vit", tmp_path / "vit")
    page.run()
    look_up(page, str(folder))
    assert "reads images, not texts" in page.error[0].value
    assert chosen(page) == "minilm"


def test_the_address_may_name_a_model_that_is_here(page: AppTest, tmp_path: Path) -> None:
    folder = make_tiny("bert", tmp_path / "bert")
    page.query_params["model"] = str(folder)
    page.run()
    assert chosen(page) == str(folder)


@pytest.mark.parametrize("name", ["no-such-model", GPT2, "no/such", "/etc", "\x00", "a" * 5000])
def test_the_address_cannot_fetch_and_an_unknown_model_is_named(
    page: AppTest, hub: FakeHub, name: str
) -> None:
    page.query_params["model"] = name
    page.run()
    page.run()
    assert chosen(page) in {"minilm", "/etc"}
    assert (chosen(page) == "/etc") == (name == "/etc")
    assert hub.requests == []
    assert name == "/etc" or "here" in page.warning[0].value.lower()


def test_a_closed_server_offers_only_what_is_here(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CATALOGUE_ONLY", "1")
    folder = make_tiny("bert", tmp_path / "bert")
    page.query_params["model"] = str(folder)
    page.run()
    assert chosen(page) == "minilm"
    here = [card.name for card in models() if card.is_available and card.reads == "text"]
    assert len(page.selectbox(key="model").options) == len(here)
