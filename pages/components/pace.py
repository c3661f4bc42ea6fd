"""Holds a session to so many runs of a page as its server allows in a minute."""

from __future__ import annotations

import time

import streamlit as st

from transformer_core.pace import Pace
from transformer_core.settings import settings

_LOOK_S = 0.25


@st.cache_resource(scope="session", show_spinner=False)
def _paces() -> dict[int, Pace]:
    """This session's pace, by what the server allows."""
    return {}


def keep_pace() -> None:
    """Wait where this session asks for too much, and say so; a newer run takes the wait over."""
    limit = settings().requests_per_minute
    pace = _paces().setdefault(limit, Pace(limit))
    place = None
    while (seconds := pace.take()) > 0:
        place = place or st.empty()
        place.info(
            f"This page was asked for more than {limit:,} times within a minute, as many as one "
            f"visitor has. It goes on in {seconds:.0f} s; what you typed and chose is kept.",
            icon=":material/hourglass_top:",
        )
        time.sleep(min(seconds, _LOOK_S))
    if place is not None:
        place.empty()
