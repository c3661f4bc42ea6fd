"""The runs of this server, and those that this session looks at; the address names them.

A run's id in the address is the key to it: whoever has it may pause and stop, so a reload finds the
run whole. The link that the page offers names the run by its public id, which only lets look.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from transformer_core.training.live_run import LiveRun
    from transformer_core.training.live_runs import LiveRuns

PARAMETER = "run"
SHOWN = "train_shown"
_OWNER = "train_owner"
_PUBLIC = "look-"
MAX_SHOWN = 2


@cache
def registry() -> LiveRuns:
    """All runs of this process; a script's rerun or the end of a session changes nothing in it.

    Raises:
        ConfigError: If the server's limits cannot be read from its environment.
    """
    from transformer_core.efficiency.live_distillation import WAYS
    from transformer_core.training.live_runs import LiveRuns

    return LiveRuns(ways=WAYS)


def owner() -> str:
    """Who this is: a name made up for the session, or that of whoever it is by a run's id."""
    mine: str = st.session_state.setdefault(_OWNER, secrets.token_hex(8))
    return mine


def shown() -> list[LiveRun]:
    """The runs on the page, one or two that are compared."""
    asked = st.query_params.get(PARAMETER, "").split(",")
    names = st.session_state.get(SHOWN) or [name for name in asked if name]
    runs = [run for run in map(_find, names[:MAX_SHOWN]) if run is not None]
    if len(runs) < len(names[:MAX_SHOWN]):
        st.warning(
            "A run of this address is not on this server any more; the newest runs are kept.",
            icon=":material/info:",
        )
        show(runs)
    else:
        st.session_state[SHOWN] = [name_of(run) for run in runs]
    return runs


def show(runs: list[LiveRun]) -> None:
    """Put runs on the page, and into the address."""
    st.session_state[SHOWN] = [name_of(run) for run in runs]
    keep_address(runs)
    if not runs:
        st.query_params.pop(PARAMETER, None)


def keep_address(runs: list[LiveRun]) -> None:
    """Let the address name what is on the page, also after a change of pages."""
    if runs:
        st.query_params[PARAMETER] = ",".join(map(name_of, runs))


def name_of(run: LiveRun) -> str:
    """What the address calls a run: by its key for its owner, else by its public id."""
    return run.id if is_mine(run) else link_to(run)


def link_to(run: LiveRun) -> str:
    """What a link calls a run: who follows it may look, and nothing else."""
    return _PUBLIC + run.public_id


def mine() -> list[LiveRun]:
    """This person's runs on this server, newest first."""
    return registry().of(owner())[::-1]


def is_mine(run: LiveRun) -> bool:
    """Whether this person may pause and stop it."""
    return run.owner == owner()


def _find(name: str) -> LiveRun | None:
    if name.startswith(_PUBLIC):
        return registry().find_public(name.removeprefix(_PUBLIC))
    run = registry().find(name)
    if run is not None:
        if run.owner:
            st.session_state[_OWNER] = run.owner  # the same person in a new session
        else:
            run.owner = owner()  # a run that an earlier server left
    return run
