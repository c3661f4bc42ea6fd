"""The server's state, looked at every two seconds; names of models, no paths and no texts."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from pages.components.access import is_public
from pages.components.cache import n_sessions, shared
from transformer_core.figures.status import MIB, batches, times_of, use_of
from transformer_core.keeping import Kept
from transformer_core.queueing.report import MINUTES, QueueReport
from transformer_core.settings import Settings, settings, variable

POLL_S = 2.0
_STATM = Path("/proc/self/statm")
_PRIVATE = ("cache", "ray_address", "allowed_models")
"""Settings that say where something is; told on this machine only."""


@st.fragment(run_every=POLL_S)
def now() -> None:
    """Queue, memory and models as they are."""
    report = shared().queue.report()
    _queue(report)
    left, right = st.columns(2, gap="large")
    with left:
        _batches(report)
    with right:
        _memory()
    _models()


def limits() -> None:
    """The limits in force, and the variables that set them."""
    here, hidden = settings(), _PRIVATE if is_public() else ()
    st.markdown("#### Limits in force")
    st.dataframe(
        [
            {
                "limit": field.description,
                "value": _said(getattr(here, name)),
                "variable": variable(name),
            }
            for name, field in Settings.model_fields.items()
            if name not in hidden
        ],
        hide_index=True,
        width="stretch",
    )


def _queue(report: QueueReport) -> None:
    st.markdown("#### Queue")
    with st.container(horizontal=True, key="status-queue"):
        st.metric("In line", f"{report.n_waiting:,} of {report.length:,}")
        st.metric("Computed now", f"{report.n_running:,}")
        st.metric(f"Computed in {MINUTES:.0f} min", f"{report.n_served:,}")
        st.metric("Wait, median / p95", times_of(report.waits))
        st.metric("Forward pass, median / p95", times_of(report.runs))
    st.caption(
        f"Since the start: {report.n_refused:,} found the queue full, {report.n_superseded:,} were "
        f"replaced by a newer one of the same session. In {MINUTES:.0f} minutes "
        f"{report.n_failed:,} failed."
    )


def _batches(report: QueueReport) -> None:
    st.markdown("#### How many texts share a forward pass?")
    if not report.batches:
        st.caption(f"Nothing was computed in the last {MINUTES:.0f} minutes.")
        return
    st.altair_chart(batches(report, _theme()), width="stretch")


def _memory() -> None:
    st.markdown("#### Memory")
    for usage, what in ((shared().models.usage(), "Models"), (shared().kept.usage(), "Traces")):
        share, words = use_of(usage, what)
        st.progress(share, text=words)
    resident = resident_bytes()
    of_it = "" if resident is None else f" · the server's process has {resident / MIB:,.0f} MiB"
    st.caption(
        f"{n_sessions():,} {'session uses' if n_sessions() == 1 else 'sessions use'} models{of_it}."
    )


def _models() -> None:
    st.markdown("#### Models that are loaded")
    kept = shared().models.entries()
    if not kept:
        st.caption("None; a model is loaded when somebody opens it.")
        return
    st.dataframe(
        [_row(entry) for entry in reversed(kept)],
        hide_index=True,
        width="stretch",
        column_config={"MiB": st.column_config.NumberColumn(format="%.1f")},
    )


def _row(entry: Kept) -> dict[str, Any]:
    """One model; by its name, since the id of a folder is its path."""
    model: Any = shared().models.peek(entry.key)
    card = getattr(model, "card", None)
    return {
        "model": getattr(card, "name", "has just gone"),
        "family": getattr(card, "family", ""),
        "MiB": entry.n_bytes / MIB,
        "sessions": entry.n_users,
        "texts share a pass": {True: "yes", False: "no", None: "not tried"}[
            getattr(model, "is_batched", None)
        ],
    }


def resident_bytes() -> int | None:
    """Memory that this process occupies; None where the system does not tell."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * _page_size()


@cache
def _page_size() -> int:
    return os.sysconf("SC_PAGE_SIZE")


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _theme() -> Literal["light", "dark"]:
    return "dark" if st.context.theme.type == "dark" else "light"
