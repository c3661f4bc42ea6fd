"""The attention component inside Streamlit: shows a payload, returns what was picked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from transformer_core.figures import bundle
from transformer_core.figures.payload import Payload

Callback = Callable[[], None]
STATES = ("head", "fork", "cell", "window", "switches", "step", "open")


def attention_view(payload: Payload, *, key: str, **on: Callback) -> Any:
    """Show an attention picture.

    Hovering, picking, zooming and the colour scale stay in the browser. The result has ``head``
    (a trigger: ``[layer, head]`` that was opened), ``fork`` (a trigger: ``[step, token id]`` that
    was chosen instead), ``cell`` (``[query, key]`` committed with Enter or a double click),
    ``window`` (``[first row, end row, first column, end column]`` of which exact cells are wanted)
    ``switches`` (``[[layer, head, mode], …]``), ``step`` (of decoding, where somebody has come to
    rest) and ``open`` (a trigger: ``[block, layer]`` of the map that was clicked); None until set.

    Args:
        payload: What to draw.
        key: Tells pictures of a page apart.
        on: What to call when a state changes: ``on_head``, ``on_fork``, ``on_cell``, …
    """
    library, view = _components()
    # Streamlit keeps only states that have a callback.
    callbacks = {f"on_{state}_change": on.pop(f"on_{state}", _nothing) for state in STATES}
    if on:
        raise TypeError(f"The picture has no {', '.join(on)}; its states are {', '.join(STATES)}.")
    with st.container(gap=None):
        library(key=f"{key}-library", height="content")
        return view(key=key, data=payload.to_bytes(), **callbacks)


@cache
def _components() -> tuple[Any, Any]:
    """Register the library and the view once per process."""
    component = st.components.v2.component
    return (
        component("attention_library", js=bundle.streamlit_library()),
        component("attention_view", js=bundle.streamlit_view()),
    )


def _nothing() -> None:
    """Stand in for a callback."""
