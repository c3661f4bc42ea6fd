"""Models and traces, shared by all sessions and read-only."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace


@st.cache_resource(max_entries=3, show_spinner="Loading the model …")
def model_of(model_id: str) -> TraceableModel:
    """Load a model once for everybody; nothing is fetched from a network."""
    import torch

    from transformer_core.models.loading import load

    torch.set_num_threads(1)
    model = load(model_id, allow_download=False)
    # What was just loaded stays: without this every full collection walks through it.
    gc.collect()
    gc.freeze()
    return model


@st.cache_resource(max_entries=32, show_spinner=False)
def trace_of(model_id: str, text: str, target: str | None = None) -> Trace:
    """Trace a text once."""
    return model_of(model_id).trace(text, target)
