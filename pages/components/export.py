"""Downloads of a head's numbers and picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from transformer_core.figures import export, views

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace


def export_menu(trace: Trace, place: views.Place, reading: views.Reading) -> None:
    """Offer one head as files; each is made when it is asked for."""
    name = f"{trace.model_name}-{place.site}-L{place.layer}-H{place.head}"
    with st.popover("Export"):
        st.caption("PNG: the button on the picture. Numbers are the model's, unmerged and whole.")
        st.download_button(
            "HTML (self-contained)",
            lambda: export.to_html_page(trace, place, reading),
            f"{name}.html",
            on_click="ignore",
        )
        st.download_button(
            "CSV", lambda: export.to_csv(trace, place), f"{name}.csv", on_click="ignore"
        )
        st.download_button(
            "JSON", lambda: export.to_json(trace, place), f"{name}.json", on_click="ignore"
        )
        st.download_button(
            "NPZ (whole trace)", lambda: _npz(trace), f"{trace.model_name}.npz", on_click="ignore"
        )


def _npz(trace: Trace) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        trace.save(path)
        return path.read_bytes()
