"""Attention: where does each token look?"""

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded, trace_of
from pages.components.export import export_menu
from pages.components.navigation import set_up
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint, views
from transformer_core.models.catalogue import models

DEFAULTS = {
    "model": first_paint.MODEL,
    "view": "Heat map",
    "layer": first_paint.LAYER,
    "head": first_paint.HEAD,
}
VIEWS = ("Heat map", "All heads", "Links", "Query·key")
MERGING = ("Heat map", "Links")
EXPLANATION = r"""
Each row is one **query**: a token that reads. Each cell says how much of what it takes in comes from
one **key**, a token that is read. A row is a softmax and sums to 1:
$\mathrm{softmax}(q k^\top / \sqrt{d_\mathrm{head}})$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), equation 1). A high weight says where a head
looks, not what the model needs. Many heads rest on `[CLS]`, `[SEP]` or the first token when they have
nothing to do: an attention sink.
"""

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

left, middle = st.columns([1, 3], vertical_alignment="bottom")
model_id = left.selectbox(
    "Model",
    list(available),
    key="model",
    format_func=lambda i: f"{available[i].name} · {available[i].family}",
)
text = middle.text_input("Text", first_paint.TEXT, key="text", help="Enter traces it.")


def bounded(name: str, n: int) -> None:
    """Bring a layer or head from the URL into range, and say so."""
    value = str(st.session_state[name])
    if not value.isdecimal() or int(value) >= n:
        st.warning(f"There is no {name} {value!r}: they run from 0 to {n - 1}. Showing {name} 0.")
        value = "0"
    st.session_state[name] = int(value)


def open_head() -> None:
    """Open the head that was clicked."""
    opened = st.session_state["picture"]["head"]
    if opened is not None:
        st.session_state.update(layer=opened[0], head=opened[1], view="Heat map")


@st.fragment
def picture() -> None:
    """Controls, the picture, and what belongs to it."""
    view = st.segmented_control("View", VIEWS, key="view", required=True)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    site = row.selectbox("Site", trace.sites, width=140) if len(trace.sites) > 1 else trace.sites[0]
    bounded("layer", trace.n_layers(site))
    bounded("head", trace.n_heads(site))
    layer = row.selectbox("Layer", range(trace.n_layers(site)), key="layer", width=110)
    head = row.selectbox("Head", range(trace.n_heads(site)), key="head", width=110)
    words = row.toggle("Words", disabled=view not in MERGING)
    hidden = row.toggle("Hide special tokens", disabled=view not in MERGING)
    place, reading = views.Place(site, layer, head), views.Reading(words, hidden)
    try:
        attention_view(payload(view, place, reading), key="picture", on_head=open_head)
    except TransformerCoreError as error:
        st.error(str(error))
        return
    st.query_params.update(model=model_id, view=view, layer=str(layer), head=str(head))
    with row:
        export_menu(trace, place, reading)
    with st.expander("Explain"):
        st.markdown(EXPLANATION)
    with st.expander("Code"):
        st.code(
            "import transformer_core as tc\n"
            f"trace = tc.load({model_id!r}).trace({text!r})\n"
            f"trace.pattern({site!r}, layer={layer}, head={head})"
        )


def payload(view: str, place: views.Place, reading: views.Reading) -> views.Payload:
    """What the chosen view draws."""
    if view == "All heads":
        return views.all_heads(trace, place.site, selected=(place.layer, place.head))
    if view == "Links":
        return views.links(trace, place, reading)
    if view == "Query·key":
        return views.query_key(trace, place)
    return views.heat_map(trace, place, reading, with_overview=True)


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
