"""Train: a Transformer learns while somebody looks."""

from __future__ import annotations

import streamlit as st

from pages.components.footer import footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.train_actions import (
    actions,
    say_state,
    show_kept,
    show_problem,
)
from pages.components.train_charts import (
    SITES,
    names_of,
    show_curves,
    show_film,
    show_teaching,
    show_written,
)
from pages.components.train_runs import keep_address, shown
from pages.components.train_setup import set_run
from pages.components.train_watch import watch_learning
from pages.components.train_words import EXPLANATION, code_of, files_of, link_of
from transformer_core.errors import TransformerCoreError

POLL_S = 1.0
MODES = ("Train", "Watch it learn")


def look_at_runs() -> None:
    """The runs on the page, drawn again and again while they train."""
    is_live = any(run.is_active for run in runs)
    actions(runs, names_of(runs))
    show_problem()
    show_kept()

    @st.fragment(run_every=POLL_S if is_live else None)
    def picture() -> None:
        say_state(runs, names_of(runs))
        show_curves(runs)
        with st.container(horizontal=True, vertical_alignment="center", key="train-film-controls"):
            index = 0
            if len(runs) > 1:
                index = st.segmented_control(
                    "Run", range(len(runs)), key="train_looked_at", default=0, required=True,
                    format_func=names_of(runs).__getitem__, label_visibility="collapsed",
                )  # fmt: skip
            site = st.segmented_control(
                "Site", list(SITES), key="train_site", default="cross", required=True,
                format_func=SITES.__getitem__, label_visibility="collapsed",
            )  # fmt: skip
        run = runs[index or 0]
        show_film(run, str(site))
        show_teaching(run)
        show_written(run)
        if is_live and not any(run.is_active for run in runs):
            st.rerun()

    picture()


set_up("Train")
mode = st.segmented_control(
    "What to do", MODES, key="train_mode", default=MODES[0], required=True,
    label_visibility="collapsed", bind="query-params",
)  # fmt: skip
runs = []
payload = None
try:
    if mode == MODES[1]:
        payload = watch_learning()
    else:
        runs = shown()
        keep_address(runs)
        if runs:
            look_at_runs()
        else:
            set_run()
            show_kept()
except TransformerCoreError as error:
    show_error(error)
footer(
    key="train",
    explanation=EXPLANATION,
    code=code_of(runs, is_watching=mode == MODES[1]),
    files=files_of(runs, payload),
    link=link_of(runs, str(mode)),
)
