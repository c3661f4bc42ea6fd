"""Attention: where does each token look?"""

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import trace_of
from pages.components.navigation import set_up
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import views
from transformer_core.models.catalogue import models

SENTENCE = "The animal didn't cross the street because it was too tired."
DEFAULTS = {"model": "minilm", "view": "Heat map", "layer": 3, "head": 1}
ONE_HEAD = {
    "Heat map": views.heat_map,
    "Links": views.links,
    "Query·key": views.query_key,
}
ALL_HEADS = {"All heads": views.all_heads}
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

for name, default in DEFAULTS.items():
    st.session_state.setdefault(name, st.query_params.get(name, default))
if st.session_state["model"] not in available:
    unknown = st.session_state["model"]
    st.warning(
        f"There is no model {unknown!r} here; showing another. Here are: {', '.join(available)}."
    )
    st.session_state["model"] = next(iter(available), None)
if st.session_state["view"] not in ONE_HEAD | ALL_HEADS:
    st.session_state["view"] = DEFAULTS["view"]

if not available:
    st.error("No model is installed. `make setup` installs two; see the README.")
    st.stop()

left, middle = st.columns([1, 3], vertical_alignment="bottom")
model_id = left.selectbox(
    "Model", list(available), key="model", format_func=lambda i: available[i].name
)
text = middle.text_input("Text", SENTENCE, key="text")
try:
    trace = trace_of(model_id, text)
except TransformerCoreError as error:
    st.error(str(error))
    st.stop()


def bounded(name: str, n: int) -> None:
    """Bring a layer or head from the URL into range, and say so."""
    value = str(st.session_state[name])
    if not value.isdigit() or int(value) >= n:
        st.warning(
            f"There is no {name} {value!r} here: they run from 0 to {n - 1}. Showing {name} 0."
        )
        st.session_state[name] = 0
    st.session_state[name] = int(st.session_state[name])


def open_head() -> None:
    """Open the head that was clicked."""
    layer, head = st.session_state["picture"]["head"]
    st.session_state.update(layer=layer, head=head, view="Heat map")


@st.fragment
def picture() -> None:
    """Controls, the picture, and what belongs to it."""
    view = st.segmented_control("View", [*ONE_HEAD, *ALL_HEADS], key="view", required=True)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    site = row.selectbox("Site", trace.sites) if len(trace.sites) > 1 else trace.sites[0]
    bounded("layer", trace.n_layers(site))
    bounded("head", trace.n_heads(site))
    layer = row.selectbox("Layer", range(trace.n_layers(site)), key="layer", width=110)
    head = row.selectbox("Head", range(trace.n_heads(site)), key="head", width=110)
    words = row.toggle("Words", disabled=view not in ("Heat map", "Links"))
    hidden = row.toggle("Hide special tokens", disabled=view not in ("Heat map", "Links"))
    place, reading = views.Place(site, layer, head), views.Reading(words, hidden)
    try:
        if view in ALL_HEADS:
            payload = ALL_HEADS[view](trace, site, selected=(layer, head))
        elif view in ("Heat map", "Links"):
            payload = ONE_HEAD[view](trace, place, reading)
        else:
            payload = ONE_HEAD[view](trace, place)
    except TransformerCoreError as error:
        st.error(str(error))
        return
    attention_view(payload, key="picture", on_head=open_head)
    st.query_params.update(model=model_id, view=view, layer=str(layer), head=str(head))
    with st.expander("Explain"):
        st.markdown(EXPLANATION)
    with st.expander("Code"):
        st.code(
            "import transformer_core as tc\n"
            f"trace = tc.load({model_id!r}).trace({text!r})\n"
            f"trace.pattern({site!r}, layer={layer}, head={head})"
        )


picture()
