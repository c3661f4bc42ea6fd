"""A pad to draw on, with a pointer, a finger or the arrow keys."""

from __future__ import annotations

import base64
import binascii
from functools import cache
from typing import Any

import streamlit as st

from pages.components.navigation import ASSETS

FOLDER = ASSETS / "components" / "drawing"
MAX_BASE64 = 400_000
"""A drawing of 280 × 280 pixels takes some 10,000 characters."""


def drawing_pad(*, key: str) -> bytes | None:
    """Show the pad; return what is drawn on it as PNG, or None while it is empty."""
    result = _pad()(key=key, on_drawing_change=_nothing)
    drawn = getattr(result, "drawing", None)
    if not isinstance(drawn, str) or not drawn or len(drawn) > MAX_BASE64:
        return None
    try:
        return base64.b64decode(drawn, validate=True)
    except binascii.Error:
        return None


@cache
def _pad() -> Any:
    """Register the component once per process."""
    script = (FOLDER / "pad.js").read_text(encoding="utf-8")
    styles = (FOLDER / "pad.css").read_text(encoding="utf-8")
    return st.components.v2.component("drawing_pad", js=script, css=styles)


def _nothing() -> None:
    """Stand in for a callback: Streamlit keeps only states that have one."""
