"""Summaries on the page: the text as it is written, then the sentences that it drew on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import writer_of
from pages.components.carry import Result, open_elsewhere
from pages.components.live_text import live_text, show_growing, status_row, watch
from pages.components.messages import plain, show_error
from transformer_core.decoding.strategies import Greedy
from transformer_core.tasks.summarization import INSTRUCTION, Length

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.background import ShouldStop
    from transformer_core.figures.payload import Payload
    from transformer_core.tasks.summarization import SummaryPart, SummaryState

PLACE = "summary"
LENGTH = (20, 90)


class Wanted(NamedTuple):
    """What is summarised, and how long the summary may be."""

    model_id: str
    text: str
    length: Length


def length_controls() -> Length:
    """Least and most tokens of the summary."""
    least, most = st.slider(
        "Length of the summary, in tokens", 0, 300, LENGTH, key="summary_length", width=420,
        persist_state="session",
        help="The model may not end before the least; the most ends it, also inside a sentence.",
    )  # fmt: skip
    return Length(least, max(most, 1))


def summary(wanted: Wanted) -> Files:
    """The summary with the sentences that it drew on; returns its files."""
    live = live_text(PLACE, wanted, partial(_work, wanted))
    is_over, is_stopped = live.is_over, live.is_stopped
    state: SummaryState | None = live.last
    numbers = _numbers(wanted.text, state) if is_over and state is not None else ""
    stopped = "Stopped. " if is_stopped else ""
    status_row(PLACE, stopped + numbers if is_over else "Writing.", is_over=is_over)
    with st.container(key="summary-picture"):
        if not is_over:
            watch(live, show_growing)
            return {}
        if live.error:
            show_error(live.error)
        if state is None:
            return {}
        for note in state.notes:
            st.caption(note)
        return _show_sources(wanted, state)


def _numbers(source: str, state: SummaryState) -> str:
    words, kept = len(source.split()), len(state.text.split())
    return (
        f"{words:,} words → {kept:,} words ({kept / max(words, 1):.0%}) · "
        f"{len(source):,} characters → {len(state.text):,} · "
        f"{state.n_tokens:,} tokens in {state.seconds:.1f} s · "
        f"{state.n_tokens / max(state.seconds, 1e-9):.0f} tokens/s"
    )


def _show_sources(wanted: Wanted, state: SummaryState) -> Files:
    """Which source sentences each sentence of the summary drew on."""
    from transformer_core.figures.drawn_on import readable

    parts = readable(state)
    if not parts:
        st.markdown(plain(state.text))
        return {}
    index = 0
    if len(parts) > 1:
        st.markdown(plain(state.text))
        index = st.selectbox(
            "Part", range(len(parts)), format_func=lambda i: f"{i + 1}. {parts[i].source.text[:80]}"
        )
    payload = _picture(wanted, parts[index])
    with st.container(key="written"):
        attention_view(payload, key="sources")
    _open(wanted, parts[index])
    return _files(state, payload)


def _picture(wanted: Wanted, part: SummaryPart) -> Payload:
    """Which sentences a part drew on, read once: all layers, heads and steps take a while."""
    from transformer_core.figures.drawn_on import drawn_on

    name = (wanted, part.source.start, len(part.steps))
    kept = _pictures()
    if name not in kept:
        if any(other[0] != wanted for other in kept):
            kept.clear()
        kept[name] = drawn_on(part)
    return kept[name]


@st.cache_resource(scope="session", show_spinner=False)
def _pictures() -> dict[tuple[Wanted, int, int], Payload]:
    """Pictures of this session's last summary."""
    return {}


def _open(wanted: Wanted, part: SummaryPart) -> None:
    is_apart = "cross" in part.steps[0].sites
    prompt = part.prompt.text
    body = prompt[part.prompt.start : part.prompt.end]
    limit = Greedy(wanted.length.at_most)
    place = {"site": "cross" if is_apart else "decoder", "layer": 0, "head": 0}
    if is_apart:
        result = Result(wanted.model_id, body, part.text, limit, place)
    else:
        result = Result(
            wanted.model_id, prompt, part.text, limit, place, message=INSTRUCTION + body
        )
    result = result._replace(at_least=wanted.length.at_least)
    if result.text != wanted.text.strip():
        result = result._replace(typed=wanted.text)
    open_elsewhere(result, has_target=is_apart)


def _files(state: SummaryState, payload: Payload) -> Files:
    from transformer_core.figures import drawn_on as files
    from transformer_core.figures.html import to_html

    return {
        "TXT": ("summary.txt", lambda: state.text + "\n"),
        "CSV (sentences and weights)": ("summary.csv", lambda: files.to_csv(state)),
        "JSON": ("summary.json", lambda: files.to_json(state)),
        "NPZ (weights)": ("summary.npz", lambda: files.to_npz(state)),
        "HTML (self-contained)": ("summary.html", lambda: to_html(payload)),
    }


def _work(wanted: Wanted, should_stop: ShouldStop) -> Iterator[SummaryState]:
    from transformer_core.tasks.summarization import stream_summary

    model = writer_of(wanted.model_id)
    return stream_summary(model, wanted.text, wanted.length, should_stop=should_stop)
