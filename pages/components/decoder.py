"""Decoding on the page: a text as it is written, then its steps, its branches and its beam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import writer_of
from pages.components.live_text import live_text, watch
from pages.components.messages import plain, show_error
from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.figures.payload import Payload
    from transformer_core.tasks.branching import Branches, Progress

PLACE = "decoding"
LAYERS = "decoding-layers"
PICTURE = "decoder"
AT_ONCE = 2e9
"""Multiplications of the logit lens that the first picture waits for; the rest comes later."""

_ERROR = "decoding_error"
_GO_ON = "decoding_go_on"
Shown = tuple[int, int | None]
"""A branch, and which hypothesis of its beam search; None for the best."""


class Asked(NamedTuple):
    """What is written, and how."""

    model_id: str
    text: str
    strategy: Strategy


@dataclass(eq=False)
class Text:
    """One text of this session with its branches.

    Attributes:
        asked: What it answers.
        branches: Everything written.
        shown: What the picture shows.
        pictures: What was drawn, by what is shown and how many steps it had.
    """

    asked: Asked
    branches: Branches
    shown: Shown = (0, None)
    pictures: dict[tuple[Shown, int], Payload] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether what is shown has ended by itself."""
        return self.branches[self.shown[0]].decoding.ended is not None

    @property
    def steps(self) -> tuple[DecodingStep, ...]:
        """The steps of what is shown."""
        return self.branches.steps(*self.shown)


@st.cache_resource(scope="session", show_spinner=False)
def _texts() -> dict[str, Text]:
    """The text of this session: only the last is kept, with all its branches."""
    return {}


def decoded(asked: Asked) -> Text | None:
    """The text that answers what is asked, once it is written; until then it is shown growing.

    Raises:
        InputError: If the model cannot write, or the text leaves it no room to.
        TextTooLongError: If the text has more tokens than the model reads.
    """
    text = _text(asked)
    error = st.session_state.pop(_ERROR, None)
    if error:
        show_error(error)
    go_on = st.session_state.setdefault(_GO_ON, 0)
    what = (asked, text.shown, go_on)
    live = live_text(PLACE, what, partial(_work, text, text.shown))
    if not live.is_over:
        watch(PLACE, live, _draw_running)
        return None
    if live.error:
        show_error(live.error)
        return None
    if live.is_stopped and not text.is_over:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Stopped. What was written until then:")
            st.button("Go on", icon=":material/play_arrow:", on_click=_go_on)
    return text if text.steps else None


def show(text: Text) -> Payload:
    """Show the steps; a click on a candidate forks, one on a branch or a hypothesis goes there."""
    payload = picture_of(text)
    attention_view(payload, key=PICTURE, on_fork=partial(_forked, text))
    _read_layers(text)
    return payload


def picture_of(text: Text) -> Payload:
    """The picture of what is shown, with the branches as they are now."""
    from transformer_core.figures.decoder import BranchNote, with_branches

    notes = [
        BranchNote(one.id, one.parent, one.step, one.token, one.decoding.text)
        for one in text.branches
    ]
    return with_branches(_picture(text, text.shown), notes, text.shown[0])


def _text(asked: Asked) -> Text:
    from transformer_core.tasks.branching import Branches

    found = _texts().get(PLACE)
    if found is None or found.asked != asked:
        branches = Branches(writer_of(asked.model_id), asked.text, asked.strategy)
        found = _texts()[PLACE] = Text(asked, branches)
    return found


def _work(text: Text, shown: Shown, should_stop: Callable[[], bool]) -> Iterator[Progress]:
    yield from text.branches.write(shown[0], should_stop)
    if text.branches.steps(*shown):
        _picture(text, shown)


def _picture(text: Text, shown: Shown) -> Payload:
    """Draw what is shown once; made where it was written, so that the page need not wait for it."""
    from transformer_core.decoding.beam_search import BeamDecoding
    from transformer_core.figures.decoder import Extras, decoder

    steps = text.branches.steps(*shown)
    key = (shown, len(steps))
    if key not in text.pictures:
        decoding = text.branches[shown[0]].decoding
        tree = decoding.tree if isinstance(decoding, BeamDecoding) else None
        text.pictures[key] = decoder(steps, Extras(tree=tree, max_products=AT_ONCE))
    return text.pictures[key]


def _read_layers(text: Text) -> None:
    """Read the logit lens of the steps that still lack it, behind the picture that is there."""
    payload = _picture(text, text.shown)
    rows = payload.header["options"]["lens"]
    if rows is None or len(rows) == len(text.steps):
        return
    what = (text.asked, text.shown, len(text.steps))
    live = live_text(LAYERS, what, partial(_layers, text, text.shown))
    if live.is_over:
        if not live.error and not live.is_stopped:
            st.rerun()
        return

    @st.fragment(run_every=0.5)
    def reading() -> None:
        done = live.look() or 0
        st.caption(f"Reading the layers for the logit lens: {done} of {len(text.steps)} steps.")
        if live.is_over:
            st.rerun()

    reading()


def _layers(text: Text, shown: Shown, should_stop: Callable[[], bool]) -> Iterator[int]:
    from transformer_core.figures.decoder import lens_rows, with_lens

    steps = text.branches.steps(*shown)
    rows: list[list[list[object]]] = []
    for row in lens_rows(steps):
        rows.append(row)
        if should_stop():
            return
        yield len(rows)
    key = (shown, len(steps))
    text.pictures[key] = with_lens(text.pictures[key], rows)


def _forked(text: Text) -> None:
    chosen = st.session_state[PICTURE]["fork"]
    if chosen is None:
        return
    what, number = chosen
    if what == "branch":
        text.shown = (int(number), None)
    elif what == "hypothesis":
        text.shown = (text.shown[0], int(number))
    else:
        branch, hypothesis = text.shown
        try:
            fork = text.branches.fork(branch, int(what), int(number), hypothesis=hypothesis)
        except InputError as error:
            st.session_state[_ERROR] = str(error)
        else:
            text.shown = (fork.id, None)


def _go_on() -> None:
    st.session_state[_GO_ON] += 1


def _draw_running(state: Progress) -> None:
    st.markdown(plain(state.text) + " ▍")
