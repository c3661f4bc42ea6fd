"""The row on top of every page: the model, the text, and what is to be said of them."""

from __future__ import annotations

import streamlit as st

from pages.components.cache import is_loaded, progress_of
from pages.components.messages import plain
from pages.components.model_picker import choose_model, show_notices
from pages.components.text import read_text

POLL_S = 0.5


def top_row(default_text: str, *, default_model: str = "minilm") -> tuple[str | None, str]:
    """Ask for model and text, in the same place on every page.

    Returns:
        The model's id, None if there is none; and the text as it was typed.
    """
    left, middle = st.columns([1, 3])
    with left:
        model_id = choose_model(default=default_model)
    with middle:
        text = read_text(default_text)
    show_notices()
    return model_id, text


@st.fragment(run_every=POLL_S)
def wait_for_model(model_id: str, name: str, meanwhile: str = "") -> None:
    """Say how far a model is, and run the page again when it is there."""
    if is_loaded(model_id):
        st.rerun()
    message, share = progress_of(model_id)
    done = f" {share:.0%}" if share else ""
    st.caption(plain(f"{name} is loading: {message.lower()}{done}. {meanwhile}"))
