"""Inside a layer: what does one layer do to the sentence?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.cache import is_loaded
from pages.components.footer import footer
from pages.components.layer_situation import Inside, layer_controls
from pages.components.layer_views import VIEWS
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.text import trace_text
from pages.components.top_row import top_row, wait_for_model
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

DEFAULTS = {
    "layer_view": next(iter(VIEWS)),
    "layer": first_paint.LAYER,
    "head": first_paint.HEAD,
}
IN_ADDRESS = {"layer_view": "view"}
# What only one view puts into the address.
IN_VIEWS = ("open", "sum", "at", "token", "against")

set_up("Inside a layer")
for name, default in DEFAULTS.items():
    st.session_state.setdefault(name, st.query_params.get(IN_ADDRESS.get(name, name), default))
if "site" not in st.session_state and "stack" in st.query_params:
    st.session_state["site"] = st.query_params["stack"]
if st.session_state["layer_view"] not in VIEWS:
    st.session_state["layer_view"] = DEFAULTS["layer_view"]
model_id, text = top_row(first_paint.TEXT)


@st.fragment
def picture(trace: Trace) -> None:
    """Controls, the picture, and what belongs to it."""
    with st.container(horizontal=True, vertical_alignment="center", key="layer-controls"):
        name = str(
            st.segmented_control(
                "View", list(VIEWS), key="layer_view", required=True, label_visibility="collapsed"
            )
        )
        view = VIEWS[name]
        chosen = layer_controls(trace, with_layer=view.with_layer, with_head=view.with_head)
    now = Inside(trace.model_id, text, trace, *chosen)
    link = {"model": now.model_id, "view": name}
    if view.with_layer:
        link |= {"stack": now.stack, "layer": str(now.layer)}
    if view.with_head:
        link |= {"head": str(now.head)}
    st.query_params.update(link)
    try:
        view.show(now)
        link |= view.link(now)
        code, files = view.code(now), view.files(now)
    except TransformerCoreError as error:
        show_error(error)
        return
    for old in set(IN_VIEWS) - set(link):
        st.query_params.pop(old, None)
    st.query_params.update(link)
    footer(
        key="layer",
        explanation=view.explanation,
        code=code,
        files=files,
        link=link,
        text=text,
    )


if model_id is None:
    st.stop()
if not is_loaded(model_id):
    wait_for_model(model_id)
    st.stop()
trace = trace_text(model_id, text)
if trace is not None:
    picture(trace)
