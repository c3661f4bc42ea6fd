"""Documents: a file in, its translation or summary out, with progress and a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import streamlit as st

from pages.components.cache import is_loaded, model_of
from pages.components.live_text import live_text, watch
from pages.components.messages import plain, show_error
from transformer_core.errors import TransformerCoreError
from transformer_core.tasks import documents

PLACE = "document"
MAX_MIB = 5


def document_panel(task: str, model_id: str | None) -> None:
    """Offer to work through a file, a text a line."""
    with st.popover("Document", icon=":material/description:", type="tertiary", key=PLACE):
        st.caption("TXT: a text a line. CSV: a text a row of the column that you choose.")
        upload = st.file_uploader(
            "TXT or CSV", type=["txt", "csv"], max_upload_size=MAX_MIB, key=f"{PLACE}-file",
            label_visibility="collapsed",
        )  # fmt: skip
        if upload is None or model_id is None:
            return
        try:
            table = documents.read(upload.name, upload.getvalue())
            column = _column(table)
        except TransformerCoreError as error:
            show_error(error)
            return
        st.caption(f"{len(table.texts(column)):,} texts.")
        if st.toggle(f"{task} them", key=f"{PLACE}-go") and is_loaded(model_id):
            _work_through(task, model_id, upload.name, table.texts(column))


def _column(table: documents.Table) -> str | None:
    if table.columns is None:
        return None
    return st.selectbox("Column", table.columns, key=f"{PLACE}-column")


def _work_through(task: str, model_id: str, name: str, texts: list[str]) -> None:
    work = partial(_work, task, model_id, texts)
    live = live_text(PLACE, (task, model_id, tuple(texts)), work)
    if not live.is_over:
        watch(PLACE, live, _draw_progress)
        return
    if live.error:
        show_error(live.error)
    done: documents.Progress | None = live.last
    if done is None or not done.results:
        return
    if len(done.results) < len(texts):
        st.caption(f"Stopped after {len(done.results):,} of {len(texts):,} texts.")
    for label, (suffix, write) in documents.WRITERS.items():
        st.download_button(
            label,
            partial(write, texts[: len(done.results)], done.results),
            f"{name.rpartition('.')[0]}-{task.lower()}{suffix}",
            on_click="ignore",
            width="stretch",
        )


def _work(
    task: str, model_id: str, texts: list[str], should_stop: Callable[[], bool]
) -> Iterator[documents.Progress]:
    model = model_of(model_id)
    if task == "Translate":
        return documents.translated(model, texts, should_stop)
    return documents.summarized(model, texts, should_stop)


def _draw_progress(state: documents.Progress) -> None:
    st.progress(state.share, text=f"{len(state.results):,} of {state.n_texts:,} texts")
    if state.results:
        st.caption(plain(state.results[-1][:200]))
