"""A run as it goes on: curves, film of attention, teacher forcing, what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.messages import plain
from pages.components.theme import theme
from transformer_core.figures.film import film as film_payload
from transformer_core.figures.learning_curves import (
    ACCURACY,
    CHRF,
    GRADIENT,
    LOSS,
    PARTS,
    RATE,
    Curve,
    Series,
    curve_spec,
    position_chart,
)
from transformer_core.figures.teacher_forcing import teacher_forcing_spec

if TYPE_CHECKING:
    from transformer_core.training.live_run import LiveRun

SITES = {"cross": "Cross", "encoder": "Encoder", "decoder": "Decoder"}
MAX_FILMED = 32
MAX_WRITTEN = 160


def curves_of(runs: list[LiveRun]) -> list[Curve]:
    """The runs as curves; two of them are told apart by what they differ in."""
    names = names_of(runs)
    return [
        Curve(name, [*run.record.points], [*run.record.exams])
        for name, run in zip(names, runs, strict=True)
    ]


def names_of(runs: list[LiveRun]) -> list[str]:
    """What runs are called beside each other: by the settings that they differ in."""
    if len(runs) < 2:
        return [run.title for run in runs]
    all_settings = [run.settings.to_dict() for run in runs]
    shares = [float(settings["soft_share"]) for settings in all_settings]
    differing = [k for k, v in all_settings[0].items() if any(s[k] != v for s in all_settings)]
    if not differing:
        return [f"{run.title} ({index + 1})" for index, run in enumerate(runs)]
    if differing == ["soft_share"]:
        return [f"with the teacher (α = {a:g})" if a else "alone (α = 0)" for a in shares]
    words = {"norm": "{}-norm", "warmup": "warm-up {}", "peak": "rate {:g}"}
    return [
        ", ".join(words.get(key, key + " {}").format(settings[key]) for key in differing)
        for settings in all_settings
    ]


def show_curves(runs: list[LiveRun]) -> None:
    """Loss, accuracy, rate, gradient; their frames stand before the first point is there."""
    curves, scheme = curves_of(runs), theme()
    max_steps = max(run.settings.max_steps for run in runs)
    if all(run.record.phase in ("done", "stopped", "failed") for run in runs):
        max_steps = max(1, *(run.record.step for run in runs))
    teacher = _teacher(runs, max_steps)
    questions = _questions(is_distilled=runs[0].settings.is_distilled)
    columns = [column for _ in range(0, len(questions), 2) for column in st.columns(2)]
    for index, (question, series) in enumerate(questions.items()):
        with columns[index], st.container(border=True):
            st.markdown(f"**{question}**")
            beside = teacher if series in (LOSS, ACCURACY, CHRF) else []
            spec = curve_spec([*curves, *beside], series, theme=scheme, max_steps=max_steps)
            st.vega_lite_chart(spec, width="stretch", key=f"train-chart-{index}")


def _questions(*, is_distilled: bool) -> dict[str, Series]:
    """What is asked of a run, chart by chart; of a student more."""
    plain_ones = {
        "How wrong is it?": LOSS,
        "How much does it get right?": ACCURACY,
        "How fast does it learn? The learning rate": RATE,
        "How steep is the loss? The gradient's norm before clipping": GRADIENT,
    }
    if not is_distilled:
        return plain_ones
    return {
        "How wrong is it?": LOSS,
        "How far is it from its teacher, and from the truth?": PARTS,
        "How much does it get right?": ACCURACY,
        "How good are its translations?": CHRF,
    } | plain_ones


def _teacher(runs: list[LiveRun], max_steps: int) -> list[Curve]:
    """What the teacher makes of the same unseen pairs, as a level line."""
    exam = runs[0].record.teacher
    if exam is None:
        return []
    return [Curve("the teacher", (), [replace(exam, step=step) for step in (0, max_steps)])]


def show_film(run: LiveRun, site: str) -> None:
    """The attention of the example through the training."""
    film = run.record.film
    if film is None or not film.frames:
        st.caption("The first look at the example comes with the first step.")
        return
    if max(len(film.source), len(film.target)) > MAX_FILMED:
        st.caption(f"The shortest unseen pair has over {MAX_FILMED} tokens: too long to be filmed.")
        return
    attention_view(film_payload(film, site), key="train-film")


def show_teaching(run: LiveRun) -> None:
    """Teacher forcing on the example, and the loss of each position on all unseen pairs."""
    record = run.record
    film, exams = record.film, [*record.exams]
    if film is None or not film.frames:
        return
    frames, index = film.frames, len(film.frames) - 1
    if not run.is_active and len(frames) > 1:
        steps = [frame.step for frame in frames]
        if st.session_state.get("train_frame") not in steps:
            st.session_state["train_frame"] = steps[-1]
        step = st.select_slider("After step", steps, key="train_frame", width=420)
        index = steps.index(step)
    with st.container(border=True):
        st.markdown("**How is the decoder taught?**")
        st.caption(
            f"After step {frames[index].step:,}. At every position it reads the *true* tokens so "
            "far, shifted by one, whatever it would have written, and is taught the next one; "
            "the causal mask (Decoder, above) hides the rest, so all positions learn at once."
        )
        spec = teacher_forcing_spec(film, index, theme=theme())
        st.vega_lite_chart(spec, width="stretch", key="train-forcing")
    if exams:
        with st.container(border=True):
            st.markdown("**Which position learns what, and when?**")
            st.caption(f"Mean loss of each target position over {exams[-1].n_unseen} unseen pairs.")
            st.altair_chart(
                position_chart(exams, theme=theme()), width="stretch", key="train-positions"
            )


def show_written(run: LiveRun) -> None:
    """What the model makes of unseen sources; a student's translations beside its teacher's."""
    exams, teacher = run.record.exams, run.record.teacher
    if not exams:
        return
    exam = exams[-1]
    now = f"written after step {exam.step:,}"
    if teacher is None:
        rows = [
            {
                "unseen source": _mono(source),
                "right target": _mono(target),
                now: _mono(written[:60]) or "(nothing)",
                "": "right" if written == target else "wrong",
            }
            for source, target, written in exam.samples
        ]
    else:
        rows = [
            {
                "unseen source": plain(source),
                "reference": plain(target),
                "the teacher writes": plain(taught[:MAX_WRITTEN]),
                f"the student, {now}": plain(written[:MAX_WRITTEN]) or "(nothing)",
            }
            for (source, target, written), (_, _, taught) in zip(
                exam.samples, teacher.samples, strict=False
            )
        ]
    with st.container(border=True, key="train-written"):
        st.markdown("**What does it write?**")
        st.table(rows)


def _mono(text: str) -> str:
    """A text in the face of tokens, where Markdown can hold it so."""
    return f"`{text}`" if text.strip() and "`" not in text else plain(text)
