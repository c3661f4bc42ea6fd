"""Four families side by side: for each a card with its mask, a head of it, and its real task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.access import access
from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded, model_of, trace_of, writer_of
from pages.components.families_image import choose_example, trace_of_image
from pages.components.families_tasks import TASKS, TRANSLATION
from pages.components.messages import plain, show_error, show_warning
from pages.components.model_picker import models_here
from pages.components.other_model import OtherModel
from pages.components.top_row import wait_for_model
from transformer_core.errors import TransformerCoreError
from transformer_core.figures.families import FAMILIES, Family, default_place, masks
from transformer_core.figures.readings import Place
from transformer_core.models.catalogue import ModelCard, find_card

if TYPE_CHECKING:
    from transformer_core.figures.payload import Payload
    from transformer_core.models.access import Access
    from transformer_core.tracing.trace import Trace

AUTO = "Head: one that looks around"
AUTO_HELP = (
    "Unless you choose one: in the middle layer, a head whose queries look firmly, but not all at "
    "the same key; themselves, the first key and special tokens left out."
)
_OPENED = "opened_models"


def cards(text: str) -> dict[str, Payload]:
    """Draw all cards, two in a row; return the pictures that are there, by family.

    Of models that are still loading only the first is watched: they load one after the other, and
    a page that is asked four times a look would be busy with nothing else.
    """
    pictures: dict[str, Payload] = {}
    is_watching = False
    for row in (FAMILIES[:2], FAMILIES[2:]):
        for place, family in zip(st.columns(2, gap="medium"), row, strict=True):
            with place:
                payload = card(family, text, may_watch=not is_watching)
            model_id = st.session_state.get(_key(family))
            is_watching |= model_id is not None and not is_loaded(str(model_id))
            if payload is not None:
                pictures[family.id] = payload
    return pictures


def card(family: Family, text: str, *, may_watch: bool = True) -> Payload | None:
    """One family: what it is, what it may read, what a head reads, what it is for.

    Args:
        may_watch: Whether to look again and again until the model is there.
    """
    st.markdown(f"#### {family.name}")
    st.markdown(f"{family.purpose} [{family.paper}]({family.url}).")
    choices = st.container(horizontal=True, key=f"{_key(family)}_choices")
    with choices:
        model_id = _choose_model(family)
    if model_id is None:
        return None
    if not is_loaded(model_id):
        if may_watch:
            wait_for_model(model_id)
        else:
            st.caption(plain(f"{_card(model_id).name} is loading."))
        return None
    try:
        trace = _trace(family, model_id, text)
        st.caption(facts_of(model_of(model_id), trace))
        with choices:
            head = _choose_head(family, trace)
        places = [_place(trace, site, head) for site in trace.sites]
        payload = masks(trace, family, places)
        attention_view(payload, key=f"masks-{family.id}")
        TASKS[family.id](model_id, trace)
    except TransformerCoreError as error:
        show_error(error)
        return None
    return payload


def facts_of(model: Any, trace: Trace) -> str:
    """What a model is made of, in a line."""
    n_parameters = model.card.parameters or 0
    size = f"{n_parameters / 1e6:,.1f} M" if n_parameters >= 10**6 else f"{n_parameters:,}"
    sites = [site for site in trace.sites if site != "cross"]
    layers = " + ".join(str(trace.n_layers(site)) for site in sites)
    licence = model.card.licence
    return plain(
        f"{model.card.name}: {size} parameters, {layers} layers of {trace.n_heads(sites[0])} heads"
        + (f", {licence}" if licence != "unknown" else "")
        + "."
    )


def offer_other_model() -> None:
    """Offer a hub id or a folder; what is opened stands in the card of its family."""
    other = OtherModel("text")
    ready = other.take_ready()
    if ready is not None:
        _put_in(ready)
    st.button(
        "Open another model",
        icon=":material/add:",
        type="tertiary",
        key="families-other",
        help="A hub id, such as bert-base-uncased, or a folder on this machine.",
        on_click=other.open,
        args=("",),
    )
    other.show()


def _put_in(model_id: str) -> None:
    opened = st.session_state.setdefault(_OPENED, {}).setdefault("text", [])
    if find_card(model_id) is None and model_id not in opened:
        opened.append(model_id)
    for family in FAMILIES:
        if _card(model_id).family in family.families:
            st.session_state[_key(family)] = model_id


@st.cache_data(max_entries=64, show_spinner=False)
def _looked_up(model_id: str, allowed: Access) -> ModelCard:
    from transformer_core.models.lookup import look_up

    return look_up(model_id, allowed).card


def _card(model_id: str) -> ModelCard:
    """A model's card with its true family, which for an opened one is read from its folder."""
    try:
        return find_card(model_id) or _looked_up(model_id, access())
    except TransformerCoreError:
        return ModelCard(model_id, model_id, "", "")


def _key(family: Family) -> str:
    return f"families_{family.id}"


def _choose_model(family: Family) -> str | None:
    """The models of this family that are here."""
    kind = "image" if family.id == "vision" else "text"
    here = {
        name: _card(name) for name in models_here(kind) if _card(name).family in family.families
    }
    if not here:
        default = find_card(family.default)
        how = default.how_to_get if default is not None else ""
        show_warning(f"No model of this family is here. Get {family.default}: {how}")
        return None
    key = _key(family)
    asked = st.session_state.get(key, st.query_params.get(family.id, family.default))
    st.session_state[key] = asked if asked in here else next(iter(here))
    chosen = st.selectbox(
        f"Model, {family.name.lower()}",
        list(here),
        key=key,
        format_func=lambda name: here[name].name,
        label_visibility="collapsed",
        persist_state="session",
    )
    return str(chosen)


@st.cache_data(max_entries=64, show_spinner=False)
def _translated(model_id: str, text: str) -> str:
    """What a translator makes of a text, by its usual search."""
    from transformer_core.tasks.translation import translate

    return translate(writer_of(model_id), [text])[0].text


def _trace(family: Family, model_id: str, text: str) -> Trace:
    if family.id == "both" and model_of(model_id).card.task == TRANSLATION:
        return trace_of(model_id, text, _translated(model_id, text))
    if family.id != "vision":
        return trace_of(model_id, text)
    chosen = choose_example()
    return trace_of_image(model_id, chosen.image)


def _choose_head(family: Family, trace: Trace) -> str:
    """A head that every site of the model has, or one that looks around."""
    layers = min(trace.n_layers(site) for site in trace.sites)
    heads = min(trace.n_heads(site) for site in trace.sites)
    options = [AUTO, *(f"L{i} H{j}" for i in range(layers) for j in range(heads))]
    key = f"{_key(family)}_head"
    if st.session_state.get(key) not in options:
        st.session_state[key] = AUTO
    chosen = st.selectbox(
        f"Head, {family.name.lower()}",
        options,
        key=key,
        help=AUTO_HELP,
        label_visibility="collapsed",
    )
    return str(chosen)


def _place(trace: Trace, site: str, head: str) -> Place:
    """The chosen head at a site, or one that looks around."""
    if head == AUTO:
        return default_place(trace, site)
    layer, number = head.split()
    return Place(site, int(layer[1:]), int(number[1:]))
