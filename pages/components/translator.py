"""Translation on the page: the text as it is written, then its words with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import model_of, writer_of
from pages.components.live_text import live_text, watch
from pages.components.messages import plain, show_error
from transformer_core.decoding.strategies import Beam, Greedy, Strategy

if TYPE_CHECKING:
    from transformer_core.tasks.streaming import PartState, StreamState

PLACE = "translation"
FORKS = "translation_forks"


class Asked(NamedTuple):
    """What is translated, and how."""

    model_id: str
    text: str
    strategy: Strategy
    prefixes: tuple[tuple[int, tuple[int, ...]], ...] = ()


def strategy_controls() -> Strategy:
    """Greedy or beam search, with its settings."""
    with st.container(horizontal=True, vertical_alignment="center", key="strategy"):
        how = st.segmented_control(
            "Search",
            ["Greedy", "Beam"],
            key="translate_search",
            default="Beam",
            required=True,
            label_visibility="collapsed",
        )
        if how != "Beam":
            return Greedy()
        beams = st.select_slider("Beams", range(2, 9), value=4, key="translate_beams", width=180)
        penalty = st.slider(
            "Length penalty", 0.0, 2.0, 1.0, 0.1, key="translate_penalty", width=180
        )
    return Beam(int(beams), float(penalty))


def translate(asked: Asked) -> StreamState | None:
    """Show a translation being written; return it when it is there.

    A word that somebody chose instead begins the part anew from there; the choice is forgotten with
    the text.
    """
    forks = _forks(asked)
    asked = asked._replace(prefixes=tuple(sorted(forks.items())))
    live = live_text(PLACE, asked, partial(_work, asked))
    if not live.is_over:
        watch(PLACE, live, _draw_running)
        return None
    if live.error:
        show_error(live.error)
    state: StreamState | None = live.last
    if live.is_stopped:
        st.caption("Stopped. What was written until then:")
    return state


def show_part(model_id: str, part: PartState, index: int) -> None:
    """Show one part with the sources of its words; a click on an alternative writes on from it."""
    from transformer_core.figures.translation import WrittenToken, translation

    tokens = [WrittenToken.of(step) for step in part.tokens]
    trace = part.steps[-1].trace
    payload = translation(trace, tokens, alignment_of(model_id))
    attention_view(payload, key=f"part-{index}", on_fork=partial(_fork, index, part))


def alignment_of(model_id: str) -> Any:
    """Where a model's alignments are read: the measured choice, or the last layer's mean."""
    from transformer_core.tasks.alignments import measured_choice

    return measured_choice(model_of(model_id))


def undo_forks() -> None:
    """Offer to take back what was chosen by hand."""
    if st.session_state.get(FORKS, ("", {}))[1]:
        st.button(
            "Back to the model's own words",
            icon=":material/undo:",
            type="tertiary",
            on_click=partial(st.session_state.pop, FORKS, None),
        )


def _forks(asked: Asked) -> dict[int, tuple[int, ...]]:
    """What was chosen by hand for this text."""
    name = repr(asked[:3])
    if st.session_state.get(FORKS, ("",))[0] != name:
        st.session_state[FORKS] = (name, {})
    forks: dict[int, tuple[int, ...]] = st.session_state[FORKS][1]
    return forks


def _fork(index: int, part: PartState) -> None:
    chosen = st.session_state[f"part-{index}"]["fork"]
    if chosen is None:
        return
    step, token_id = int(chosen[0]), int(chosen[1])
    prefix = (*(one.token_id for one in part.steps[:step]), token_id)
    name, forks = st.session_state[FORKS]
    st.session_state[FORKS] = (name, {**forks, index: prefix})


def _work(asked: Asked, should_stop: Callable[[], bool]) -> Iterator[StreamState]:
    from transformer_core.tasks.streaming import stream_translation

    return stream_translation(
        writer_of(asked.model_id),
        asked.text,
        asked.strategy,
        prefixes=dict(asked.prefixes),
        should_stop=should_stop,
    )


def _draw_running(state: StreamState) -> None:
    if state.n_parts > 1:
        st.progress(
            (len(state.parts) - 1) / state.n_parts,
            text=f"Part {len(state.parts)} of {state.n_parts}",
        )
    st.markdown(plain(state.text) + " ▍")
