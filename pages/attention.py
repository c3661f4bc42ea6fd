"""Attention: where does each token look?"""

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded, trace_of
from pages.components.export import files_of
from pages.components.footer import footer
from pages.components.head_controls import head_controls
from pages.components.navigation import set_up
from pages.components.views import VIEWS
from pages.components.views.view import Situation
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint
from transformer_core.models.catalogue import models

DEFAULTS = {
    "model": first_paint.MODEL,
    "text": first_paint.TEXT,
    "view": "Heat map",
    "layer": first_paint.LAYER,
    "head": first_paint.HEAD,
}

set_up("Attention")
available = {card.id: card for card in models() if card.is_available and card.reads == "text"}
if not available:
    st.error("No model is installed. `make setup` installs two; the README says how.")
    st.stop()
for name, default in DEFAULTS.items():
    st.session_state.setdefault(name, st.query_params.get(name, default))
if st.session_state["model"] not in available:
    st.warning(
        f"There is no model {st.session_state['model']!r} here. Here are: {', '.join(available)}."
    )
    st.session_state["model"] = next(iter(available))
if st.session_state["view"] not in VIEWS:
    st.session_state["view"] = DEFAULTS["view"]

left, middle = st.columns([1, 3])
model_id = left.selectbox(
    "Model",
    list(available),
    key="model",
    label_visibility="collapsed",
    format_func=lambda i: f"{available[i].name} · {available[i].family}",
)
text = middle.text_input(
    "Text", key="text", label_visibility="collapsed", placeholder="Type a sentence; Enter traces it"
)


@st.fragment
def picture() -> None:
    """Controls, the picture, and what belongs to it."""
    name = str(
        st.segmented_control(
            "View", list(VIEWS), key="view", required=True, label_visibility="collapsed"
        )
    )
    view = VIEWS[name]
    place, reading = head_controls(trace, view.controls)
    now = Situation(model_id, text, trace, place, reading)
    try:
        view.show(now)
        code = view.code(now)
    except TransformerCoreError as error:
        st.error(str(error))
        return
    link = {"model": model_id, "view": name, "layer": str(place.layer), "head": str(place.head)}
    st.query_params.update(link)
    footer(
        key="attention",
        explanation=view.explanation,
        code=code,
        files=files_of(view, now),
        link=link,
        text=text,
    )


@st.fragment(run_every=0.5)
def wait_for_model() -> None:
    """Come back when the model is there."""
    if is_loaded(model_id):
        st.rerun()


if not is_loaded(model_id):
    st.caption(f"{available[model_id].name} is loading. Until then: a picture made with the app.")
    attention_view(first_paint.load(), key="first-picture")
    wait_for_model()
    st.stop()
try:
    trace = trace_of(model_id, text)
except TransformerCoreError as error:
    st.error(str(error))
    st.stop()
picture()
