"""Models and traces, shared by all sessions and read-only; models load behind the first paint."""

from __future__ import annotations

import gc
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace

_loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")


@st.cache_resource(max_entries=3, show_spinner=False)
def _loading(model_id: str) -> Future[TraceableModel]:
    return _loader.submit(_load, model_id)


def _load(model_id: str) -> TraceableModel:
    import torch

    from transformer_core.models.loading import load

    torch.set_num_threads(1)
    model = load(model_id, allow_download=False)
    # What was just loaded stays: without this every full collection walks through it.
    gc.collect()
    gc.freeze()
    return model


def is_loaded(model_id: str) -> bool:
    """Whether a model is there; begins to load it if not."""
    return _loading(model_id).done()


def model_of(model_id: str) -> TraceableModel:
    """A model, loaded once for everybody; nothing is fetched from a network.

    Raises:
        ModelUnavailableError: If it cannot be loaded; the next call tries again.
    """
    future = _loading(model_id)
    if future.done() and future.exception() is not None:
        _loading.clear(model_id)
    return future.result()


@st.cache_resource(max_entries=32, show_spinner=False)
def trace_of(model_id: str, text: str, target: str | None = None) -> Trace:
    """Trace a text once."""
    return model_of(model_id).trace(text, target)
