"""The catalogue's models as pages list them: at most a second old, as a server is asked often."""

from __future__ import annotations

import streamlit as st

from transformer_core.models.catalogue import ModelCard, models


@st.cache_resource(ttl=1, show_spinner=False)
def listed() -> list[ModelCard]:
    """Return the catalogue. Each look at it reads folders, and every run of every page looks."""
    return models()


def look_again() -> None:
    """Let the next look read the folders: something has just come."""
    listed.clear()
