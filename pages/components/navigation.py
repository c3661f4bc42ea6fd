"""The pages, in their order, and the set-up that each begins with."""

import os
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class PageEntry:
    """One page in the navigation."""

    path: str
    title: str
    icon: str
    is_default: bool = False


PAGES = {
    "Look inside": [
        PageEntry("pages/attention.py", "Attention", ":material/grid_on:", is_default=True)
    ]
}


def set_up(title: str) -> None:
    """Set a page up; may be called any number of times."""
    # Spinning OpenMP threads starve each other on a busy machine; torch reads this when loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    st.set_page_config(page_title=f"{title} · Transformer Workbench", layout="wide")
