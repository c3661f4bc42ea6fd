"""Taking a result to another page: its model, its text, and what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from transformer_core.decoding.strategies import Beam, Greedy, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

_TARGET = "carried_target"
_LEAST = "carried_least_length"
_BEFORE = "text_before_carried"
_ASKED = "result_to_open"
MAX_DECODED = 200


class Result(NamedTuple):
    """What another page opens.

    Attributes:
        model_id: The model that wrote it.
        text: What it read.
        written: What it wrote.
        strategy: How its tokens were chosen.
        place: Site, layer and head that Attention shows first.
        typed: What a person had typed, where the model read something else.
        message: What a chat model was asked, where the text is its prompt.
        at_least: Tokens before which it was not to end.
    """

    model_id: str
    text: str
    written: str
    strategy: Strategy
    place: Mapping[str, object]
    typed: str | None = None
    message: str | None = None
    at_least: int = 0


def open_elsewhere(result: Result, *, has_target: bool) -> None:
    """Offer to open a result on the pages that look closer.

    Args:
        result: What to open.
        has_target: Whether the model reads its source apart from what it writes.
    """
    with st.container(horizontal=True, key="open-elsewhere"):
        st.button(
            "Open in Decoding",
            icon=":material/account_tree:",
            type="tertiary",
            help="How each of these tokens was chosen, step by step",
            on_click=_ask,
            args=("pages/decoding.py", result, has_target),
        )
        st.button(
            "Open in Attention",
            icon=":material/grid_on:",
            type="tertiary",
            help="Every layer and head over this text and what was written",
            on_click=_ask,
            args=("pages/attention.py", result, has_target),
        )


def arrive_or_leave() -> None:
    """At a page's beginning: go where a result is to be opened, or be back from there.

    The text of the session is another one there; this page must not work on it first. Back here,
    what was typed is the text again.
    """
    page, result, has_target = st.session_state.pop(_ASKED, (None, None, False))
    if result is not None:
        if page == "pages/decoding.py":
            _to_decoding(result)
        else:
            _to_attention(result, has_target)
        # Not None: Streamlit clears no address that a widget, as the task, is bound to.
        st.switch_page(page, query_params={})
    carried, typed = st.session_state.pop(_BEFORE, (None, None))
    if carried is not None and st.session_state.get("text") == carried:
        st.session_state["text"] = typed


def _ask(page: str, result: Result, has_target: bool) -> None:
    st.session_state[_ASKED] = (page, result, has_target)


def carried_target(model_id: str, text: str) -> str | None:
    """What was written elsewhere for this model and text; said, with a way back."""
    carried = st.session_state.get(_TARGET)
    if carried is None or carried[:2] != (model_id, text):
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The target is the translation that was opened from *Translate & summarise*.")
        st.button(
            "Let the model write one greedily",
            icon=":material/undo:",
            type="tertiary",
            on_click=st.session_state.pop,
            args=(_TARGET, None),
        )
    target: str = carried[2]
    return target


def say_what_differs(model_id: str, text: str) -> None:
    """On Decoding: what is not asked there of a summary that was opened."""
    *what, least = st.session_state.get(_LEAST, ("", "", 0))
    if least and what == [model_id, text]:
        st.caption(
            f"The summary that was opened was not to end before {least:,} tokens. That is not "
            "asked here: the model ends where it likes, so the text may be shorter."
        )


def _to_decoding(result: Result) -> None:
    text = result.message or result.text
    _take_text(result, text)
    state, strategy = st.session_state, result.strategy
    state[_LEAST] = (result.model_id, text, result.at_least)
    state.update(decoding_model=result.model_id, model=result.model_id)
    state["prompt"] = "Plain text" if result.message is None else "Message"
    state["strategy"] = "Beam" if isinstance(strategy, Beam) else "Greedy"
    if isinstance(strategy, Beam):
        state.update(beams=strategy.n_beams, length_penalty=strategy.length_penalty)
    limit = strategy.max_new_tokens if isinstance(strategy, Beam | Greedy) else None
    state["tokens"] = min(limit or MAX_DECODED, MAX_DECODED)


def _to_attention(result: Result, has_target: bool) -> None:
    st.session_state.update(model=result.model_id, view="Heat map", **result.place)
    if has_target:
        _take_text(result, result.text)
        st.session_state[_TARGET] = (result.model_id, result.text, result.written)
    else:
        _take_text(result, result.text + result.written)


def _take_text(result: Result, text: str) -> None:
    st.session_state["text"] = text
    if result.typed is not None:
        st.session_state[_BEFORE] = (text, result.typed)
