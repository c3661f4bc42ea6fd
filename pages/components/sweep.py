"""A sweep over all heads of a site: begun, watched and stopped here, shared by all sessions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components.cache import model_of, remembered
from pages.components.messages import show_error
from pages.components.watching import leave, look
from transformer_core.figures import ablation as figures

if TYPE_CHECKING:
    from transformer_core.analysis.sweeps import HeadSweep
    from transformer_core.tracing.interventions import AblationMode
    from transformer_core.tracing.trace import Trace

N_SHOWN = 12
"""Heads that a sweep finds before the board is drawn anew."""

POLL_SECONDS = 0.5


class Asked(NamedTuple):
    """What is swept: plain values that tell one sweep from another."""

    model_id: str
    text: str
    target: str | None
    site: str


@remembered
def sweep_of(asked: Asked, mode: AblationMode, _trace: Trace) -> HeadSweep:
    """One sweep for all who look at the same.

    Args:
        _trace: The trace of what is asked.
    """
    from transformer_core.analysis.sweeps import HeadSweep

    return HeadSweep(model_of(asked.model_id), _trace, asked.site, mode)


def sweep_controls(asked: Asked, mode: AblationMode, sweep: HeadSweep, unit: str) -> None:
    """Offer to begin, watch or stop a sweep; while it runs the page comes back by itself."""
    name = repr((asked, mode))
    if sweep.work.error:
        show_error(sweep.work.error)
    elif sweep.is_complete:
        layer, head, size = figures.ranking(sweep.importance)[0]
        st.caption(
            f"All {sweep.n_heads} heads swept, each off alone. "
            f"The most important: L{layer} H{head}, {size:.3g} {unit}."
        )
    elif st.session_state.get("sweeping") == name:
        st.button("Stop", icon=":material/stop:", key="stop_sweep", on_click=partial(_stop, sweep))
        _watch(sweep, sweep.n_done)
    else:
        _offer(name, sweep)


def _offer(name: str, sweep: HeadSweep) -> None:
    st.button(
        "Go on" if sweep.n_done else "Sweep all heads",
        icon=":material/grid_on:",
        key="start_sweep",
        on_click=partial(st.session_state.__setitem__, "sweeping", name),
    )
    st.caption(
        f"{sweep.n_done} of {sweep.n_heads} heads are known."
        if sweep.n_done
        else f"Switches each of the {sweep.n_heads} heads off alone and colours the board."
    )


@st.fragment(run_every=POLL_SECONDS)
def _watch(sweep: HeadSweep, n_drawn: int) -> None:
    """Look at the sweep, which goes on while somebody does.

    Args:
        n_drawn: Heads that the board shows; a fragment keeps what it was given.
    """
    look(sweep.work)
    n_done, n_heads = sweep.n_done, sweep.n_heads
    st.progress(n_done / n_heads, text=f"{n_done} of {n_heads} heads", width=260)
    if n_done - n_drawn >= N_SHOWN or sweep.is_complete or sweep.work.error:
        st.rerun()


def _stop(sweep: HeadSweep) -> None:
    """Look no more: others may."""
    leave(sweep.work)
    st.session_state.pop("sweeping", None)
