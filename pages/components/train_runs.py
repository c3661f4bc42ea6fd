"""The runs of this server, and those that this session looks at; the address names them."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from transformer_core.training.live_run import LiveRun
    from transformer_core.training.live_runs import LiveRuns

PARAMETER = "run"
SHOWN = "train_shown"
MINE = "train_mine"
_OWNER = "train_owner"
_COOKIE = "_streamlit_xsrf"
MAX_SHOWN = 2


@cache
def registry() -> LiveRuns:
    """All runs of this process; a script's rerun or the end of a session changes nothing in it.

    Raises:
        ConfigError: If the server's limits cannot be read from its environment.
    """
    from transformer_core.training.live_runs import LiveRuns

    return LiveRuns()


def owner() -> str:
    """Who this is: the browser, by Streamlit's cookie, so that a reload changes nothing."""
    cookie = st.context.cookies.get(_COOKIE)
    if isinstance(cookie, str) and cookie:
        return hashlib.sha256(cookie.encode()).hexdigest()[:16]
    mine: str = st.session_state.setdefault(_OWNER, secrets.token_hex(8))
    return mine


def shown() -> list[LiveRun]:
    """The runs on the page, one or two that are compared; those of the address come first."""
    asked = st.query_params.get(PARAMETER, "")
    ids = st.session_state.get(SHOWN) or [name for name in asked.split(",") if name]
    found = [run for run in map(registry().find, ids[:MAX_SHOWN]) if run is not None] if ids else []
    for run in found:
        run.owner = run.owner or owner()  # an earlier server's: whoever knows its id
    if len(found) < len(ids[:MAX_SHOWN]):
        st.warning(
            "A run of this address is not on this server any more; the newest runs are kept.",
            icon=":material/info:",
        )
        show(found)
    else:
        st.session_state[SHOWN] = [run.id for run in found]
    return found


def show(runs: list[LiveRun]) -> None:
    """Put runs on the page, and into the address."""
    st.session_state[SHOWN] = [run.id for run in runs]
    if runs:
        st.query_params[PARAMETER] = ",".join(run.id for run in runs)
    else:
        st.query_params.pop(PARAMETER, None)


def keep_address(runs: list[LiveRun]) -> None:
    """Let the address name what is on the page, also after a change of pages."""
    if runs:
        st.query_params[PARAMETER] = ",".join(run.id for run in runs)


def mine() -> list[LiveRun]:
    """This person's runs on this server, newest first."""
    return registry().of(owner())[::-1]


def is_mine(run: LiveRun) -> bool:
    """Whether this person may pause and stop it."""
    return run.owner == owner()
