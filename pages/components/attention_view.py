"""The attention component inside Streamlit: shows a payload, returns what was picked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from transformer_core.figures import bundle
from transformer_core.figures.payload import Payload

Callback = Callable[[], None]


def attention_view(
    payload: Payload,
    *,
    key: str,
    on_head: Callback | None = None,
    on_cell: Callback | None = None,
    on_window: Callback | None = None,
    on_switches: Callback | None = None,
) -> Any:
    """Show an attention picture.

    Hovering, picking, zooming and the colour scale stay in the browser. The result has ``head``
    (a trigger: ``[layer, head]`` that was opened), ``cell`` (``[query, key]`` committed with Enter
    or a double click), ``window`` (``[first row, end row, first column, end column]`` of which
    exact cells are wanted) and ``switches`` (``[[layer, head, mode], …]``); None until set.
    """
    library, view = _components()
    with st.container(gap=None):
        library(key=f"{key}-library", height="content")
        return view(
            key=key,
            data=payload.to_bytes(),
            on_head_change=on_head or _nothing,
            on_cell_change=on_cell or _nothing,
            on_window_change=on_window or _nothing,
            on_switches_change=on_switches or _nothing,
        )


@cache
def _components() -> tuple[Any, Any]:
    """Register the library and the view once per process."""
    component = st.components.v2.component
    return (
        component("attention_library", js=bundle.streamlit_library()),
        component("attention_view", js=bundle.streamlit_view()),
    )


def _nothing() -> None:
    """Stand in for a callback: Streamlit keeps only states that have one."""
