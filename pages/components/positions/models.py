"""The model of a view: loaded, on its way, or without what the view needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import is_loaded, model_of
from pages.components.messages import plain
from pages.components.model_picker import model_name, models_here
from pages.components.top_row import wait_for_model

if TYPE_CHECKING:
    from pages.components.positions.view import Settings

# Kinds of the catalogue's models, so that one can be named before it is loaded.
LEARNED = (
    "minilm",
    "bert-base-uncased",
    "gpt2",
    "facebook/bart-large-cnn",
)


def loaded(now: Settings) -> Any | None:
    """The chosen model; None while it loads, which is said.

    Raises:
        ModelUnavailableError: If it cannot be loaded.
    """
    if now.model_id is None:
        st.info("This view needs a model; none is installed.")
        return None
    if not is_loaded(now.model_id):
        wait_for_model(now.model_id)
        return None
    return model_of(now.model_id)


def offer_learned(why: str) -> None:
    """Say why a model has no table, and offer those here that have one."""
    here = [name for name in LEARNED if name in models_here()]
    st.info(plain(why), icon=":material/info:")
    for name in here:
        st.button(
            f"Show the table of {model_name(name)}",
            key=f"positions-learned-{name}",
            on_click=_choose,
            args=(name,),
        )
    if not here:
        st.caption("No model here has learned positions. BERT, GPT-2 and BART do: open one above.")


def _choose(name: str) -> None:
    st.session_state["model"] = name
