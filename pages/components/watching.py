"""This session's look at work in the background: it ends with the page, the tab, the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from transformer_core.background import Work

T = TypeVar("T")
_PAGE = "page_now"


@st.cache_resource(scope="session", show_spinner=False)
def _looked_at() -> dict[str, set[Work[Any]]]:
    """What this session looks at, by page."""
    return {}


def look(
    work: Work[T], *, wait: float = 0.0, until: Callable[[T], bool] = lambda _: False
) -> T | None:
    """See what a work gave last; it goes on while this session looks and its browser is there.

    Args:
        work: What to look at; it begins where nobody has begun it.
        wait: Seconds to wait for its end.
        until: Ends the waiting early.
    """
    me = _me()
    here = _looked_at().setdefault(str(st.session_state.get(_PAGE, "")), set())
    here.add(work)
    last = work.watch(me, is_there=partial(_is_there, me), wait=wait, until=until)
    # Also those that another has followed: nobody looks at them again, and they hold their results.
    here.difference_update([one for one in here if one.is_over])
    return last


def leave(work: Work[Any]) -> None:
    """Look no more; work that nobody else looks at is given up."""
    work.leave(_me())


def turn_to(page: str) -> None:
    """Leave what this session looked at on other pages."""
    st.session_state[_PAGE] = page
    looked_at = _looked_at()
    for other in [name for name in looked_at if name != page]:
        for work in looked_at.pop(other):
            leave(work)


def _me() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def _is_there(session_id: str) -> bool:
    """Whether a session's browser is connected; where no server runs, nobody can leave."""
    return not runtime.exists() or runtime.get_instance().is_active_session(session_id)
