"""The row on top of every page: the model, the text, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components.cache import is_loaded, progress_of
from pages.components.messages import plain
from pages.components.model_picker import choose_model, model_name, show_notices
from pages.components.text import read_text

POLL_S = 0.5


def top_row(
    default_text: str,
    *,
    default_model: str = "minilm",
    beside: Callable[[], object] | None = None,
) -> tuple[str | None, str]:
    """Ask for model and text, in the same place on every page.

    Args:
        default_text: What is there at first.
        default_model: What is chosen at first.
        beside: Draws what else belongs into this row, at its end.

    Returns:
        The model's id, None if there is none; and the text as it was typed.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="top-row"):
        with st.container(width=330, key="top-model"):
            model_id = choose_model(default=default_model)
        with st.container(width="stretch", key="top-text"):
            text = read_text(default_text)
        if beside is not None:
            beside()
    show_notices()
    return model_id, text


@st.fragment(run_every=POLL_S)
def wait_for_model(model_id: str, meanwhile: str = "") -> None:
    """Say how far a model is, and run the page again when it is there."""
    if is_loaded(model_id):
        st.rerun()
    message, share = progress_of(model_id)
    done = f" {share:.0%}" if share else ""
    what = f"{model_name(model_id)} is loading: {message[:1].lower()}{message[1:]}{done}."
    st.caption(plain(f"{what} {meanwhile}"))
