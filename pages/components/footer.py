"""What stands below every picture: explain, code, export, link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

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
    with _row(key):
        for label, icon, show in _parts(key, (explanation, code), files, (link, text)):
            with st.popover(label, icon=icon, type="tertiary"):
                show()


def footer_on_demand(
    *,
    key: str,
    explanation: str,
    code: str,
    files: Files,
    link: Mapping[str, str],
    text: str | None = None,
) -> None:
    """The same, but a part is drawn when somebody opens it: for a page that a class runs at once.

    Opening one runs the fragment that this stands in.
    """
    with _row(key):
        for label, icon, show in _parts(key, (explanation, code), files, (link, text)):
            popover = st.popover(
                label, icon=icon, type="tertiary", key=f"{key}-{label.lower()}", on_change="rerun"
            )
            if popover.open:
                with popover:
                    show()


def _row(key: str) -> DeltaGenerator:
    return st.container(horizontal=True, horizontal_alignment="right", key=f"{key}-footer")


def _parts(
    key: str,
    words: tuple[str, str],
    files: Files,
    link: tuple[Mapping[str, str], str | None],
) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Label, icon and what draws it."""
    yield "Explain", ":material/help:", lambda: st.markdown(words[0])
    yield "Code", ":material/code:", lambda: st.code(words[1], language="python")
    yield "Export", ":material/download:", lambda: _export(key, files)
    yield "Link", ":material/link:", lambda: _link(key, *link)


def _export(key: str, files: Files) -> None:
    st.caption(EXPORT_NOTE)
    for label, (name, make) in files.items():
        st.download_button(
            label, make, name, on_click="ignore", key=f"{key}-{label}", width="stretch"
        )


def _link(key: str, link: Mapping[str, str], text: str | None) -> None:
    with_text = text is not None and st.checkbox(
        "With the text", key=f"{key}-link-text", help="The text then stands in the address."
    )
    query = {**link, "text": text} if with_text and text is not None else dict(link)
    # The address as the browser has it: a proxy may serve the app elsewhere than it believes.
    base = (st.context.url or "").split("?")[0]
    st.code(f"{base}?{urlencode(query)}", language=None, wrap_lines=True)
