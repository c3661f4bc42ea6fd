"""Choosing a model for a task: those of the catalogue that do it, and those opened elsewhere."""

from __future__ import annotations

import streamlit as st

from pages.components.messages import show_warning
from transformer_core.models.catalogue import ModelCard, find_card, models

DEFAULTS = {"Translate": "en-fr-small", "Summarise": "smollm2"}
_TASKS = {
    "Translate": ("translation", "text to text"),
    "Summarise": ("summarisation", "text to text"),
}


def task_model(task: str) -> str | None:
    """Let a person choose among the models that do a task; None if none is here."""
    cards = _able(task)
    here = [card.id for card in cards if card.is_available]
    if not here:
        wanted = find_card(DEFAULTS[task])
        how = wanted.how_to_get if wanted is not None else ""
        show_warning(f"No model for this is installed. Get {DEFAULTS[task]}: {how}")
        return None
    names = {card.id: f"{card.name} · {card.family}" for card in cards}
    return st.selectbox(
        "Model",
        here,
        key=f"model-{task}",
        format_func=names.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        help=_others(cards) or None,
    )


def _able(task: str) -> list[ModelCard]:
    """Models that do the task, its default first; and the model of the other pages, if it does."""
    cards = [card for card in models() if card.task in _TASKS[task] or card.id == DEFAULTS[task]]
    return sorted(cards, key=lambda card: card.id != DEFAULTS[task])


def _others(cards: list[ModelCard]) -> str:
    missing = [card for card in cards if not card.is_available]
    if not missing:
        return ""
    return "Not on this machine: " + "; ".join(f"{c.name} ({c.how_to_get})" for c in missing)
