"""Translation on the page: the text as it is written, then its words with their sources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import model_of, writer_of
from pages.components.carry import Result, open_elsewhere
from pages.components.live_text import live_text, show_growing, status_row, watch
from pages.components.messages import plain, show_error
from transformer_core.decoding.strategies import Beam, Greedy, Strategy
from transformer_core.tasks import documents

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.background import ShouldStop
    from transformer_core.figures.payload import Payload
    from transformer_core.tasks.streaming import PartState, StreamState

PLACE = "translation"
FORKS = "translation_forks"
AT_ONCE_S = 0.06
"""Seconds that the page waits for a whole translation before it shows the first words."""


class Asked(NamedTuple):
    """What is translated, and how."""

    model_id: str
    text: str
    strategy: Strategy
    prefixes: tuple[tuple[int, tuple[int, ...]], ...] = ()


def strategy_controls() -> Strategy:
    """Greedy or beam search, with its settings."""
    how = st.segmented_control(
        "Search",
        ["Greedy", "Beam"],
        key="translate_search",
        default="Beam",
        required=True,
        persist_state="session",
    )
    if how != "Beam":
        return Greedy()
    beams = st.select_slider(
        "Beams", range(2, 9), value=4, key="translate_beams", width=180, persist_state="session"
    )
    penalty = st.slider(
        "Length penalty", 0.0, 2.0, 1.0, 0.1, key="translate_penalty", width=180,
        persist_state="session",
    )  # fmt: skip
    return Beam(int(beams), float(penalty))


def translation(asked: Asked) -> Files:
    """The translation, part by part, with its numbers; returns its files.

    A word that somebody chose instead begins the part anew from there; the choice is forgotten with
    the text. Text and picture have their places from the beginning, so that nothing jumps.
    """
    forks = _forks(asked)
    asked = asked._replace(prefixes=tuple(sorted(forks.items())))
    live = live_text(
        PLACE,
        asked,
        partial(_work, asked),
        at_once=AT_ONCE_S,
        until=lambda state: state.n_parts > 1,
    )
    is_over, is_stopped = live.is_over, live.is_stopped
    state: StreamState | None = live.last
    numbers = _numbers(asked.text, state) if is_over and state is not None else ""
    stopped = "Stopped. " if is_stopped else ""
    status_row(PLACE, stopped + numbers if is_over else "Writing.", is_over=is_over)
    place, room = st.container(key="translation-text"), st.container(key="translation-picture")
    if not is_over:
        with place:
            watch(live, lambda state: show_growing(state, mark=_mark(state)))
        room.caption("Where each word comes from stands here when the text is written.")
        return {}
    with place:
        if live.error:
            show_error(live.error)
        if state is not None:
            _show_text(state)
    with room:
        return _show_sources(asked, state) if state is not None and state.parts else {}


def _show_text(state: StreamState) -> None:
    with st.container(key="written"):
        st.markdown(_mark(state) + plain(state.text).replace("\n", "  \n"))
    for note in state.notes:
        st.caption(note)


def _mark(state: StreamState) -> str:
    """A short translation is a heading."""
    return "#### " if len(state.text) <= 300 else ""


def _show_sources(asked: Asked, state: StreamState) -> Files:
    """Where the words of a part come from, and what can be done with it."""
    parts = [part for part in state.parts if part.tokens and part.text]
    if not parts:
        st.caption("The model wrote no word.")
        _undo_forks()
        return {}
    index = 0
    if len(parts) > 1:
        index = st.selectbox(
            "Part", range(len(parts)), format_func=lambda i: f"{i + 1}. {parts[i].source.text[:80]}"
        )
    payload = _show_part(asked, parts[index], state.parts.index(parts[index]))
    _undo_forks()
    _open(asked, parts[index])
    return _files(asked, state, payload)


def _numbers(source: str, state: StreamState) -> str:
    speed = state.n_tokens / max(state.seconds, 1e-9)
    return (
        f"{len(source.split()):,} words → {len(state.text.split()):,} words · "
        f"{len(source):,} characters → {len(state.text):,} · "
        f"{state.n_tokens:,} tokens in {state.seconds:.2f} s · {speed:.0f} tokens/s"
    )


def _show_part(asked: Asked, part: PartState, index: int) -> Payload:
    """Show one part with the sources of its words; a click on an alternative writes on from it."""
    from transformer_core.figures.translation import tokens_of, translation
    from transformer_core.tasks.alignments import is_measured

    model = model_of(asked.model_id)
    payload = translation(
        part.steps[-1].trace,
        tokens_of(part),
        _alignment_of(asked.model_id),
        is_measured=is_measured(model),
    )
    attention_view(payload, key=f"part-{index}", on_fork=partial(_fork, index, part))
    return payload


def _alignment_of(model_id: str) -> Any:
    """Where a model's alignments are read: the measured choice, or a mean over a layer's heads."""
    from transformer_core.tasks.alignments import measured_choice

    return measured_choice(model_of(model_id))


def _open(asked: Asked, part: PartState) -> None:
    choice = _alignment_of(asked.model_id)
    place = {"site": "cross", "layer": choice.layer, "head": choice.head or 0}
    result = Result(asked.model_id, part.source.text, part.text, asked.strategy, place)
    if part.source.text != asked.text.strip():
        result = result._replace(typed=asked.text)
    open_elsewhere(result, has_target=True)


def _files(asked: Asked, state: StreamState, payload: Payload) -> Files:
    from transformer_core.figures import translation_files as files
    from transformer_core.figures.html import to_html

    choice = _alignment_of(asked.model_id)
    parts = files.written(state)
    sources, results = [part.source.text for part in parts], [part.text for part in parts]
    memory = partial(documents.to_tmx, sources, results, documents.languages_of(asked.model_id))
    return {
        "TXT": ("translation.txt", lambda: state.text + "\n"),
        "TMX (translation memory)": ("translation.tmx", memory),
        "CSV (alignment)": ("alignment.csv", lambda: files.to_csv(state, choice)),
        "JSON (tokens and alignment)": ("translation.json", lambda: files.to_json(state, choice)),
        "NPZ (all heads' alignments)": ("alignment.npz", lambda: files.to_npz(state, choice)),
        "HTML (self-contained)": ("translation.html", lambda: to_html(payload)),
    }


def _undo_forks() -> None:
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


def _work(asked: Asked, should_stop: ShouldStop) -> Iterator[StreamState]:
    from transformer_core.tasks.streaming import stream_translation

    return stream_translation(
        writer_of(asked.model_id),
        asked.text,
        asked.strategy,
        prefixes=dict(asked.prefixes),
        should_stop=should_stop,
    )
