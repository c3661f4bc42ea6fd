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
    POST_WITHOUT_WARMUP,
    PRE_WITHOUT_WARMUP,
    TEACHER,
    LiveSettings,
)
from transformer_core.training.toy_tasks import N_UNSEEN, TASKS, make_pairs

if TYPE_CHECKING:
    from transformer_core.training.data import Pair

MAX_LISTED = 8
N_EXAMPLES = 5
NORMS_BESIDE = "Compare post-norm and pre-norm without warm-up"
ALONE_BESIDE = "Compare with the same student alone"
_NORMS_HELP = "Two runs of 4 + 4 layers from one seed, at the peak rate at once (Xiong 2020)."
_ALONE_HELP = "Two runs from one seed on the same pairs: as set, and with α = 0, the true tokens."


def start(settings: list[LiveSettings], own: list[Pair]) -> None:
    """Begin runs and put them on the page."""
    show([registry().start(each, owner(), own) for each in settings])


def set_run() -> None:
    """The controls, and what starts a run."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="train-controls"):
        task_controls()
        more_controls()
        offer_upload()
    settings = settings_now()
    own = []
    if settings is not None and settings.brings_pairs:
        own = own_pairs(has_tokens=settings.is_distilled)
    is_ready = settings is not None and (not settings.brings_pairs or bool(own))
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
        is_student = settings is not None and settings.is_distilled
        st.button(
            ALONE_BESIDE if is_student else NORMS_BESIDE,
            icon=":material/compare_arrows:",
            disabled=not is_ready,
            help=_ALONE_HELP if is_student else _NORMS_HELP,
            on_click=trying,
            args=(lambda: start(pair_of(settings), own) if settings else None,),
        )
    show_problem()
    if settings is not None and settings.is_toy:
        _examples(settings)
    elif settings is not None and settings.is_distilled:
        _lesson(settings)
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


def _lesson(settings: LiveSettings) -> None:
    """What a student learns here, and what it cannot."""
    with st.container(border=True, key="train-lesson"):
        st.markdown("**What can a student learn here?**")
        st.markdown(
            f"It reads the pairs beside {TEACHER}, and learns from two things: the true next "
            "token (*hard*) and all that its teacher finds likely there (*soft*)."
        )
        pairs = (
            "your pairs"
            if settings.brings_pairs
            else "234 English–French pairs about machine learning (CC0, written for this project)"
        )
        st.markdown(
            f"What can be seen on {pairs}: how the two losses fall, how attention forms, and how "
            "far a student with a teacher is ahead of one without, both on pairs that neither has "
            "seen. What cannot: a translator. A few hundred sentences are soon known by heart, and "
            "new ones come out as fragments of them. The student that ships, `en-fr-student`, was "
            "taught so on 188,852 pairs; the Efficiency page shows it beside its teacher."
        )


def pair_of(settings: LiveSettings) -> list[LiveSettings]:
    """The ready comparison: of a student, the same one without its teacher."""
    if settings.is_distilled:
        return [settings, settings.changed(soft_share=0.0)]
    return [settings.changed(**POST_WITHOUT_WARMUP), settings.changed(**PRE_WITHOUT_WARMUP)]
