"""Status: is the server well, and what does it have to do?"""

from __future__ import annotations

import streamlit as st

from pages.components.navigation import set_up
from pages.components.status import limits, now

set_up("Status")
st.markdown("## Is this server well?")
st.caption(
    "All sessions share the models, the traces and one queue. Every session stands in line once; "
    "texts of similar length for the same model share a forward pass. What is used least recently "
    "goes first when the memory that it may take is used up."
)
now()
limits()
