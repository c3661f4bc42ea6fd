"""The guided tour's bar on top of the page that it shows; the address names the stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.components.messages import show_warning
from transformer_core.figures.home import TEXT
from transformer_core.figures.tour import STOPS, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages.components.navigation import PageEntry

NAME = "tour"
"""In the address and in the session: the number of the stop, from 1."""

_KEY = "Key {}, where no field has the focus"
_AT = "tour_at"
"""The stop whose page and settings were brought up; from there on a person may change them."""

# The bar stays in sight where there is room; pictures that stick to the top keep below it.
_STYLES = """
.st-key-tour { padding: 10px 16px 12px; }
@media (min-width: 900px) and (min-height: 700px) {
  :root { --tw-top: 160px; }
  div:has(> .st-key-tour) {
    position: sticky; top: 0; z-index: 90; background: var(--tw-background);
  }
}
@media (max-width: 640px) {
  .st-key-tour-head > :first-child { flex: 1 1 100%; }
  .st-key-tour p { font-size: 15px; }
}
.st-key-tour [data-testid=stMarkdownContainer] { margin-bottom: 0; }
.st-key-tour p { margin: 0; max-width: 130ch; }
.st-key-tour p + p { margin-top: 6px; }
.st-key-tour p + p .katex { margin-right: 2em; }
"""


def tour_at() -> int | None:
    """The stop that the tour is at, from the address or else the session; None outside of it."""
    asked = st.query_params.get(NAME)
    if asked is None:
        return st.session_state.get(NAME)
    if asked in {str(number) for number in range(1, len(STOPS) + 1)}:
        st.session_state[NAME] = int(asked)
        return int(asked)
    return None


def start_tour() -> None:
    """Begin with the first stop."""
    _go(1)


def highlight() -> str | None:
    """The block of Home's map that the tour is at."""
    number = tour_at()
    return None if number is None else STOPS[number - 1].block


def show_tour(title: str, find_page: Callable[[str], PageEntry | None]) -> None:
    """Show the bar, and bring up the page of a stop that was just reached.

    Args:
        title: Of the page that is shown.
        find_page: The navigation's registry.
    """
    number = tour_at()
    if number is None:
        _say_what_is_wrong()
        return
    stop = STOPS[number - 1]
    page = find_page(stop.page) or find_page("home")
    is_here = page is None or page.title == title
    if st.session_state.get(_AT) != number:
        st.session_state[_AT] = number
        st.session_state.update(stop.settings)
        if not is_here and page is not None:
            is_here = not _turn_to(page, number)
    if is_here:
        st.query_params[NAME] = str(number)
    st.html(f"<style>{_STYLES}</style>")
    with st.container(border=True, key="tour", gap="xsmall"):
        _head(number, stop, is_here=is_here)
        if is_here:
            st.markdown(f"{stop.text}\n\n${stop.equation}$ {stop.source}")


def _head(number: int, stop: Stop, *, is_here: bool) -> None:
    """Where the tour is, and where it can go."""
    with st.container(horizontal=True, vertical_alignment="center", key="tour-head"):
        st.markdown(f"**{stop.title}** · stop {number} of {len(STOPS)}", width="stretch")
        if not is_here:
            st.button("Back to this stop", on_click=_go, args=(number,), key="tour-return")
        st.button(
            "Back", icon=":material/arrow_back:", shortcut="P", key="tour-back",
            disabled=number == 1, on_click=_go, args=(number - 1,),
            help=_KEY.format("P"),
        )  # fmt: skip
        is_last = number == len(STOPS)
        st.button(
            "End" if is_last else "Next",
            icon=":material/check:" if is_last else ":material/arrow_forward:",
            icon_position="right", shortcut="N", key="tour-next",
            on_click=_leave if is_last else partial(_go, number + 1),
            help=_KEY.format("N"),
        )  # fmt: skip
        st.button(
            "Leave", icon=":material/close:", key="tour-leave", type="tertiary", on_click=_leave
        )


def _go(number: int) -> None:
    st.session_state[NAME] = number
    st.session_state.pop(_AT, None)
    st.query_params[NAME] = str(number)


def _leave() -> None:
    for name in (NAME, _AT):
        st.session_state.pop(name, None)
    st.query_params.pop(NAME, None)


def _turn_to(page: PageEntry, number: int) -> bool:
    """Go to another page; False where a page runs by itself and knows no other."""
    # Of a link: a teacher's sentence goes along, or else the one that the tour begins with.
    st.session_state.setdefault("text", st.query_params.get("text", TEXT))
    try:
        st.switch_page(page.path, query_params={NAME: str(number)})
    except StreamlitAPIException:
        return False


def _say_what_is_wrong() -> None:
    asked = st.query_params.get(NAME)
    if asked is not None:
        show_warning(
            f"There is no stop {asked[:20]!r}: the tour's stops run from 1 to {len(STOPS)}."
        )
