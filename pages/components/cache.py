"""Models and traces, shared by all sessions and read-only; models load behind the first paint."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from pages.components.access import access
from transformer_core.errors import QueueTimeoutError, SupersededError
from transformer_core.settings import settings

if TYPE_CHECKING:
    from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

    from transformer_core.models.cache import Progress
    from transformer_core.models.shared import Shared
    from transformer_core.queueing import Ticket
    from transformer_core.tracing.model import TraceableModel
    from transformer_core.tracing.trace import Trace

P = ParamSpec("P")
T = TypeVar("T")

UNSEEN_S = 0.3
"""Seconds that a person may wait without being told their place."""

_LOOK_S = 0.1
_here: set[str] = set()  # sessions whose end will be told


def _load(model_id: str, progress: Progress) -> TraceableModel:
    import torch
    from threadpoolctl import threadpool_limits

    from transformer_core.models.loading import load

    # NumPy's BLAS and torch: two threads of one call would wait for each other on a busy machine,
    # which makes a product of 0.2 ms take 20.
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    return load(model_id, progress=progress, allow_download=False, access=access())


_shared: list[Shared] = []  # at most one; asked for so often that Streamlit's cache would be felt


def _close(closed: Shared) -> None:
    _here.clear()
    with suppress(ValueError):
        _shared.remove(closed)
    closed.close()


@st.cache_resource(show_spinner=False, on_release=_close)
def _made() -> Shared:
    from transformer_core.models.shared import Shared

    _shared[:] = [Shared(_load, settings())]
    return _shared[0]


def shared() -> Shared:
    """Models, traces and the queue of this server; Streamlit's "clear cache" makes them anew."""
    return _shared[0] if _shared else _made()


# -- sessions -------------------------------------------------------------------------------


def _session() -> str | None:
    """Who asks: the session whose script this is; None in a thread of its own."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    if context.session_id not in _here:
        _present(context.session_id)
    return context.session_id


def _leave(session_id: str) -> None:
    _here.discard(session_id)
    if _shared:
        _shared[0].leave(session_id)


@st.cache_resource(scope="session", show_spinner=False, on_release=_leave)
def _present(session_id: str) -> str:
    """Streamlit releases it when the session's browser goes."""
    _here.add(session_id)
    return session_id


def n_sessions() -> int:
    """How many sessions have a browser and have asked for a model."""
    return len(_here)


# -- models ---------------------------------------------------------------------------------


def is_loaded(model_id: str) -> bool:
    """Whether a model is there, or failed to load; begins to load it if neither."""
    return shared().is_loaded(model_id)


def progress_of(model_id: str) -> tuple[str, float]:
    """What is being done to load a model, and which share of that is done."""
    return shared().progress_of(model_id)


def model_of(model_id: str) -> TraceableModel:
    """A model, loaded once for everybody; nothing is fetched from a network.

    Raises:
        ModelUnavailableError: If it cannot be loaded; the next call tries again.
    """
    model: TraceableModel = shared().model_of(model_id, _session())
    return model


def writer_of(model_id: str) -> Any:
    """A model that is asked to write; one that cannot says so itself.

    Raises:
        ModelUnavailableError: As :func:`model_of`.
    """
    return model_of(model_id)


# -- traces ---------------------------------------------------------------------------------


def trace_of(model_id: str, text: str, target: str | None = None) -> Trace:
    """Trace a text once, in the queue of all sessions; who has to wait sees their place.

    Raises:
        QueueFullError: If too many wait.
        QueueTimeoutError: If it was not computed in time.
    """
    session = _session()
    found: Any = shared().trace(model_id, text, target, session=session)
    if not hasattr(found, "leave"):
        trace: Trace = found
        return trace
    trace = _waited(found)
    shared().use(model_id, text, target, session)
    return trace


def _waited(ticket: Ticket[Trace]) -> Trace:
    """Wait for a trace. A script that is to end meanwhile ends, and gives its place up."""
    context = get_script_run_ctx(suppress_warning=True)
    began, said, line = time.monotonic(), "", None
    patience = shared().queue.patience
    try:
        while not ticket.wait(_LOOK_S):
            waited = time.monotonic() - began
            if waited > patience:
                raise QueueTimeoutError(patience)
            if context is None:
                continue
            context.yield_check()
            if _is_overtaken(context):
                st.stop()
            if waited >= UNSEEN_S:
                line = line or st.empty()
                said = _say(line, ticket.place(), said)
        return ticket.result()
    except SupersededError:
        st.stop()
    finally:
        ticket.leave()
        if line is not None:
            line.empty()


def _is_overtaken(context: ScriptRunContext) -> bool:
    """Whether its person changed something of the same fragment: that runs when this run has ended.

    Streamlit ends a run for a newer one of the whole page, but not for one of a fragment.
    """
    asked = context.script_requests
    is_fragment = bool(context.fragment_ids_this_run)
    return is_fragment and asked is not None and asked._state is ScriptRequestType.RERUN


def _say(line: Any, place: int, said: str) -> str:
    """Tell a person their place, where it has changed; return what was told."""
    words = f"Waiting: {ordinal(place)} in line" if place else "Tracing the text"
    if words != said:
        line.caption(words)
    return words


def ordinal(number: int) -> str:
    """Write 1 as 1st, 2 as 2nd, 13 as 13th."""
    last = number % 10 if number % 100 not in (11, 12, 13) else 0
    return f"{number}{('th', 'st', 'nd', 'rd')[last] if last < 4 else 'th'}"


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """Keep what a function gives, for all sessions, within the memory for traces.

    For functions of plain values; an argument whose name begins with ``_`` follows from the
    others. What is kept goes with its model, and with the last session that has asked for it.
    """
    plain = [i for i, name in enumerate(inspect.signature(function).parameters) if name[0] != "_"]
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        key = (name, *(bound.args[i] for i in plain))
        value: T = shared().kept.of(key, lambda: function(*args, **kwargs), _session())
        return value

    return kept


@remembered
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
