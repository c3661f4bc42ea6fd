"""Efficiency: what makes a model cheaper, and what that costs in quality."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    efficiency_bits,
    efficiency_cache,
    efficiency_distill,
    efficiency_length,
    efficiency_pruning,
    efficiency_sparse,
)
from pages.components.cache import is_loaded
from pages.components.efficiency_method import Method, Shown, choose
from pages.components.footer import footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.top_row import top_row, wait_for_model
from transformer_core.errors import TransformerCoreError

EXAMPLE = "The old man walked slowly to the station because he had missed the last bus."
METHODS: dict[str, Method] = {
    module.METHOD.name: module.METHOD
    for module in (
        efficiency_sparse,
        efficiency_pruning,
        efficiency_bits,
        efficiency_distill,
        efficiency_cache,
        efficiency_length,
    )
}


def choose_method() -> Method:
    """Which way to make the model cheaper; in the address, too."""
    asked = st.query_params.get("method", "")
    name = choose("Method", list(METHODS), key="efficiency_method", asked=asked, is_titled=False)
    st.query_params["method"] = name
    return METHODS[name]


set_up("Efficiency")
for place in ("layer", "head"):
    st.session_state.setdefault(place, st.query_params.get(place, "0"))
model_id, text = top_row(EXAMPLE, default_model="en-fr-small")
method = choose_method()
if model_id is None:
    st.stop()
if method.needs_text and not text.strip():
    st.info("Type a sentence above; this method is shown on it.")
    st.stop()
if not is_loaded(model_id):
    wait_for_model(model_id)
    st.stop()
st.markdown(f"#### {method.question}")
shown = Shown("")
try:
    shown = method.show(model_id, text)
except TransformerCoreError as error:
    show_error(error)
footer(
    key="efficiency",
    explanation=method.explanation,
    code=shown.code,
    files=shown.files,
    link={"method": method.name, "model": model_id, **shown.link},
    text=text if method.needs_text else None,
)
