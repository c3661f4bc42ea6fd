"""The Families page: four cards from four traces, a picture that is read, and odd input."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.components import cache, families_image
from tests.support.tiny_models import make_tiny
from transformer_core.errors import InputError
from transformer_core.models.vision_digits import as_picture

PAGE = Path(__file__).resolve().parents[2] / "pages" / "families.py"
MODELS = ("minilm", "smollm2", "en-fr-small", "digits-vit")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    st.cache_resource.clear()
    for model in MODELS:
        cache.model_of(model)
    yield
    st.cache_resource.clear()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=90)


def wide_png() -> bytes:
    """A picture that is refused before it is decoded: 20,000 pixels wide."""
    file = io.BytesIO()
    Image.new("1", (20_000, 4)).save(file, "PNG")
    return file.getvalue()


def words(page: AppTest) -> str:
    parts = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(part.value) for part in parts)


def open_vision(page: AppTest, **state: Any) -> AppTest:
    page.session_state["families_show"] = "Vision"
    for name, value in state.items():
        page.session_state[name] = value
    return page.run()


def test_all_four_families_are_there_with_their_tasks(page: AppTest) -> None:
    page.session_state["text"] = "The cat sat on the mat."
    page.run()
    assert not page.exception and not page.error
    said = words(page)
    for name in ("Encoder only", "Decoder only", "Encoder and decoder", "Vision"):
        assert f"#### {name}" in said
    assert "22.7 M parameters, 6 layers of 12 heads" in said
    assert "What comes next?" in said and "49,152 tokens" in said
    assert "> Le chat" in said and "beam of 4" in said
    assert "Hidden words" in said and "bert-base-uncased has it" in said
    assert page.metric[0].label == "Cosine similarity"
    assert -1 <= float(page.metric[0].value) <= 1


def test_the_same_sentence_twice_has_similarity_1(page: AppTest) -> None:
    page.session_state["text"] = "The cat sat on the mat."
    page.session_state["families_second"] = "The cat sat on the mat."
    page.run()
    assert page.metric[0].value == "1.000"


def test_a_model_with_the_head_guesses_a_hidden_word(page: AppTest, tmp_path: Path) -> None:
    folder = str(make_tiny("bert", tmp_path / "bert"))
    cache.model_of(folder)
    page.session_state["text"] = "The cat sat on the mat."
    page.session_state["opened_models"] = {"text": [folder]}
    page.session_state["families_encoder"] = folder
    page.run()
    assert not page.exception and not page.error
    assert "stood there: probability" in words(page)
    assert "was not trained for this" in words(page)


def test_a_model_s_head_can_be_chosen(page: AppTest) -> None:
    page.session_state["text"] = "The cat sat."
    page.run()
    page.selectbox(key="families_decoder_head").select("L3 H1").run()
    assert not page.exception
    assert page.selectbox(key="families_decoder_head").value == "L3 H1"


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_says_what_to_do(page: AppTest, text: str) -> None:
    page.session_state["text"] = text
    page.run()
    assert not page.exception
    assert "Type a sentence" in page.info[0].value


def test_a_text_too_long_for_one_model_is_said_in_its_card_alone(page: AppTest) -> None:
    page.session_state["text"] = "word " * 300
    page.run()
    assert not page.exception
    assert any("256 tokens" in error.value for error in page.error)
    assert "Read as" in words(page)


def test_a_held_out_digit_is_read(page: AppTest) -> None:
    open_vision(page, example=3)
    assert not page.exception and not page.error
    shows = int(families_image.examples().labels[3])
    assert f"It shows a {shows}." in words(page)
    assert f"**Read as {shows}**" in words(page)
    page.selectbox(key="vision_layer").select(0).run()
    assert not page.exception


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("example", "x"), ("example", "9999"), ("vision_layer", "77"), ("vision_head", "9" * 5000)],
)
def test_an_odd_address_shows_what_there_is(page: AppTest, parameter: str, value: str) -> None:
    page.query_params["show"] = "Vision"
    page.query_params[parameter] = value
    page.run()
    assert not page.exception
    assert "Read as" in words(page)


def test_a_file_that_is_no_picture_says_why() -> None:
    with pytest.raises(InputError, match="no image"):
        families_image.trace_of_image("digits-vit", b"This is a text.")


def test_what_was_done_to_a_picture_is_kept_with_its_trace() -> None:
    file = io.BytesIO()
    picture = Image.new("RGBA", (60, 60))
    picture.paste((0, 0, 0, 255), (25, 10, 35, 50))
    picture.save(file, "PNG")
    notes = families_image.trace_of_image("digits-vit", file.getvalue()).notes
    assert "laid on white" in notes[0] and "8 × 8" in notes[1]


def test_another_vision_model_reads_the_same_digit(tmp_path: Path, page: AppTest) -> None:
    folder = str(make_tiny("vit", tmp_path / "vit"))
    cache.model_of(folder)
    opened = {"image": [folder]}
    open_vision(page, opened_models=opened, image_model=folder, example=1)
    assert not page.exception and not page.error
    assert "Read as LABEL" in words(page)


def test_nothing_drawn_says_what_to_do(page: AppTest) -> None:
    open_vision(page, image_source="Draw")
    assert not page.exception
    assert "Draw a digit or choose a picture" in words(page)


def test_a_picture_opens_on_the_attention_page(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(st, "switch_page", asked.append)
    open_vision(page, example=2)
    button = next(one for one in page.button if one.label == "Open on the Attention page")
    button.click().run()
    assert not page.exception and asked == ["pages/attention.py"]
    # All tests are one session to Streamlit: what is open here is open there.
    attention = AppTest.from_file(str(PAGE.with_name("attention.py")), default_timeout=90).run()
    assert not attention.exception and not attention.error
    assert "Digits ViT.npz" in words(attention)
    next(one for one in attention.button if one.key == "own_matrix-close").click().run()
    assert "Digits ViT.npz" not in words(attention)


def test_a_vision_model_in_the_attention_page_s_address_is_told_where_to_go() -> None:
    attention = AppTest.from_file(str(PAGE.with_name("attention.py")), default_timeout=90)
    attention.query_params["model"] = "digits-vit"
    attention.run()
    assert not attention.exception
    assert "reads images, not text. The Families page" in words(attention)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"This is a text.", "no image that can be read"), (wide_png(), "20,000 × 4 pixels")],
)
def test_a_bad_upload_is_said_and_nothing_is_lost(page: AppTest, content: bytes, said: str) -> None:
    open_vision(page, image_source="Upload", vision_layer=1)
    page.file_uploader[0].upload("picture.png", content, "image/png").run()
    assert not page.exception
    assert said in page.error[0].value
    page.segmented_control(key="image_source").set_value("Held-out digit").run()
    assert not page.exception and not page.error
    assert page.selectbox(key="vision_layer").value == 1


def test_a_photo_of_a_digit_is_read_and_what_was_done_is_kept(page: AppTest) -> None:
    file = io.BytesIO()
    digit = families_image.examples().images[0]
    as_picture(digit).resize((400, 400)).convert("CMYK").save(file, "JPEG")
    open_vision(page, image_source="Upload")
    page.file_uploader[0].upload("six.jpg", file.getvalue(), "image/jpeg").run()
    assert not page.exception and not page.error
    assert f"**Read as {families_image.examples().labels[0]}**" in words(page)
