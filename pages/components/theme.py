"""The theme that the page is seen in, for pictures that must choose their colours."""

from __future__ import annotations

from typing import Literal

import streamlit as st


def theme() -> Literal["light", "dark"]:
    """The theme that the page is seen in."""
    return "dark" if st.context.theme.type == "dark" else "light"
