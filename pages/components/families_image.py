"""Choosing the picture that a vision model reads: a held-out digit, a drawing, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import model_of, remembered
from pages.components.drawing import drawing_pad
from pages.components.messages import plain
from transformer_core.models.catalogue import SHIPPED
from transformer_core.settings import settings

if TYPE_CHECKING:
    from transformer_core.models.vision_digits import Examples
    from transformer_core.tracing.trace import Trace

SOURCES = ("Held-out digit", "Draw", "Upload")
TYPES = ["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff"]
DIGITS = "digits-vit"


@dataclass(frozen=True)
class Chosen:
    """A picture that was chosen.

    Attributes:
        image: A file's bytes, or the number of a held-out digit.
        code: How it is written in Python.
        shows: The digit that it is known to show, if it is.
    """

    image: bytes | int
    code: str
    shows: int | None = None


@st.cache_resource(show_spinner=False)
def examples() -> Examples:
    """The digits that the model was not trained on."""
    from transformer_core.models.vision_digits import held_out

    return held_out(SHIPPED / DIGITS)


@remembered
def trace_of_image(model_id: str, image: bytes | int) -> Trace:
    """Trace a picture once."""
    from transformer_core.models.vision_digits import as_picture

    model = model_of(model_id)
    if isinstance(image, bytes):
        return model.trace(image)
    digit = examples().images[image]
    takes = getattr(getattr(model, "image_processor", None), "takes", None)
    return model.trace(digit if takes is not None else as_picture(digit))


def choose_image() -> Chosen | None:
    """Let a person choose; None until there is something to read."""
    st.session_state.setdefault("image_source", st.query_params.get("image", SOURCES[0]))
    if st.session_state["image_source"] not in SOURCES:
        st.session_state["image_source"] = SOURCES[0]
    source = st.segmented_control(
        "Picture", SOURCES, key="image_source", required=True, label_visibility="collapsed"
    )
    if source == "Draw":
        drawn = drawing_pad(key="drawing")
        return None if drawn is None else Chosen(drawn, "'drawing.png'")
    return _uploaded() if source == "Upload" else choose_example()


def choose_example() -> Chosen:
    """One of the held-out digits, by its number."""
    digits = examples()
    last = len(digits) - 1
    asked = str(st.session_state.get("example", st.query_params.get("example", "0")))
    st.session_state["example"] = min(int(asked[:9]), last) if asked.isdecimal() else 0
    number = int(
        st.number_input(
            f"Which of the {len(digits)} held-out digits",
            0,
            last,
            key="example",
            help="The model was not trained on these.",
        )
    )
    shows = int(digits.labels[number])
    code = f"held_out(SHIPPED / {DIGITS!r}).images[{number}]"
    return Chosen(number, code, shows)


def preview(image: bytes) -> Any:
    """A file as a small upright picture."""
    from transformer_core.tracing.vision_images import read_image

    small = read_image(image).image
    small.thumbnail((320, 320))
    return small


def _uploaded() -> Chosen | None:
    file = st.file_uploader(
        "A picture",
        TYPES,
        key="image_file",
        max_upload_size=settings().image_megabytes,
        help="It stays on this server's memory for this session; nothing is sent on.",
    )
    if file is None:
        st.caption(plain("PNG, JPEG, GIF, WebP, BMP or TIFF, up to 10,000 pixels a side."))
        return None
    return Chosen(file.getvalue(), repr(file.name))
