"""What the Decoding page asks for: a model that writes, a strategy and its settings."""

from __future__ import annotations

import streamlit as st

from pages.components.messages import show_warning
from pages.components.model_picker import is_closed, model_name, models_here
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.models.catalogue import ModelCard, find_card, models
from transformer_core.models.lookup import is_here

KEY = "decoding_model"
DEFAULT = "en-fr-small"
TEMPERATURES = [round(10 ** (place / 20), 2) for place in range(-20, 21)]
_READERS = ("BERT", "ViT")


def choose_writer() -> str | None:
    """Let a person choose among the models that can write; None if none is here."""
    here = {name: card for name, card in models_here().items() if can_write(card)}
    asked = st.query_params.get("model", st.session_state.get("model", DEFAULT))
    if asked not in here and not is_closed() and find_card(asked) is None and is_here(asked):
        here[asked] = ModelCard(asked, model_name(asked), "local folder", "")
    if not here:
        wanted = find_card(DEFAULT)
        how = wanted.how_to_get if wanted is not None else ""
        show_warning(f"No model that writes is installed. Get {DEFAULT}: {how}")
        return None
    names = {card.id: f"{card.name} · {card.family}" for card in here.values()}
    first = DEFAULT if DEFAULT in here else next(iter(here))
    st.session_state.setdefault(KEY, asked if asked in here else first)
    if st.session_state[KEY] not in here:
        st.session_state[KEY] = first
    return st.selectbox(
        "Model",
        list(here),
        key=KEY,
        format_func=names.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        help="Models with a decoder. Open another on the Attention page.",
    )


def say_who_writes() -> None:
    """Say why the model that the address asks for is not the one that writes."""
    asked = st.query_params.get("model")
    card = None if asked is None else find_card(asked)
    if card is None or can_write(card):
        return
    able = ", ".join(c.name for c in models() if can_write(c) and c.is_available)
    show_warning(f"{card.name} has no decoder: it reads and does not write. These can: {able}.")


def can_write(card: ModelCard) -> bool:
    """Whether a model is known to write; of one opened from elsewhere that shows when it tries."""
    return card.family not in _READERS and card.reads == "text"


def strategy_controls() -> Strategy:
    """How tokens are chosen, with every setting."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="decoding-strategy"):
        how = st.segmented_control(
            "Strategy", ["Greedy", "Sample", "Beam"], key="strategy", default="Greedy",
            required=True, bind="query-params",
        )  # fmt: skip
        tokens = int(st.number_input("Tokens at most", 1, 200, 40, key="tokens", width=115))
        penalty = float(
            st.number_input(
                "Repetition penalty", 1.0, 2.0, 1.0, 0.05, key="penalty", width=135
            )
        )  # fmt: skip
        if how == "Sample":
            return _sample(tokens, penalty)
        if how == "Beam":
            beams = st.select_slider("Beams", range(2, 9), value=4, key="beams", width=160)
            length = st.slider(
                "Length penalty", -1.0, 3.0, 1.0, 0.1, key="length_penalty", width=180
            )
            return Beam(int(beams), float(length), tokens, penalty)
    return Greedy(tokens, penalty)


def _sample(tokens: int, penalty: float) -> Sample:
    temperature = st.select_slider(
        "Temperature", TEMPERATURES, value=1.0, key="temperature", width=130
    )
    top_k = int(st.number_input("Top-k (0: off)", 0, 100_000, 0, key="top_k", width=105))
    top_p = float(st.slider("Top-p (1: off)", 0.05, 1.0, 1.0, 0.05, key="top_p", width=105))
    min_p = float(st.slider("Min-p (0: off)", 0.0, 1.0, 0.0, 0.01, key="min_p", width=105))
    seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", width=95))
    return Sample(
        float(temperature),
        top_k or None,
        None if top_p >= 1 else top_p,
        min_p or None,
        seed,
        tokens,
        penalty,
    )
