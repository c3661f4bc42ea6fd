"""Texts that are being written for this session: one at a time, newest wins."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from transformer_core.tasks.live import Live

AT_ONCE_S = 0.2
"""Seconds that a page waits for a text before it shows what is there: short ones come whole."""

POLL_S = 0.15


@st.cache_resource(scope="session", show_spinner=False)
def _current() -> dict[str, tuple[Hashable, Live[Any]]]:
    """What this session has running, by place on the page."""
    return {}


def live_text(
    place: str, asked: Hashable, work: Callable[[Callable[[], bool]], Iterable[Any]]
) -> Live[Any]:
    """The work that answers what is asked; what was asked before is stopped.

    Args:
        place: Where on the page; there is one work for each.
        asked: Plain values that tell one question from another.
        work: As :class:`transformer_core.tasks.live.Live` takes it.
    """
    from transformer_core.tasks.live import Live

    current = _current()
    before = current.get(place)
    if before is not None and before[0] == asked and not _was_given_up(before[1]):
        before[1].look()
        return before[1]
    if before is not None:
        before[1].stop()
    live: Live[Any] = Live(work)
    current[place] = (asked, live)
    live.look(wait=AT_ONCE_S)
    return live


def stop(place: str) -> None:
    """Stop what runs at a place; what it has written stays."""
    found = _current().get(place)
    if found is not None:
        st.session_state[f"{place}-stopped"] = True
        found[1].stop()


def watch(place: str, live: Live[Any], draw: Callable[[Any], None]) -> None:
    """Draw what the work gave last, again and again while it runs; then run the page again."""
    st.button("Stop", icon=":material/stop:", key=f"{place}-stop", on_click=stop, args=(place,))

    @st.fragment(run_every=POLL_S)
    def drawing() -> None:
        state = live.look()
        if state is not None:
            draw(state)
        if live.is_over:
            st.rerun()

    drawing()


def _was_given_up(live: Live[Any]) -> bool:
    """Whether nobody looked for so long that it ended early: it begins again."""
    return live.is_over and live.is_stopped and not _is_stopped_by_hand()


def _is_stopped_by_hand() -> bool:
    return any(
        bool(value)
        for name, value in st.session_state.items()
        if isinstance(name, str) and name.endswith("-stopped")
    )
