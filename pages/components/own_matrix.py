"""An attention matrix of one's own: opened from a file, shown by every view that needs no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.messages import plain, show_error
from transformer_core.errors import ModelUnavailableError, TransformerCoreError
from transformer_core.settings import settings

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

KEY = "own_matrix"
_PROBLEM = f"{KEY}_problem"
_ROUND = f"{KEY}_round"  # a new one empties the uploader
_PLACE = f"{KEY}_place"  # the layer and head that were looked at before
_PLACE_KEYS = ("layer", "head")
FORMATS = """
**JSON** `{"tokens": ["the", "cat"], "pattern": [[0.9, 0.1], [0.4, 0.6]]}`, as
`python -m transformer_core attend` prints it, or **NPZ** with arrays of these names.

`pattern` is `[query key]`, `[head query key]` or `[layer head query key]`; its rows sum to 1. With
`target_tokens` it is cross-attention, unless `site` says otherwise. A trace that was saved here
(*Export*, NPZ) opens whole. Pickles are not opened.
"""


@st.cache_resource(scope="session", show_spinner=False)
def _opened() -> dict[str, Trace]:
    """The one matrix that this session has open, under ``trace``."""
    return {}


def offer_matrix() -> None:
    """Offer to open a file."""
    with st.popover("Open a matrix", icon=":material/upload_file:", type="tertiary", key=KEY):
        st.caption("Attention that was computed elsewhere, with its tokens.")
        st.file_uploader(
            "JSON or NPZ",
            type=["json", "npz"],
            key=_uploader(),
            max_upload_size=settings().upload_megabytes,
            label_visibility="collapsed",
            on_change=_uploaded,
        )
        st.markdown(FORMATS)


def own_matrix() -> Trace | None:
    """Return the matrix that is open and say which it is; None if none is."""
    problem = st.session_state.get(_PROBLEM)
    if problem is not None:
        show_error(str(problem))
    trace = _opened().get("trace")
    if trace is not None:
        name = plain(str(trace.extra["file"]))
        with st.container(horizontal=True, vertical_alignment="center", key=f"{KEY}-banner"):
            st.markdown(
                f"Showing **{name}**. The model and the text above are not used.", width="content"
            )
            st.button(
                "Close it",
                icon=":material/close:",
                type="tertiary",
                key=f"{KEY}-close",
                on_click=_close,
            )
    return trace


def open_trace(trace: Trace, name: str, *, layer: int, head: int) -> None:
    """Open a trace that another page made; the Attention page then shows it at this head."""
    from dataclasses import replace

    _keep_place()
    _opened()["trace"] = replace(trace, extra={**trace.extra, "file": name})
    st.session_state.update(layer=layer, head=head)


def why_not_shown(error: TransformerCoreError) -> str:
    """Say why a view cannot show a matrix that no model of this server computed."""
    reason = "" if isinstance(error, ModelUnavailableError) else f" {error}"
    return f"This view needs a model, and a matrix of your own brings none.{reason}"


def _uploader() -> str:
    return f"{KEY}_file_{st.session_state.get(_ROUND, 0)}"


def _uploaded() -> None:
    from transformer_core.tracing.imports import read_matrix

    st.session_state[_PROBLEM] = None
    file = st.session_state[_uploader()]
    if file is None:
        _put_away()
        return
    try:
        trace = read_matrix(file.getvalue(), file.name)
    except TransformerCoreError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    _keep_place()
    _opened()["trace"] = trace
    st.session_state.update(dict.fromkeys(_PLACE_KEYS, 0))


def _keep_place() -> None:
    """Remember the head that is looked at, for when the matrix is closed again."""
    if not _opened():
        st.session_state[_PLACE] = {name: st.session_state.get(name) for name in _PLACE_KEYS}


def _close() -> None:
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    _put_away()


def _put_away() -> None:
    """Go back to the model, and to the head that was looked at before."""
    _opened().clear()
    st.session_state.update(st.session_state.pop(_PLACE, {}))
