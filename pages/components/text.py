"""The text on top of every page, and its trace; what cannot be traced is said beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.cache import trace_of, trace_of_beginning
from pages.components.messages import show_error
from transformer_core.errors import TextTooLongError, TransformerCoreError
from transformer_core.settings import settings

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

# Half a surrogate pair breaks the message that would bring it here: the browser must say so.
WHOLE = (
    r"^[^\uD800-\uDFFF]*$",
    "The text holds half of a surrogate pair, which stands for no character. Delete the mark �.",
)
_CUT = "cut_text"  # the model and the text of which a person asked for the beginning only


def read_text(default: str, *, placeholder: str = "Type a sentence; Enter traces it") -> str:
    """Ask for the text; it stays from page to page, and comes from the address if it is there."""
    st.session_state.setdefault("text", st.query_params.get("text", default))
    text = st.text_input(
        "Text",
        key="text",
        label_visibility="collapsed",
        placeholder=placeholder,
        validate=WHOLE,
        persist_state="session",
    )
    if st.query_params.get("text", text) != text:
        del st.query_params["text"]  # the address would name another text than the page shows
    return held(str(text or ""))


def held(text: str) -> str:
    """Return a text that the server reads; one that is too long ends the page with a message."""
    limit = settings().text_characters
    if len(text) > limit:
        show_error(
            f"The text has {len(text):,} characters; this server reads {limit:,} at most. Shorten "
            f"it by {len(text) - limit:,}, or open it as a file on Translate & summarise."
        )
        st.stop()
    return text


def trace_text(model_id: str, text: str, target: str | None = None) -> Trace | None:
    """Trace a text; where that cannot be done, say why and return None.

    A text that is too long is not cut unasked: the number of its tokens and the limit are said,
    and a button offers its beginning. What was cut is then said on the picture.
    """
    try:
        return _trace(model_id, text, target)
    except TextTooLongError as error:
        show_error(error)
        st.button(
            f"Trace its first words, up to {error.limit:,} tokens",
            icon=":material/content_cut:",
            key="trace-beginning",
            on_click=_ask_for_beginning,
            args=(model_id, text),
        )
    except TransformerCoreError as error:
        show_error(error)
    return None


def _ask_for_beginning(model_id: str, text: str) -> None:
    st.session_state[_CUT] = (model_id, text)


def _trace(model_id: str, text: str, target: str | None) -> Trace:
    is_cut = st.session_state.get(_CUT) == (model_id, text)
    return (trace_of_beginning if is_cut else trace_of)(model_id, text, target)
