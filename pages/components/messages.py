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

# Emphasis, links, tables, formulas and directives (:red[…]); at a line's beginning lists, headings.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|$~]|:(?=\w))")
_LINE = re.compile(r"^( {0,3}(?:\d{1,9}(?=[.)]))?)([-+=.)])", re.MULTILINE)
_CODE = re.compile(r"^[ \t]{4,}", re.MULTILINE)

# What a browser changes in the text that was read: addresses become links, shortcodes (:smile:,
# :material/home:) pictures, and arrows other signs. No escape helps, a character unseen does.
_CHANGED = re.compile(
    r"\bhttps?:(?=//(?!huggingface\.co/))|\bwww(?=\.)|[\w+.-](?=@\w)|:(?=[\w+-][\w+/-]*:)"
    r"|(?<!\S)[<>~-](?=(?:->|>|-|=)(?!\S))",
    re.IGNORECASE,
)
_UNSEEN = "\u2060"


def plain(text: str) -> str:
    """Return Markdown that reads as this text: file names and tokens are no markup.

    Half a surrogate pair, which no message to a browser can hold, reads as its code.
    """
    whole = text.encode("utf-8", "backslashreplace").decode()
    kept = _CHANGED.sub(rf"\g<0>{_UNSEEN}", _CODE.sub("   ", whole))
    return _LINE.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", kept))


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
