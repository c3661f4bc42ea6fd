"""The pages, in their order, and the set-up that each begins with."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from pages.components.access import admit
from pages.components.messages import show_error
from pages.components.pace import keep_pace
from pages.components.tour import show_tour
from pages.components.watching import turn_to
from transformer_core.errors import ConfigError
from transformer_core.figures.wire_theme import wire_theme

ASSETS = Path(__file__).resolve().parents[2] / "assets"
# A Material icon as favicon would be fetched from another host.
ICON = ASSETS / "icon.png"
SIDEBAR_WIDTH = 244


@dataclass(frozen=True)
class PageEntry:
    """One page in the navigation."""

    path: str
    title: str
    is_default: bool = False


PAGES = {
    "Start": [PageEntry("pages/home.py", "Home", is_default=True)],
    "Look inside": [
        PageEntry("pages/attention.py", "Attention"),
        PageEntry("pages/positions.py", "Positions"),
        PageEntry("pages/layer.py", "Inside a layer"),
        PageEntry("pages/families.py", "Families"),
    ],
    "Generate": [
        PageEntry("pages/decoding.py", "Decoding"),
        PageEntry("pages/translate.py", "Translate & summarise"),
    ],
    "Learn": [
        PageEntry("pages/train.py", "Train"),
        PageEntry("pages/efficiency.py", "Efficiency"),
    ],
    "Server": [PageEntry("pages/status.py", "Status")],
}


def find_page(name: str) -> PageEntry | None:
    """The page whose file has this name; None if there is none (yet)."""
    entries = (entry for group in PAGES.values() for entry in group)
    return next((entry for entry in entries if Path(entry.path).stem == name), None)


def set_up(title: str) -> None:
    """Set a page up; may be called any number of times."""
    # Spinning OpenMP threads starve each other on a busy machine; torch reads this when loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    st.set_page_config(
        f"{title} · Transformer Workbench",
        page_icon=str(ICON),
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
    )
    _admit()
    keep_pace()
    turn_to(title)
    st.html(f"<style>{_styles()}</style>")
    with st.sidebar:
        _links()
    show_tour(title, find_page)


def _admit() -> None:
    """Let a person in; where the server's settings cannot be used, say which, and nothing else."""
    try:
        admit()
    except ConfigError as error:
        show_error(error)
        st.stop()


def _links() -> None:
    """Links to all pages: Streamlit's own would name files where a deep link came before app.py."""
    st.markdown("**Transformer Workbench**")
    for group, pages in PAGES.items():
        st.caption(group)
        for page in pages:
            try:
                st.page_link(page.path, label=page.title)
            except StreamlitPageNotFoundError:
                return  # A page that runs by itself, as in its tests, knows no other.


@cache
def _styles() -> str:
    """The frame's styles, with the theme's background by name: for texts on the primary colour."""
    light, dark = (wire_theme()[name]["background"] for name in ("light", "dark"))
    named = f":root {{ --tw-background: light-dark({light}, {dark}); }}\n"
    return named + (ASSETS / "styles" / "app.css").read_text(encoding="utf-8")
