"""The row of controls above a picture: which head, and how its tokens are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.messages import show_warning
from transformer_core.figures.views import Place, Reading

if TYPE_CHECKING:
    from collections.abc import Collection

    from transformer_core.tracing.trace import Trace

MAX_DIGITS = 6
SITES = {"encoder": "Encoder", "decoder": "Decoder", "cross": "Cross"}


def head_controls(trace: Trace, uses: Collection[str]) -> tuple[Place, Reading]:
    """Let a person choose; layer and head come from the session's state, checked.

    Args:
        uses: The controls to offer, of ``layer head words special sink``.
    """
    problems: list[str] = []
    if not uses and len(trace.sites) == 1:
        return _hidden(trace, problems)
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        site = _site(trace)
        layer = _index("layer", trace.n_layers(site), problems, is_shown="layer" in uses)
        head = _index("head", trace.n_heads(site), problems, is_shown="head" in uses)
        words = "words" in uses and st.toggle(
            "Words", key="words", help="Merge sub-words to words.", persist_state="session"
        )
        hidden = "special" in uses and st.toggle(
            "Hide special tokens",
            key="hide_special",
            help="The rest of each row is renormalised, and it says so.",
            persist_state="session",
        )
        sink = "sink" in uses and st.toggle(
            "Hide first token",
            key="hide_sink",
            help="Many heads rest on it, an attention sink. The rest of each row is renormalised.",
            persist_state="session",
        )
        st.space("stretch")
        st.caption(_size(trace), width="content")
    if problems:
        show_warning(" ".join(problems))
    return Place(site, layer, head), Reading(words, hidden, sink)


def _hidden(trace: Trace, problems: list[str]) -> tuple[Place, Reading]:
    """What is chosen where a view asks for nothing: no row for it."""
    site = trace.sites[0]
    layer = _index("layer", trace.n_layers(site), problems, is_shown=False)
    head = _index("head", trace.n_heads(site), problems, is_shown=False)
    if problems:
        show_warning(" ".join(problems))
    return Place(site, layer, head), Reading()


def _site(trace: Trace) -> str:
    if len(trace.sites) == 1:
        return trace.sites[0]
    if st.session_state.get("site") not in trace.sites:
        st.session_state["site"] = trace.sites[-1]
    chosen = st.segmented_control(
        "Site",
        list(trace.sites),
        key="site",
        format_func=SITES.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen or trace.sites[-1])


def _index(name: str, n: int, problems: list[str], *, is_shown: bool) -> int:
    """A layer or head; one from the address that is out of range is said and brought into it."""
    value = str(st.session_state[name])
    if not value.isdecimal() or len(value) > MAX_DIGITS or int(value) >= n:
        asked = value if len(value) <= MAX_DIGITS else f"{value[:MAX_DIGITS]}…"
        problems.append(
            f"There is no {name} {asked!r}: they run from 0 to {n - 1}. Showing {name} 0."
        )
        value = "0"
    st.session_state[name] = int(value)
    if is_shown:
        st.selectbox(
            name.title(),
            range(n),
            key=name,
            width=116,
            label_visibility="collapsed",
            format_func=f"{name.title()} {{}}".format,
        )
    return int(st.session_state[name])


def _size(trace: Trace) -> str:
    n_source = f"{len(trace.source)} tokens"
    return n_source if trace.target is None else f"{n_source} → {len(trace.target)}"
