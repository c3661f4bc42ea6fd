"""Attention: where does each token look?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded
from pages.components.carry import carried_target
from pages.components.export import files_of
from pages.components.footer import footer_on_demand
from pages.components.head_controls import head_controls
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.own_matrix import offer_matrix, own_matrix, why_not_shown
from pages.components.pace import keep_pace
from pages.components.text import trace_text
from pages.components.top_row import top_row, wait_for_model
from pages.components.views import VIEWS
from pages.components.views.view import Situation
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

DEFAULTS = {
    "view": "Heat map",
    "layer": first_paint.LAYER,
    "head": first_paint.HEAD,
}

set_up("Attention")
for name, default in DEFAULTS.items():
    st.session_state.setdefault(name, st.query_params.get(name, default))
if "site" in st.query_params:
    st.session_state.setdefault("site", st.query_params["site"])
if st.session_state["view"] not in VIEWS:
    st.session_state["view"] = DEFAULTS["view"]


@st.fragment
def body() -> None:
    """All below the page's frame: another sentence does not draw the navigation again."""
    keep_pace()
    model_id, text = top_row(first_paint.TEXT, default_model=first_paint.MODEL, beside=offer_matrix)
    trace, target = own_matrix(), None
    is_own = trace is not None
    if trace is None:
        if model_id is None:
            return
        if not is_loaded(model_id):
            wait_for_model(model_id, "Until then: a picture made with the app.")
            attention_view(first_paint.load(), key="first-picture")
            return
        target = carried_target(model_id, text)
        trace = trace_text(model_id, text, target)
    if trace is not None:
        picture(trace, target, text, is_own=is_own)


@st.fragment
def picture(trace: Trace, target: str | None, text: str, *, is_own: bool) -> None:
    """Controls, the picture, and what belongs to it."""
    name = st.segmented_control(
        "View", list(VIEWS), key="view", required=True, label_visibility="collapsed"
    ) or str(DEFAULTS["view"])
    view = VIEWS[name]
    place, reading = head_controls(trace, view.controls)
    now = Situation(trace.model_id, trace.text, trace, place, reading, target)
    try:
        view.show(now)
        code = view.code(now)
    except TransformerCoreError as error:
        show_error(why_not_shown(error) if is_own else error)
        return
    link = {"view": name, "layer": str(place.layer), "head": str(place.head)}
    if len(trace.sites) > 1:
        link["site"] = place.site
    else:
        st.query_params.pop("site", None)
    if not is_own:
        link = {"model": now.model_id, **link}
    st.query_params.update(link)
    footer_on_demand(
        key="attention",
        explanation=view.explanation,
        code=code,
        files=files_of(view, now),
        link=link,
        text=None if is_own else text,
    )


body()
