"""Choosing a model for a task: those of the catalogue that do it, and any other that is opened."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.components.access import access
from pages.components.messages import show_warning
from pages.components.model_picker import model_name, offered
from pages.components.other_model import OtherModel
from transformer_core.models.catalogue import ModelCard, find_card, megabytes, models

DEFAULTS = {"Translate": "en-fr-small", "Summarise": "smollm2"}
_TASKS = {
    "Translate": ("translation", "text to text"),
    "Summarise": ("summarisation", "text to text"),
}
_OTHER = "…"
_OPENED = "opened_for_task"


def task_of(model_id: str) -> str | None:
    """The task that a model of the catalogue is at its best in; None where that is not known."""
    card = find_card(model_id)
    if card is None:
        return None
    fits = (task for task in _TASKS if card.task in _TASKS[task] or card.id == DEFAULTS[task])
    return next(fits, None)


@dataclass(frozen=True)
class TaskModel(OtherModel):
    """A session's way to a model for a task that is not in its list.

    Attributes:
        task: What it is for.
    """

    task: str = ""

    @property
    def key(self) -> str:
        """Where the session keeps the chosen model."""
        return f"model-{self.task}"


def task_model(task: str) -> str | None:
    """Let a person choose among the models that do a task; None if none is here.

    Models of the hub are in the list with their size. Whether the hub can be reached is asked when
    one is chosen, not before: nothing leaves this machine unasked.
    """
    other = TaskModel("text", task)
    here, elsewhere = _cards(task)
    _settle(other, here)
    if not here:
        wanted = find_card(DEFAULTS[task])
        how = wanted.how_to_get if wanted is not None else ""
        show_warning(f"No model for this is installed. Get {DEFAULTS[task]}: {how}")
        return None
    names = {
        **{name: f"{card.name} · {card.family}" for name, card in here.items()},
        **{
            name: f"{card.name} · download {megabytes(card.size_bytes)}"
            for name, card in elsewhere.items()
        },
        _OTHER: "Other: hub id or folder…",
    }
    others = offered(elsewhere, _OTHER)
    st.selectbox(
        "Model",
        [*here, *others[1:], *others[:1]],
        key=other.key,
        format_func=names.__getitem__,
        on_change=_changed,
        args=(other, frozenset(here)),
        label_visibility="collapsed",
        persist_state="session",
    )
    chosen = str(st.session_state[other.key])
    st.session_state[other.last_key] = chosen
    return chosen


def open_for_task(name: str, task: str) -> None:
    """Put a model into this session's list for a task, such as one that was just trained."""
    opened = st.session_state.setdefault(_OPENED, {}).setdefault(task, [])
    if name not in opened:
        opened.append(name)


def show_other_model(task: str) -> None:
    """Draw the dialog of other models if it is open, or how far a download is."""
    TaskModel("text", task).show()


def _cards(task: str) -> tuple[dict[str, ModelCard], dict[str, ModelCard]]:
    """The models here that do the task, its default first, and those of the hub."""
    able = [card for card in models() if card.task in _TASKS[task] or card.id == DEFAULTS[task]]
    able.sort(key=lambda card: card.id != DEFAULTS[task])
    here = {card.id: card for card in able if card.is_available}
    opened = st.session_state.get(_OPENED, {}).get(task, [])
    for name in filter(access().may_open, opened):
        here.setdefault(name, ModelCard(name, model_name(name), "opened", task))
    elsewhere = {card.id: card for card in able if card.origin == "hub" and card.id not in here}
    return here, elsewhere


def _settle(other: TaskModel, here: dict[str, ModelCard]) -> None:
    """Decide which model is chosen: the one just opened, the last, or the first."""
    ready = other.take_ready()
    if ready is not None:
        opened = st.session_state.setdefault(_OPENED, {}).setdefault(other.task, [])
        if ready not in here:
            opened.append(ready)
            here[ready] = ModelCard(ready, model_name(ready), "opened", other.task)
        st.session_state[other.key] = ready
    if here and st.session_state.get(other.key) not in here:
        st.session_state[other.key] = next(iter(here))


def _changed(other: TaskModel, here: frozenset[str]) -> None:
    """A choice was made: keep it, or open the dialog for what is not here and keep the last one."""
    chosen = str(st.session_state[other.key])
    if chosen in here:
        return
    st.session_state[other.key] = st.session_state[other.last_key]
    other.open("" if chosen == _OTHER else chosen)
