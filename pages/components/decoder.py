"""Decoding on the page: texts as they are written, their steps, and the tree that holds them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.decoding_controls import take_strategy, write_also
from pages.components.decoding_texts import (
    PLACE,
    Asked,
    Growing,
    Shown,
    Text,
    drawing_of,
    picture_of,
    read_layers,
    text_for,
    write,
)
from pages.components.live_text import live_text, stop
from pages.components.messages import plain, show_error
from pages.components.watching import look
from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.background import Work

LAYERS = "decoding-layers"
PICTURE = "decoder"
AT_ONCE_S = 0.12
"""Seconds that the page waits for a whole text before it shows the one that grows."""

POLL_S = 0.15
_ERROR = "decoding_error"
_GO_ON = "decoding_go_on"


def decoded(asked: Asked, start: int = 0) -> Text | None:
    """The text that answers what is asked, drawn as it grows; None while it does.

    Args:
        asked: What is written, and how.
        start: The step to look at, where the text is new.

    Raises:
        InputError: If the model cannot write, or the text leaves it no room to.
        TextTooLongError: If the text has more tokens than the model reads.
    """
    text = text_for(asked, start)
    error = st.session_state.pop(_ERROR, None)
    if error:
        show_error(error)
    what = (asked[:2], asked.is_chat, id(text), text.shown, st.session_state.get(_GO_ON, 0))
    work = partial(write, text, text.shown, text.start)
    live = live_text(PLACE, what, work, at_once=AT_ONCE_S, until=lambda _: True)
    with st.container(horizontal=True, vertical_alignment="center", key="decoding-status"):
        _status(text, live)
    if live.error:
        show_error(live.error)
        return None
    with st.container(key="decoding-picture"):
        if live.is_over:
            _show(text)
        else:
            st.fragment(_grow, run_every=POLL_S)(text, text.shown, live)
    return text if live.is_over and text.steps else None


def step_of(text: Text) -> int:
    """The step of this text that somebody looks at, for the link."""
    state = st.session_state.get(PICTURE)
    told = None if state is None else state.get("step")
    here = [picture_of(text).header["identity"], *text.shown]
    return int(told[-1]) if told and told[:-1] == here else text.start


# -- on the page ----------------------------------------------------------------------------


def _status(text: Text, live: Work[Growing]) -> None:
    """Stop, or go on; and how far it is. Always of one height, so that nothing jumps."""
    if live.is_over and live.is_stopped and not text.is_over:
        st.button("Go on", icon=":material/play_arrow:", key="decoding-go-on", on_click=_go_on)
        st.caption("Stopped. What was written until then:")
        return
    st.button(
        "Stop", icon=":material/stop:", key="decoding-stop", on_click=stop, args=(PLACE,),
        disabled=live.is_over,
    )  # fmt: skip
    if not live.is_over:
        st.caption("Writing; the numbers of all steps come with the end.")
    elif text.steps:
        _say_speed(text)
        _read_layers(text)


def _say_speed(text: Text) -> None:
    steps = text.steps
    seconds = sum(step.seconds for step in steps)
    count = f"{len(steps)} token{'' if len(steps) == 1 else 's'}"
    st.caption(
        plain(f"{text.branch.name}: {count} in {seconds:.2f} s, every step recorded."),
        width="content",
    )


def _grow(text: Text, shown: Shown, live: Work[Growing]) -> None:
    """Draw the text that grows, in the frame that it will have."""
    state = look(live)
    if live.is_over or text.shown != shown:
        st.rerun()
    if state is None:
        st.caption("Reading the text.")
    else:
        attention_view(state.payload, key=PICTURE, on_fork=partial(_forked, text))


def _show(text: Text) -> None:
    if text.steps:
        attention_view(picture_of(text), key=PICTURE, on_fork=partial(_forked, text))


def _read_layers(text: Text) -> None:
    """Read the logit lens of the steps that still lack it, behind the picture that is there."""
    payload = drawing_of(text, text.shown)
    rows = payload.header["options"]["lens"]
    if rows is None or len(rows) == len(text.steps):
        return
    what = (text.asked, text.shown, len(text.steps))
    live = live_text(LAYERS, what, partial(read_layers, text, text.shown))
    if live.is_over:
        if not live.error and not live.is_stopped:
            st.rerun()
        return

    @st.fragment(run_every=0.5)
    def reading() -> None:
        done = look(live) or 0
        st.caption(f"Reading the layers for the logit lens: {done} of {len(text.steps)} steps.")
        if live.is_over:
            st.rerun()

    reading()


def _forked(text: Text) -> None:
    """A click in the picture: another token, another text, or a text by another strategy."""
    wish = st.session_state[PICTURE].get("fork")
    if wish is None:
        return
    what, *rest = wish
    try:
        if what == "open":
            branch, hypothesis, start = rest
            if int(branch) in text.branches:
                text.open((int(branch), hypothesis), int(start))
        elif what == "only":
            text.branches.keep_only(text.shown[0])
        elif what == "write":
            write_also(str(rest[0]), (branch.strategy for branch in text.branches))
            return
        else:
            branch, hypothesis = text.shown
            fork = text.branches.fork(branch, int(what), int(rest[0]), hypothesis=hypothesis)
            text.open((fork.id, None), int(what))
    except InputError as error:
        st.session_state[_ERROR] = str(error)
    take_strategy(text.branch.strategy)


def _go_on() -> None:
    st.session_state[_GO_ON] = st.session_state.get(_GO_ON, 0) + 1
