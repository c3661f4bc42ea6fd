"""What the Decoding page asks for: a model that writes, a strategy and its settings."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from pages.components.access import access
from pages.components.cache import writer_of
from pages.components.messages import show_warning
from pages.components.model_picker import model_name, models_here
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.errors import ModelUnavailableError
from transformer_core.models.catalogue import ModelCard, find_card, models
from transformer_core.models.lookup import is_here

KEY = "decoding_model"
DEFAULT = "en-fr-small"
TEMPERATURES = [round(10 ** (place / 20), 2) for place in range(-20, 21)]
CHAT, PLAIN = "Message", "Plain text"
SETTINGS = {
    "Greedy": ("tokens", "penalty"),
    "Sample": ("tokens", "penalty", "temperature", "top_k", "top_p", "min_p", "seed"),
    "Beam": ("tokens", "penalty", "beams", "length_penalty"),
}
"""The settings of each strategy, by the keys that the address has for them."""

_READERS = ("BERT", "ViT")
_CARRIED = "decoding_model_from"


def choose_writer() -> str | None:
    """Let a person choose among the models that can write; None if none is here.

    A model that was chosen on another page comes along, if it can write.
    """
    here = {name: card for name, card in models_here().items() if can_write(card)}
    elsewhere = _chosen_elsewhere()
    is_unlisted = elsewhere not in here and find_card(elsewhere) is None
    if is_unlisted and is_here(elsewhere, access()):
        here[elsewhere] = ModelCard(elsewhere, model_name(elsewhere), "local folder", "")
    if not here:
        wanted = find_card(DEFAULT)
        how = wanted.how_to_get if wanted is not None else ""
        show_warning(f"No model that writes is installed. Get {DEFAULT}: {how}")
        return None
    names = {card.id: f"{card.name} · {card.family}" for card in here.values()}
    if st.session_state.get(_CARRIED) != elsewhere:
        st.session_state[_CARRIED] = elsewhere
        if elsewhere in here:
            st.session_state[KEY] = elsewhere
    if st.session_state.get(KEY) not in here:
        st.session_state[KEY] = DEFAULT if DEFAULT in here else next(iter(here))
    return st.selectbox(
        "Model",
        list(here),
        key=KEY,
        format_func=names.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        on_change=_take_along,
        help="Models with a decoder. Open another on the Attention page.",
    )


def say_who_writes(model_id: str) -> None:
    """Say why the model that was chosen elsewhere is not the one that writes."""
    elsewhere = _chosen_elsewhere()
    card = find_card(elsewhere)
    if card is None or can_write(card):
        return
    show_warning(
        f"{card.name}, chosen on another page, has no decoder: it reads and does not write. "
        f"{who_can_write()} Here writes {model_name(model_id)}."
    )


def who_can_write() -> str:
    """The models here that can write, in a sentence."""
    able = ", ".join(c.name for c in models() if can_write(c) and c.is_available)
    return f"These can: {able}."


def can_write(card: ModelCard) -> bool:
    """Whether a model is known to write; of one opened from elsewhere that shows when it tries."""
    return card.family not in _READERS and card.reads == "text"


def prompt_control(model_id: str) -> bool:
    """Ask how a chat model gets the text; True: as a message, in its chat template."""
    from transformer_core.tasks.chat import has_chat_template

    try:
        is_chat_model = has_chat_template(writer_of(model_id))
    except ModelUnavailableError:
        return False  # what it is asked to write says so
    if not is_chat_model:
        return False
    chosen = st.segmented_control(
        "The model reads", [PLAIN, CHAT], key="prompt", default=PLAIN, required=True,
        bind="query-params", help=(
            "This model was taught to answer messages. *Message*: the text goes into its chat "
            "template, and the model answers. *Plain text*: it reads the text as it stands and "
            "writes on."
        ),
    )  # fmt: skip
    return chosen == CHAT


def strategy_controls(model_id: str | None) -> tuple[Strategy, bool]:
    """How tokens are chosen, with every setting; and whether the text is sent as a message.

    Args:
        model_id: The model, once it is loaded; until then nobody knows whether it can chat.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", key="decoding-strategy"):
        how = st.segmented_control(
            "Strategy", list(SETTINGS), key="strategy", default="Greedy",
            required=True, bind="query-params",
        )  # fmt: skip
        is_chat = model_id is not None and prompt_control(model_id)
        tokens = _number("Tokens at most", (1, 200), 40, by=1, key="tokens", width=115)
        penalty = _number("Repetition penalty", (1.0, 2.0), 1.0, by=0.05, key="penalty", width=135)
        if how == "Sample":
            return _sample(int(tokens), penalty), is_chat
        if how == "Beam":
            beams = st.select_slider(
                "Beams", range(2, 9), value=4, key="beams", width=160, bind="query-params"
            )
            length = st.slider(
                "Length penalty", -1.0, 3.0, 1.0, 0.1, key="length_penalty", width=180,
                bind="query-params",
                help="The search's own: another one searches anew. That at the tree only ranks.",
            )  # fmt: skip
            return Beam(int(beams), float(length), int(tokens), penalty), is_chat
    return Greedy(int(tokens), penalty), is_chat


def take_strategy(strategy: Strategy) -> None:
    """Set the controls to how a text was written; before they are drawn."""
    values: dict[str, object] = {
        "strategy": type(strategy).__name__,
        "tokens": strategy.max_new_tokens,
        "penalty": strategy.repetition_penalty,
    }
    if isinstance(strategy, Beam):
        values |= {"beams": strategy.n_beams, "length_penalty": strategy.length_penalty}
    if isinstance(strategy, Sample):
        values |= {
            "temperature": strategy.temperature,
            "top_k": strategy.top_k or 0,
            "top_p": strategy.top_p or 1.0,
            "min_p": strategy.min_p or 0.0,
            "seed": strategy.seed,
        }
    for key, value in values.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value


def write_also(kind: str, written: Iterable[Strategy]) -> None:
    """Set the controls to another strategy; of samples, to a seed that was not drawn yet."""
    st.session_state["strategy"] = kind.capitalize()
    seeds = [strategy.seed for strategy in written if isinstance(strategy, Sample)]
    if kind == "sample" and seeds:
        st.session_state["seed"] = max(seeds) + 1


def link_of(strategy: Strategy, *, is_chat: bool) -> dict[str, str]:
    """What the address says of a strategy."""
    kind = type(strategy).__name__
    link = {"strategy": kind}
    if is_chat:
        link["prompt"] = CHAT
    return link | {key: str(st.session_state[key]) for key in SETTINGS[kind]}


def _chosen_elsewhere() -> str:
    """The model that the address asked for at first, or that another page shows."""
    if "model" in st.query_params and KEY not in st.session_state:
        st.session_state["model"] = st.query_params["model"]
    return str(st.session_state.get("model", DEFAULT))


def _take_along() -> None:
    """A model that was chosen here is the other pages' too."""
    chosen = st.session_state[KEY]
    st.session_state["model"] = st.session_state[_CARRIED] = chosen


def _number(
    label: str, bounds: tuple[float, float], value: float, *, by: float, key: str, width: int
) -> float:
    low, high = bounds
    return float(
        st.number_input(label, low, high, value, by, key=key, width=width, bind="query-params")
    )


def _sample(tokens: int, penalty: float) -> Sample:
    temperature = st.select_slider(
        "Temperature", TEMPERATURES, value=1.0, key="temperature", width=130, bind="query-params"
    )
    top_k = int(_number("Top-k (0: off)", (0, 100_000), 0, by=1, key="top_k", width=105))
    top_p = st.slider(
        "Top-p (1: off)", 0.05, 1.0, 1.0, 0.05, key="top_p", width=105, bind="query-params"
    )
    min_p = st.slider(
        "Min-p (0: off)", 0.0, 1.0, 0.0, 0.01, key="min_p", width=105, bind="query-params"
    )
    seed = int(_number("Seed", (0, 2**31 - 1), 0, by=1, key="seed", width=95))
    return Sample(
        float(temperature),
        top_k or None,
        None if top_p >= 1 else float(top_p),
        float(min_p) or None,
        seed,
        tokens,
        penalty,
    )
