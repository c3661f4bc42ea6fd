"""Attention: where does each token look?"""

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded, trace_of
from pages.components.export import NOTE, files_of
from pages.components.footer import footer
from pages.components.navigation import set_up
from pages.components.views import VIEWS
from pages.components.views.view import Situation, View
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint, views
from transformer_core.models.catalogue import models

DEFAULTS = {
    "model": first_paint.MODEL,
    "text": first_paint.TEXT,
    "view": "Heat map",
    "layer": first_paint.LAYER,
    "head": first_paint.HEAD,
}
SITES = {"encoder": "Encoder", "decoder": "Decoder", "cross": "Cross"}

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


def bounded(name: str, n: int) -> None:
    """Bring a layer or head from the URL into range, and say so."""
    value = str(st.session_state[name])
    if not value.isdecimal() or int(value) >= n:
        st.warning(f"There is no {name} {value!r}: they run from 0 to {n - 1}. Showing {name} 0.")
        value = "0"
    st.session_state[name] = int(value)


def controls(view: View) -> Situation:
    """The row of controls: which head, and how tokens are read."""
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        site = trace.sites[0]
        if len(trace.sites) > 1:
            site = st.segmented_control(
                "Site", trace.sites, key="site", format_func=SITES.get, default=site,
                required=True, label_visibility="collapsed",
            )  # fmt: skip
        bounded("layer", trace.n_layers(site))
        bounded("head", trace.n_heads(site))
        for name, n in (("layer", trace.n_layers(site)), ("head", trace.n_heads(site))):
            if name in view.controls:
                st.selectbox(
                    name.title(), range(n), key=name, width=116, label_visibility="collapsed",
                    format_func=f"{name.title()} {{}}".format,
                )  # fmt: skip
        words = "words" in view.controls and st.toggle("Words", help="Merge sub-words to words.")
        hidden = "special" in view.controls and st.toggle(
            "Hide special tokens", help="The rest of each row is renormalised, and it says so."
        )
        st.space("stretch")
        st.caption(f"{len(trace.tokens)} tokens", width="content")
    place = views.Place(site, st.session_state["layer"], st.session_state["head"])
    return Situation(model_id, text, trace, place, views.Reading(words, hidden))


@st.fragment
def picture() -> None:
    """Controls, the picture, and what belongs to it."""
    name = st.segmented_control(
        "View", list(VIEWS), key="view", required=True, label_visibility="collapsed"
    )
    view = VIEWS[name]
    now = controls(view)
    try:
        view.show(now)
        code = view.code(now)
    except TransformerCoreError as error:
        st.error(str(error))
        return
    place = now.place
    link = {
        "model": model_id, "view": name, "layer": str(place.layer), "head": str(place.head)
    }  # fmt: skip
    st.query_params.update(link)
    footer(
        key="attention",
        explanation=view.explanation,
        code=code,
        files=files_of(view, now),
        link=link,
        text=text,
        export_note=NOTE,
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
