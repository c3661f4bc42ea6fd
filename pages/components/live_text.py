"""Texts that are being written for this session: one at a time, newest wins."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.messages import plain
from pages.components.watching import look

if TYPE_CHECKING:
    from transformer_core.background import ShouldStop, Work
    from transformer_core.tasks.streaming import StreamState
    from transformer_core.tasks.summarization import SummaryState

AT_ONCE_S = 0.2
"""Seconds that a page waits for a text before it shows what is there: short ones come whole."""

HIDDEN_S = 75.0
"""Seconds between two looks of a tab in the background, which browsers wake once a minute."""

POLL_S = 0.15


@st.cache_resource(scope="session", show_spinner=False)
def _current() -> dict[str, tuple[Hashable, Work[Any]]]:
    """What this session has running, by place on the page."""
    return {}


def live_text(
    place: str,
    asked: Hashable,
    work: Callable[[ShouldStop], Iterable[Any]],
    *,
    at_once: float = AT_ONCE_S,
    until: Callable[[Any], bool] = lambda _: False,
) -> Work[Any]:
    """The work that answers what is asked; what was asked before is stopped.

    Args:
        place: Where on the page; there is one work for each.
        asked: Plain values that tell one question from another.
        work: As :class:`transformer_core.background.Work` takes it.
        at_once: Seconds to wait for the whole.
        until: Ends the waiting early, once there is something worth seeing.
    """
    from transformer_core.background import Work

    current = _current()
    before = current.get(place)
    if before is not None and before[0] == asked:
        look(before[1])
        return before[1]
    if before is not None:
        before[1].stop()
    live: Work[Any] = Work(work, patience=HIDDEN_S)
    current[place] = (asked, live)
    look(live, wait=at_once, until=until)
    return live


def stop(place: str) -> None:
    """Stop what runs at a place; what it has written stays."""
    found = _current().get(place)
    if found is not None:
        found[1].stop()


def status_row(place: str, words: str, *, is_over: bool) -> None:
    """Stop, and how far it is: always there and of one height, so that nothing jumps."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"{place}-status"):
        st.button(
            "Stop", icon=":material/stop:", key=f"{place}-stop", on_click=stop, args=(place,),
            disabled=is_over,
        )  # fmt: skip
        st.caption(words)


def watch(live: Work[Any], draw: Callable[[Any], None]) -> None:
    """Draw what the work gave last, again and again while it runs; then run the page again."""

    @st.fragment(run_every=POLL_S)
    def drawing() -> None:
        state = look(live)
        if state is not None:
            draw(state)
        if live.is_over:
            st.rerun()

    drawing()


def show_growing(state: StreamState | SummaryState, *, mark: str = "") -> None:
    """A text of one or many parts while it is written.

    Args:
        state: What is there.
        mark: Markdown before it: what the whole text will have, so that it does not move then.
    """
    with st.container(key="growing"):
        st.markdown(mark + plain(state.text) + " ▍")
    if state.n_parts > 1:
        st.progress(
            (len(state.parts) - 1) / state.n_parts,
            text=f"Part {len(state.parts)} of {state.n_parts}",
        )
