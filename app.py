"""Transformer Workbench: the router, and nothing that a page needs."""

import streamlit as st

from pages.components.navigation import PAGES

st.navigation(
    {
        group: [st.Page(p.path, title=p.title, default=p.is_default) for p in pages]
        for group, pages in PAGES.items()
    },
    position="hidden",
).run()
