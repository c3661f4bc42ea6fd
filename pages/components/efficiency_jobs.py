"""Measurements in the background: begun by a press, watched, stopped by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from pages.components.messages import show_error
from pages.components.watching import look

if TYPE_CHECKING:
    from transformer_core.background import Report, Work

T = TypeVar("T")
POLL_SECONDS = 0.5
_ASKED = "efficiency_asked"
"""What this session has asked to be measured: the last attempt, by what it is."""

Compute = Callable[["Report"], T]


def measured(
    name: tuple[Any, ...], compute: Compute[T], *, label: str, note: str = "", at_once: bool = False
) -> T | None:
    """What a measurement found; before that, what begins it, or how far it is.

    Args:
        name: Plain values that tell it from others.
        compute: Measures; it is given what reports how many of how many parts are done.
        label: On the button.
        note: Beside the button: what is measured, on what, and how long it may take.
        at_once: Whether it begins by itself.
    """
    key = repr(name)
    asked: dict[str, int] = st.session_state.setdefault(_ASKED, {})
    if at_once:
        asked.setdefault(key, 1)
    work: Work[T] = _work(key, asked.get(key, 0), compute)
    if work.result is not None:
        return work.result
    if work.error:
        show_error(work.error)
    if key in asked and not work.is_over:
        if work.is_running:
            st.button("Stop", icon=":material/stop:", key=f"stop-{key}", on_click=work.stop)
        _watch(work, label)
        return None
    again = "Measure again" if key in asked else label
    if work.is_stopped:
        st.caption("Stopped; nothing was lost.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(again, icon=":material/speed:", key=f"begin-{key}", on_click=_begin, args=(key,))
        if note:
            st.caption(note)
    return None


def counted(report: Report, total: int) -> Callable[[], None]:
    """What long work calls between its parts: it counts them."""
    done = [0]

    def go_on() -> None:
        done[0] += 1
        report(min(done[0], total - 1), total)

    return go_on


def theme() -> Literal["light", "dark"]:
    """The theme that charts take their colours from."""
    return "dark" if st.context.theme.type == "dark" else "light"


def _begin(key: str) -> None:
    asked: dict[str, int] = st.session_state.setdefault(_ASKED, {})
    asked[key] = asked.get(key, 0) + 1


@st.cache_resource(max_entries=32, show_spinner=False)
def _work(key: str, attempt: int, _compute: Compute[Any]) -> Work[Any]:  # noqa: ARG001
    """One measurement for all who ask for the same; another attempt begins anew."""
    from transformer_core.background import Work

    return Work.once(_compute)


@st.fragment(run_every=POLL_SECONDS)
def _watch(work: Work[Any], label: str) -> None:
    before = work.is_running
    look(work, wait=0.2)
    if work.is_over or not before:
        st.rerun()
    st.progress(work.share, text=f"{label}: measuring here and now, {work.share:.0%}")
