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
    N_PAIRS,
    OWN,
    POST_WITHOUT_WARMUP,
    PRE_WITHOUT_WARMUP,
    LiveSettings,
)
from transformer_core.training.toy_tasks import N_UNSEEN, TASKS, make_pairs

if TYPE_CHECKING:
    from transformer_core.training.data import Pair

MAX_LISTED = 8
N_EXAMPLES = 5


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
            help="Two runs of 4 + 4 layers from one seed, at the peak rate at once (Xiong 2020).",
            on_click=trying,
            args=(lambda: start(pair_of(settings), own) if settings else None,),
        )
    show_problem()
    if settings is not None and settings.task != OWN:
        _examples(settings)
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


def _examples(settings: LiveSettings) -> None:
    """What is to be learned, by examples."""
    task = TASKS[settings.task]
    seen, _ = make_pairs(task, size=settings.size, n_pairs=N_EXAMPLES, seed=settings.seed)
    with st.container(border=True, key="train-examples"):
        st.markdown("**What is to be learned?**")
        st.markdown(task.what)
        st.table([{"source": f"`{p.source}`", "target": f"`{p.target}`"} for p in seen])
        st.caption(
            f"{N_PAIRS:,} such pairs are learned from; {N_UNSEEN} with other sources are kept to "
            "try the model on. Every character is a token."
        )


def pair_of(settings: LiveSettings) -> list[LiveSettings]:
    """The ready comparison."""
    return [settings.changed(**POST_WITHOUT_WARMUP), settings.changed(**PRE_WITHOUT_WARMUP)]
