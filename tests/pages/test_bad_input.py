"""What the Attention page says to what it cannot use: at the place, the text still there."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from tests.support.tiny_models import make_tiny

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
TEXT = "The animal didn't cross the street because it was too tired."


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "bert"))


@pytest.fixture(scope="module")
def minilm() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    yield
    st.cache_resource.clear()


@pytest.fixture
def page(minilm: None) -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60)


def opened(page: AppTest, model: str) -> AppTest:
    """Open the page with a model in its address, and wait until it is traced or refused."""
    page.query_params["model"] = model
    page.run()
    for _ in range(100):
        if page.error or [box for box in page.selectbox if box.key == "layer"]:
            return page
        time.sleep(0.1)
        page.run()
    pytest.fail("it is still loading")


def said(page: AppTest) -> str:
    assert not page.exception
    assert page.text_input(key="text").value == TEXT
    return " ".join(message.value for message in (*page.error, *page.warning))


def test_a_truncated_safetensors_file_is_said(page: AppTest, folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "damaged or not complete" in said(opened(page, str(folder)))


def test_a_folder_without_weights_is_said(page: AppTest, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "holds no weights" in said(opened(page, str(folder)))


def test_a_folder_without_a_tokenizer_is_said(page: AppTest, folder: Path) -> None:
    for path in [*folder.glob("token*"), *folder.glob("vocab*")]:
        path.unlink()
    assert "has no tokenizer" in said(opened(page, str(folder)))


def test_a_folder_that_was_put_right_loads_at_the_next_try(page: AppTest, folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert said(opened(page, str(folder)))
    weights.write_bytes(whole)
    assert said(opened(page.run(), str(folder))).startswith("There is no layer")  # 3 of 2


def test_a_model_of_images_in_the_address_is_said(page: AppTest, tmp_path: Path) -> None:
    folder = make_tiny("vit", tmp_path / "vit")
    assert "reads images, not text" in said(opened(page, str(folder)))


@pytest.mark.parametrize("name", ["no-such-model", "no/such", "./nowhere", "\x00", "<b>*x*</b>"])
def test_an_unknown_model_in_the_address_is_named(page: AppTest, name: str) -> None:
    page.query_params["model"] = name
    page.run()
    assert "There is no model" in said(page)
    assert page.selectbox(key="model").value == "minilm"
    assert "There is no model" in said(page.run())  # until another is chosen
    page.selectbox(key="model").set_value("minilm").run()


@pytest.mark.parametrize("name", ["layer", "head"])
@pytest.mark.parametrize("value", ["99", "-1", "x", "", "1.0", "٣٣", "9" * 5_000, "\x00"])
def test_a_place_that_is_not_there_is_said(page: AppTest, name: str, value: str) -> None:
    page.query_params[name] = value
    page.run()
    assert f"There is no {name}" in said(page)
    assert len(said(page)) < 200
    assert page.selectbox(key=name).value == 0


def test_an_unknown_view_in_the_address_shows_the_first(page: AppTest) -> None:
    page.query_params["view"] = "No such view"
    page.run()
    assert said(page) == ""
    assert page.session_state["view"] == "Heat map"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a\x00b",
        "שלום hello مرحبا",
        "👩\u200d👩\u200d👧 😀",
        "日本語",
        "*a* $b$ :red[c]",
        "=1+1",
    ],
)
def test_odd_texts_are_traced(page: AppTest, text: str) -> None:
    page.query_params["text"] = text
    page.run()
    assert not page.exception and not page.error
    assert page.text_input(key="text").value == text
