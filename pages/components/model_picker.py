"""Choosing a model: those that are on this machine, and a dialog for any other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import streamlit as st

from pages.components.access import access
from pages.components.listed import listed
from pages.components.messages import show_warning
from pages.components.other_model import OtherModel
from transformer_core.models.catalogue import ModelCard, find_card, megabytes
from transformer_core.models.lookup import is_here
from transformer_core.models.names import local_path

_OTHER = "…"
_NOTICE = "model_notice"
_OPENED = "opened_models"


def choose_model(kind: str = "text", *, default: str = "minilm") -> str | None:
    """Let a person choose a model; it stays from page to page, and the address may name it.

    Nothing is fetched unless the person asks for it, in the dialog of other models.

    Args:
        kind: What the model reads, ``text`` or ``image``; each kind has a choice of its own.
        default: What is chosen at first, if it is on this machine.

    Returns:
        The id of a model that is on this machine, which may not be loaded yet; None if none is.
    """
    other = OtherModel(kind)
    key = other.key
    here, elsewhere = _cards(kind)
    _settle(other, here, default)
    if not here:
        _say_how_to_get(elsewhere.values())
        return None
    others = offered(elsewhere, _OTHER)
    labels = {card.id: _label(card) for card in [*here.values(), *elsewhere.values()]}
    st.selectbox(
        "Model",
        [*here, *others],
        key=key,
        format_func=lambda name: labels.get(name, "Other: hub id or folder…"),
        on_change=_changed,
        args=(other, frozenset(here)),
        label_visibility="collapsed",
        persist_state="session",
    )
    chosen = str(st.session_state[key])
    st.session_state[other.last_key] = chosen
    return chosen


def show_notices(kind: str = "text") -> None:
    """Say below the controls what became of a model: not there, or on its way."""
    other = OtherModel(kind)
    notice = st.session_state.get(_NOTICE)
    if notice is not None:
        show_warning(notice)
    other.show()


def model_name(model_id: str) -> str:
    """Return what people call a model."""
    return (find_card(model_id) or _opened_card(model_id)).name


def models_here(kind: str = "text") -> dict[str, ModelCard]:
    """Return the models that can be chosen without fetching anything, by id."""
    return _cards(kind)[0]


def offered(elsewhere: Iterable[str], other: str) -> list[str]:
    """Return what a list offers besides the models that are here: any other, and what can be got.

    Args:
        elsewhere: Ids of models that are not here.
        other: What stands for any other model.
    """
    here = access()
    if not here.opens_others:
        return []
    return [other, *filter(here.may_open, elsewhere)]


def _cards(kind: str) -> tuple[dict[str, ModelCard], dict[str, ModelCard]]:
    """The models that are here, with those that this session opened, and those to be got."""
    cards = [card for card in listed() if card.reads == kind]
    here = {card.id: card for card in cards if card.is_available}
    opened = st.session_state.get(_OPENED, {}).get(kind, [])
    for name in filter(access().may_open, opened):
        here.setdefault(name, _opened_card(name))
    return here, {card.id: card for card in cards if card.id not in here}


def open_model(name: str, kind: str = "text") -> None:
    """Put a model into this session's list, such as one that was just trained."""
    _remember(kind, name, _cards(kind)[0])


def _opened_card(name: str) -> ModelCard:
    card = find_card(name)
    if card is not None and card.origin == "trained":
        return card
    is_folder = access().local_folders and local_path(name) is not None
    return ModelCard(
        name, Path(name).name if is_folder else name, "local folder" if is_folder else "hub", ""
    )


def _say_how_to_get(cards: Iterable[ModelCard]) -> None:
    """Say what to do where not one model is installed."""
    st.error("No model is installed. Each of these commands gets one; then load this page again.")
    commands = [f"# {card.name}\n{card.how_to_get}" for card in cards if card.origin != "hub"]
    st.code("\n".join(commands), language="bash")


def _label(card: ModelCard) -> str:
    if card.is_available:
        return f"{card.name} · {card.family}"
    if card.origin == "hub":
        return f"{card.name} · download {megabytes(card.size_bytes)}"
    return f"{card.name} · not installed"


def _settle(other: OtherModel, here: dict[str, ModelCard], default: str) -> None:
    """Decide which model is chosen: the one just opened, the last, the address's, or the first."""
    ready = other.take_ready()
    if ready is not None:
        _remember(other.kind, ready, here)
        st.session_state[other.key] = ready
    asked = st.session_state.setdefault(other.key, st.query_params.get(other.key, default))
    if asked in here or not here:
        return
    first = default if default in here else next(iter(here))
    if asked == default:
        st.session_state[other.key] = first
    elif _may_open(asked):
        _remember(other.kind, asked, here)
    else:
        st.session_state[_NOTICE] = _why_not(asked, here)
        st.session_state[other.key] = first


def _may_open(asked: str) -> bool:
    """Whether a model that is in no list may be opened because the address names it."""
    card = find_card(asked)
    if card is not None:
        return card.origin == "trained"
    return is_here(asked, access())


def _why_not(asked: str, here: dict[str, ModelCard]) -> str:
    card = find_card(asked)
    known = ", ".join(card.name for card in here.values())
    if card is None:
        return f"There is no model {asked!r} here. Here are: {known}."
    if card.is_available and card.reads == "image":
        return (
            f"{card.name} reads images, not text. The Families page gives it one, and opens what "
            f"it attends to on the Attention page. Here are: {known}."
        )
    return (
        f"{card.name} is not on this machine. Choose it in the list to get it. Here are: {known}."
    )


def _remember(kind: str, name: str, here: dict[str, ModelCard]) -> None:
    opened = st.session_state.setdefault(_OPENED, {}).setdefault(kind, [])
    if name not in here:
        opened.append(name)
        here[name] = _opened_card(name)


def _changed(other: OtherModel, here: frozenset[str]) -> None:
    """A choice was made: keep it, or open the dialog for what is not here and keep the last one."""
    st.session_state.pop(_NOTICE, None)
    chosen = st.session_state[other.key]
    if chosen in here:
        return
    st.session_state[other.key] = st.session_state[other.last_key]
    other.open("" if chosen == _OTHER else str(chosen))
