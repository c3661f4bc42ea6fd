"""What a page says to a person: plain text, whatever is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from pages.components.access import is_public
from transformer_core.errors import QueueFullError, QueueTimeoutError
from transformer_core.redaction import without_paths

if TYPE_CHECKING:
    from transformer_core.errors import TransformerCoreError

# Emphasis, links, tables, formulas and shortcodes (:red[…], :smile:), and lists at the beginning.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|$~]|:(?=\w)|^[-+]|(?<=^\d)[.)])")


def plain(text: str) -> str:
    """Return Markdown that reads as this text: file names and tokens are no markup.

    Half a surrogate pair, which no message to a browser can hold, reads as its code.
    """
    whole = text.encode("utf-8", "backslashreplace").decode()
    return _MARKUP.sub(r"\\\1", whole)


def show_error(error: TransformerCoreError | str) -> None:
    """Say what went wrong, at the place where it did; who finds the server busy may try again."""
    st.error(reason(error), icon=":material/error:")
    if isinstance(error, QueueFullError | QueueTimeoutError):
        # A click runs this again, whatever the button is called; several may stand on a page.
        st.button("Try again", icon=":material/refresh:", key=f"try-again-{uuid4().hex}")


def show_warning(text: str) -> None:
    """Say what was done otherwise than asked."""
    st.warning(reason(text), icon=":material/info:")


def reason(error: TransformerCoreError | str) -> str:
    """Return Markdown that says why; who looks at a public server learns no path of it."""
    return plain(without_paths(str(error)) if is_public() else str(error))
