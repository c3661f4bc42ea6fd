"""Models and traces, shared by all sessions and read-only; models load behind the first paint."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.access import access

if TYPE_CHECKING:
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace

_loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")
_lock = threading.Lock()  # two sessions that ask for a model at once share one load
_progress: dict[str, tuple[str, float]] = {}

MAX_MODELS = 5
"""The Families page shows four at once; a model too few would be loaded again at every look."""


@st.cache_resource(max_entries=MAX_MODELS, show_spinner=False)
def _loading(model_id: str) -> Future[TraceableModel]:
    _progress[model_id] = ("Waiting for another model", 0.0)
    return _loader.submit(_load, model_id)


def _load(model_id: str) -> TraceableModel:
    _progress[model_id] = ("Loading PyTorch", 0.0)
    import torch
    from threadpoolctl import threadpool_limits

    from transformer_core.models.loading import load

    def report(message: str, share: float) -> None:
        _progress[model_id] = (message, share)

    # NumPy's BLAS and torch: two threads of one call would wait for each other on a busy machine,
    # which makes a product of 0.2 ms take 20.
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    model = load(model_id, progress=report, allow_download=False, access=access())
    # What was just loaded stays: without this every full collection walks through it.
    gc.collect()
    gc.freeze()
    return model


def _future(model_id: str) -> Future[TraceableModel]:
    with _lock:
        return _loading(model_id)


def is_loaded(model_id: str) -> bool:
    """Whether a model is there, or failed to load; begins to load it if neither."""
    return _future(model_id).done()


def progress_of(model_id: str) -> tuple[str, float]:
    """What is being done to load a model, and which share of that is done."""
    return _progress.get(model_id, ("Loading", 0.0))


def model_of(model_id: str) -> TraceableModel:
    """A model, loaded once for everybody; nothing is fetched from a network.

    Raises:
        ModelUnavailableError: If it cannot be loaded; the next call tries again.
    """
    future = _future(model_id)
    if future.done() and future.exception() is not None:
        _loading.clear(model_id)
    return future.result()


def writer_of(model_id: str) -> Any:
    """A model that is asked to write; one that cannot says so itself.

    Raises:
        ModelUnavailableError: As :func:`model_of`.
    """
    return model_of(model_id)


@st.cache_resource(max_entries=32, show_spinner=False)
def trace_of(model_id: str, text: str, target: str | None = None) -> Trace:
    """Trace a text once."""
    return model_of(model_id).trace(text, target)


@st.cache_resource(max_entries=8, show_spinner=False)
def trace_of_beginning(model_id: str, text: str, target: str | None = None) -> Trace:
    """Trace the first words of a text, as many as the model can read; the trace says so."""
    from transformer_core.tokenization.cutting import cut_to_fit

    beginning = cut_to_fit(model_of(model_id).tokenizer, text)
    trace = trace_of(model_id, beginning, target)
    note = (
        f"The text was cut: the model reads its first {len(beginning.split()):,} of "
        f"{len(text.split()):,} words, {len(trace.source):,} tokens."
    )
    return replace(trace, extra={**trace.extra, "notes": (note,)})
