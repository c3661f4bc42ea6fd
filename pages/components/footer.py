"""What stands below every picture: explain, code, export, link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import streamlit as st

EXPORT_NOTE = (
    "The picture itself: the buttons in its frame. Numbers are the model's, unmerged and whole."
)
Files = Mapping[str, tuple[str, Callable[[], str | bytes]]]
"""By label: the file's name, and what makes its content when it is asked for."""


def footer(
    *,
    key: str,
    explanation: str,
    code: str,
    files: Files,
    link: Mapping[str, str],
    text: str | None = None,
) -> None:
    """Offer explanation, code, files and a link, one click away each.

    Args:
        key: Told apart from other pictures of the page.
        files: What can be saved.
        link: The state that the address carries.
        text: Added to the link only when asked.
    """
    with st.container(horizontal=True, horizontal_alignment="right", key=f"{key}-footer"):
        with st.popover("Explain", icon=":material/help:", type="tertiary"):
            st.markdown(explanation)
        with st.popover("Code", icon=":material/code:", type="tertiary"):
            st.code(code, language="python")
        with st.popover("Export", icon=":material/download:", type="tertiary"):
            st.caption(EXPORT_NOTE)
            for label, (name, make) in files.items():
                st.download_button(
                    label, make, name, on_click="ignore", key=f"{key}-{label}", width="stretch"
                )
        with st.popover("Link", icon=":material/link:", type="tertiary"):
            _link(key, link, text)


def _link(key: str, link: Mapping[str, str], text: str | None) -> None:
    with_text = text is not None and st.checkbox(
        "With the text", key=f"{key}-link-text", help="The text then stands in the address."
    )
    query = {**link, "text": text} if with_text and text is not None else dict(link)
    # The address as the browser has it: a proxy may serve the app elsewhere than it believes.
    base = (st.context.url or "").split("?")[0]
    st.code(f"{base}?{urlencode(query)}", language=None, wrap_lines=True)
