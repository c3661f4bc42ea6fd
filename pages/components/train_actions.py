"""What is done with a run: pause, go on, stop, keep the model, open a kept one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.access import upload_limit
from pages.components.messages import plain, show_error
from pages.components.model_picker import model_name, open_model
from pages.components.task_model import open_for_task
from pages.components.train_runs import is_mine, registry, show
from transformer_core.errors import TransformerCoreError
from transformer_core.models import trained

if TYPE_CHECKING:
    from transformer_core.training.exam import Exam
    from transformer_core.training.live_run import LiveRun

KEPT = "train_kept"
_PROBLEM = "train_problem"
PHASES = {
    "preparing": "is getting ready",
    "training": "is training",
    "paused": "is paused",
    "stopped": "was stopped",
    "done": "is done",
    "failed": "broke off",
    "interrupted": "was interrupted",
}


def trying(action: Callable[[], object]) -> None:
    """Do something in a callback; what goes wrong is said when the page is drawn."""
    st.session_state.pop(_PROBLEM, None)
    try:
        action()
    except TransformerCoreError as error:
        st.session_state[_PROBLEM] = str(error)


def show_problem() -> None:
    """Say what went wrong with the last button."""
    problem = st.session_state.get(_PROBLEM)
    if problem:
        show_error(str(problem))


def actions(runs: list[LiveRun], names: list[str]) -> None:
    """The buttons that fit the runs as they stand."""
    active = [run for run in runs if run.is_active]
    waiting = [run for run in runs if run.can_go_on]
    with st.container(horizontal=True, vertical_alignment="center", key="train-actions"):
        if not all(map(is_mine, runs)):
            st.caption("Somebody else's run: look as long as you like.")
        else:
            if active:
                _button("Pause", ":material/pause:", partial(_pause, active))
                _button("Stop", ":material/stop:", partial(_stop, active))
            if waiting and not active:
                _button("Go on", ":material/play_arrow:", partial(_go_on, waiting))
            for run, name in zip(runs, names, strict=True):
                if not active and run.record.step:
                    what = "the model" if len(runs) == 1 else name
                    _button(f"Keep {what}", ":material/save:", partial(_keep, run))
        _button("New run", ":material/add:", lambda: show([]))


def say_state(runs: list[LiveRun], names: list[str]) -> None:
    """One line for each run: what it does, how far it is, how fast."""
    for run, name in zip(runs, names, strict=True):
        record = run.record
        points, exams = record.points, record.exams
        parts = [f"**{plain(name)}** {PHASES[record.phase]}"]
        if points:
            recent = sorted(point.seconds for point in points[-50:])
            parts.append(f"step {record.step:,} of {run.settings.max_steps:,}")
            parts.append(f"{record.seconds:.0f} s")
            parts.append(f"{1000 * recent[len(recent) // 2]:.0f} ms a step (measured)")
        if exams:
            parts.append(_result(exams[-1], record.teacher))
        st.markdown(" · ".join(parts))
        if record.message:
            if record.phase == "failed":
                show_error(record.message)
            else:
                st.caption(plain(record.message))
        for note in record.notes:
            st.caption(plain(note))


def _result(exam: Exam, teacher: Exam | None = None) -> str:
    """What a run has come to, in a few words."""
    if exam.chrf is None:
        return f"{exam.sequence_accuracy:.1%} of unseen sequences right"
    beside = (
        "" if teacher is None or teacher.chrf is None else f" (its teacher: {teacher.chrf:.1f})"
    )
    return f"chrF {exam.chrf:.1f} on {exam.n_unseen} unseen sentences{beside}"


def show_kept() -> None:
    """The models that this session kept: open them anywhere, download them."""
    for model_id in st.session_state.get(KEPT, []):
        if trained.folder_of(model_id) is None:
            continue
        with st.container(horizontal=True, vertical_alignment="center", key=f"kept-{model_id}"):
            st.markdown(
                f"Kept: **{plain(model_name(model_id))}**, in every page's list of models.",
                width="content",
            )
            if st.button("Look inside", icon=":material/visibility:", key=f"look-{model_id}"):
                _look_inside(model_id)
            st.download_button(
                "Download (safetensors + config)",
                partial(trained.to_zip, model_id),
                f"{model_id}.zip",
                icon=":material/download:",
                on_click="ignore",
                key=f"zip-{model_id}",
            )


def offer_upload() -> None:
    """Open a model that was downloaded earlier."""
    with st.popover("Open a kept model", icon=":material/upload_file:", key="train-upload"):
        st.caption("A ZIP file that this page wrote. Its weights are safetensors, no pickles.")
        file = st.file_uploader(
            "ZIP",
            type=["zip"],
            key="train_zip",
            max_upload_size=upload_limit(trained.MAX_ZIP_BYTES // 2**20),
            label_visibility="collapsed",
        )
        if file is None:
            return
        done = st.session_state.setdefault("train_opened_files", {})
        if file.file_id not in done:
            try:
                done[file.file_id] = trained.from_zip(file.getvalue(), name=file.name)
                _remember(done[file.file_id])
            except TransformerCoreError as error:
                done[file.file_id] = error
        if isinstance(done[file.file_id], TransformerCoreError):
            show_error(done[file.file_id])


def _button(label: str, icon: str, action: Callable[[], object]) -> None:
    st.button(label, icon=icon, key=f"train-{label}", on_click=trying, args=(action,))


def _pause(runs: list[LiveRun]) -> None:
    for run in runs:
        run.pause()


def _stop(runs: list[LiveRun]) -> None:
    for run in runs:
        run.stop()


def _go_on(runs: list[LiveRun]) -> None:
    for run in runs:
        registry().go_on(run)


def _keep(run: LiveRun) -> None:
    model, tokenizer = run.model()
    exams = run.record.exams
    right = f" {_result(exams[-1])}." if exams else ""
    model_id = trained.keep_model(
        model,
        tokenizer,
        name=f"{run.title} (step {run.record.step:,})",
        description=f"Learned on the Train page: {run.title}.{right}",
        revision=f"step {run.record.step} of run {run.public_id}",
        task="translation" if run.settings.is_distilled else "text to text",
    )
    _remember(model_id)
    film = run.record.film
    if film is not None:
        st.session_state.setdefault("train_examples", {})[model_id] = film.source.text


def _remember(model_id: str) -> None:
    open_model(model_id)
    open_for_task(model_id, "Translate")
    st.session_state.setdefault(KEPT, []).append(model_id)


def _look_inside(model_id: str) -> None:
    """The Attention page with this model and a source of its task."""
    example = st.session_state.get("train_examples", {}).get(model_id, "abcdefghij")
    st.session_state.update(model=model_id, text=example, site="cross", layer=0, head=0)
    st.switch_page("pages/attention.py", query_params={})  # a widget is bound to the address
