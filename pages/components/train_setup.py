"""Before a run: what is set, what it costs, and the buttons that start it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.train_actions import offer_upload, show_problem, trying
from pages.components.train_controls import (
    facts,
    more_controls,
    own_pairs,
    settings_now,
    task_controls,
)
from pages.components.train_runs import mine, owner, registry, show
from transformer_core.training.live_settings import (
    OWN,
    POST_WITHOUT_WARMUP,
    PRE_WITHOUT_WARMUP,
    LiveSettings,
)
from transformer_core.training.toy_tasks import TASKS

if TYPE_CHECKING:
    from transformer_core.training.data import Pair

MAX_LISTED = 8


def start(settings: list[LiveSettings], own: list[Pair]) -> None:
    """Begin runs and put them on the page."""
    show([registry().start(each, owner(), own) for each in settings])


def set_run() -> None:
    """The controls, and what starts a run."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="train-controls"):
        task_controls()
        more_controls()
        offer_upload()
    own = own_pairs() if st.session_state["train_task"] == OWN else []
    settings = settings_now()
    is_ready = settings is not None and (settings.task != OWN or bool(own))
    if settings is not None:
        if settings.task != OWN:
            st.markdown(TASKS[settings.task].what)
        facts(settings, own)
    with st.container(horizontal=True, key="train-start"):
        st.button(
            "Start",
            icon=":material/play_arrow:",
            type="primary",
            disabled=not is_ready,
            on_click=trying,
            args=(lambda: start([settings], own) if settings else None,),
        )
        st.button(
            "Compare post-norm and pre-norm without warm-up",
            icon=":material/compare_arrows:",
            disabled=not is_ready,
            help="Two runs from the same seed, side by side: Xiong et al. 2020.",
            on_click=trying,
            args=(lambda: start(pair_of(settings), own) if settings else None,),
        )
    show_problem()
    earlier = mine()
    if earlier:
        st.caption("Your runs on this server:")
        with st.container(horizontal=True, key="train-earlier"):
            for run in earlier[:MAX_LISTED]:
                st.button(
                    f"{run.title} · step {run.record.step:,}",
                    key=f"open-{run.id}",
                    on_click=show,
                    args=([run],),
                )


def pair_of(settings: LiveSettings) -> list[LiveSettings]:
    """The ready comparison."""
    return [settings.changed(**POST_WITHOUT_WARMUP), settings.changed(**PRE_WITHOUT_WARMUP)]
