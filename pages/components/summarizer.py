"""Summaries on the page: the text as it is written, then the sentences that it drew on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import writer_of
from pages.components.live_text import live_text, watch
from pages.components.messages import plain, show_error

if TYPE_CHECKING:
    from transformer_core.tasks.summarization import SummaryState

PLACE = "summary"


class Wanted(NamedTuple):
    """What is summarised, and how long the summary may be."""

    model_id: str
    text: str
    at_least: int
    at_most: int


def length_controls() -> tuple[int, int]:
    """Least and most tokens of the summary."""
    with st.container(horizontal=True, key="length"):
        least, most = st.slider(
            "Length of the summary, in tokens", 0, 300, (20, 90), key="summary_length", width=420
        )
    return least, max(most, 1)


def summarize(wanted: Wanted) -> SummaryState | None:
    """Show a summary being written; return it when it is there."""
    live = live_text(PLACE, wanted, partial(_work, wanted))
    if not live.is_over:
        watch(PLACE, live, _draw_running)
        return None
    if live.error:
        show_error(live.error)
    state: SummaryState | None = live.last
    if state is None:
        return None
    if live.is_stopped:
        st.caption("Stopped. What was written until then:")
    st.markdown(plain(state.text))
    words, kept = len(wanted.text.split()), len(state.text.split())
    st.caption(
        f"{words} words → {kept} words ({kept / max(words, 1):.0%}) · {state.n_tokens} tokens in "
        f"{state.seconds:.1f} s · {state.n_tokens / max(state.seconds, 1e-9):.0f} tokens/s"
    )
    for note in state.notes:
        st.caption(note)
    return state


def show_sources(state: SummaryState) -> None:
    """Which source sentences each sentence of the summary drew on."""
    from transformer_core.figures.drawn_on import drawn_on

    parts = [part for part in state.parts if part.steps and part.text]
    for index, part in enumerate(parts):
        attention_view(drawn_on(part), key=f"sources-{index}")


def _work(wanted: Wanted, should_stop: Callable[[], bool]) -> Iterator[SummaryState]:
    from transformer_core.tasks.summarization import Length, stream_summary

    length = Length(wanted.at_least, wanted.at_most)
    return stream_summary(writer_of(wanted.model_id), wanted.text, length, should_stop=should_stop)


def _draw_running(state: SummaryState) -> None:
    if state.n_parts > 1:
        st.progress(
            (len(state.parts) - 1) / state.n_parts,
            text=f"Part {len(state.parts)} of {state.n_parts}",
        )
    st.markdown(plain(state.text) + " ▍")
