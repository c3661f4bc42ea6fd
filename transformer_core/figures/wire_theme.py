"""The theme's colours as they travel to the browser."""

from __future__ import annotations

from typing import Any

_LIGHT = {
    "background": "#fbfbfa",
    "card": "#ffffff",
    "border": "#e4e5e2",
    "text": "#141618",
    "muted": "#62666b",
    "track": "#f0f1ef",
    "query": "#225fa2",
    "key": "#b15108",
    "value": "#2d7a4c",
    "good": "#2d7a4c",
    "bad": "#b3261e",
    "sequential": ["#f7f8f6", "#f4dccf", "#eba480", "#c9725f", "#8d4a5a", "#651f55", "#3b0f45"],
    "diverging": ["#0b6e75", "#86b9bb", "#f7f8f6", "#dd9db9", "#a3285f"],
}
_DARK = {
    "background": "#131517",
    "card": "#1a1d20",
    "border": "#2c3035",
    "text": "#eceeef",
    "muted": "#9aa0a6",
    "track": "#24282c",
    "query": "#7db4ef",
    "key": "#f2a65e",
    "value": "#7fcf9d",
    "good": "#7fcf9d",
    "bad": "#f2877e",
    "sequential": ["#1d2124", "#3a2d45", "#573b6b", "#744889", "#9a7590", "#cfae97", "#ffe6a3"],
    "diverging": ["#5cc4c9", "#2f6468", "#1d2124", "#7a3a58", "#f08fb8"],
}


def wire_theme() -> dict[str, Any]:
    """Return the colours of both themes by name."""
    return {"light": _LIGHT, "dark": _DARK}
