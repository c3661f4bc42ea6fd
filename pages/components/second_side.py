"""What a head is compared with: the same head on another text, or a head of another model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.cache import is_loaded, trace_of
from pages.components.model_picker import models_here
from pages.components.text import WHOLE, held
from pages.components.top_row import wait_for_model
from transformer_core.errors import InputError
from transformer_core.figures import first_paint
from transformer_core.figures.compare import Ranking, Side
from transformer_core.figures.readings import Place

if TYPE_CHECKING:
    from pages.components.views.view import Situation
    from transformer_core.models.catalogue import ModelCard
    from transformer_core.tracing.trace import Trace

Rank = Callable[[Side], Ranking]
"""Ranks the heads of a second side against the head on the page."""

WAYS = {"text": "Another text", "model": "Another model"}
PAIRS = {
    "tired / wide": (first_paint.TEXT, first_paint.TEXT.replace("tired", "wide")),
    "big / small": (
        "The trophy didn't fit in the suitcase because it was too big.",
        "The trophy didn't fit in the suitcase because it was too small.",
    ),
    "key / keys": (
        "The key to the cabinets is on the table.",
        "The keys to the cabinets are on the table.",
    ),
    "words added": ("She opened the letter.", "She carefully opened the old letter."),
}


def ask(now: Situation, rank: Rank) -> Side | None:
    """Ask for the second side; None until there is one, and then it is said what to do."""
    st.session_state.setdefault("compare_with", "text")
    st.segmented_control(
        "Compare with",
        list(WAYS),
        key="compare_with",
        format_func=WAYS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    return _ask_text(now, rank) if is_text() else _ask_model(now, rank)


def chosen(now: Situation, rank: Rank) -> Side:
    """The second side as it was asked for."""
    if is_text():
        return Side(trace_of(now.model_id, text_of(now)), now.place)
    return Side(_other(now), place_of(now, rank))


def is_text() -> bool:
    """Whether the same model reads another text."""
    return bool(st.session_state.get("compare_with", "text") == "text")


def text_of(now: Situation) -> str:
    """The second text as it was typed."""
    return str(st.session_state.get("second_text", now.text))


def model_of(now: Situation) -> str:
    """The other model, once it is loaded; empty before."""
    model_id = str(st.session_state.get("other_model", ""))
    return model_id if model_id in _others(now) and is_loaded(model_id) else ""


def is_same_place(now: Situation) -> bool:
    """Whether heads of the same index belong together: as many layers, as many heads."""
    if is_text() or not model_of(now):
        return True
    other, site = _other(now), _site(now)
    ours = now.trace.n_layers(now.place.site), now.trace.n_heads(now.place.site)
    return ours == (other.n_layers(site), other.n_heads(site))


def place_of(now: Situation, rank: Rank) -> Place:
    """The head of the other model: of the same index, the one picked, or the closest."""
    site, other = _site(now), _other(now)
    if is_same_place(now):
        return Place(site, now.place.layer, now.place.head)
    picked = st.session_state.get("other_places", {}).get(other.model_id)
    if picked and picked[0] < other.n_layers(site) and picked[1] < other.n_heads(site):
        return Place(site, *picked)
    try:
        bits = rank(Side(other, Place(site, 0, 0))).bits.nan_to_num(2.0)
    except InputError:
        return Place(site, 0, 0)  # the heads cannot be ranked: any is as good
    return Place(site, *divmod(int(bits.argmin()), bits.shape[1]))


def open_head(model_id: str, layer: int, head: int) -> None:
    """Look at this head of the other model."""
    st.session_state.setdefault("other_places", {})[model_id] = (layer, head)


def _ask_text(now: Situation, rank: Rank) -> Side | None:
    is_first = now.text == first_paint.TEXT
    st.session_state.setdefault("second_text", PAIRS["tired / wide"][1] if is_first else now.text)
    st.text_input(
        "Second text",
        key="second_text",
        label_visibility="collapsed",
        placeholder="Type a second text: the first with a word changed shows most",
        validate=WHOLE,
        persist_state="session",
        width="stretch",
    )
    with st.popover("Examples", icon=":material/compare_arrows:"):
        for name, pair in PAIRS.items():
            tip = f"{pair[0]} – {pair[1]}"
            take = partial(st.session_state.update, text=pair[0], second_text=pair[1])
            if st.button(name, help=tip, key=f"pair {name}", on_click=take, width="stretch"):
                st.rerun()  # the first text stands outside this fragment
    if not held(text_of(now)).strip():
        st.info("Type a second text: the first with one word changed shows most.")
        return None
    return chosen(now, rank)


def _ask_model(now: Situation, rank: Rank) -> Side | None:
    others = _others(now)
    if not others:
        st.info("No other model is installed.")
        return None
    if st.session_state.get("other_model") not in others:
        st.session_state["other_model"] = next(iter(others))
    model_id = st.selectbox(
        "Other model",
        list(others),
        key="other_model",
        format_func=lambda i: " · ".join(filter(None, (others[i].name, others[i].family))),
        label_visibility="collapsed",
        persist_state="session",
        width=300,
    )
    if not is_loaded(model_id):
        wait_for_model(model_id)
        return None
    if not is_same_place(now):
        place, other = place_of(now, rank), _other(now)
        _ask_index("Layer", other.n_layers(place.site), place.layer, model_id)
        _ask_index("Head", other.n_heads(place.site), place.head, model_id)
    return chosen(now, rank)


def _ask_index(label: str, n: int, default: int, model_id: str) -> None:
    """Ask for the layer or head of the other model."""
    st.session_state[f"other_{label}"] = default
    st.selectbox(
        f"{label} of the other model",
        range(n),
        key=f"other_{label}",
        format_func=f"{label} {{}}".format,
        label_visibility="collapsed",
        width=116,
        on_change=partial(_keep_place, model_id),
    )


def _keep_place(model_id: str) -> None:
    state = st.session_state
    open_head(model_id, int(state["other_Layer"]), int(state["other_Head"]))


def _others(now: Situation) -> dict[str, ModelCard]:
    """Models that could read the same text."""
    return {name: card for name, card in models_here().items() if name != now.model_id}


def _other(now: Situation) -> Trace:
    return trace_of(str(st.session_state["other_model"]), now.trace.text)


def _site(now: Situation) -> str:
    """The other model's site: the same one, or the first that it has."""
    sites = _other(now).sites
    return now.place.site if now.place.site in sites else sites[0]
