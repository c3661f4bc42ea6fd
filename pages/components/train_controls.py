"""What is set before a run: task, model, training; what cannot be trained with is said at once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from pages.components.access import upload_limit
from pages.components.messages import plain, show_error
from pages.components.waiting import job_of
from pages.components.watching import look
from transformer_core.errors import TransformerCoreError
from transformer_core.training.live_settings import (
    DISTIL,
    DISTIL_OWN,
    LIMITS,
    OWN,
    TEACHER,
    LiveSettings,
)
from transformer_core.training.own_pairs import MAX_BYTES, read_own_pairs
from transformer_core.training.toy_tasks import TASKS

if TYPE_CHECKING:
    from transformer_core.background import Report
    from transformer_core.config import TransformerConfig
    from transformer_core.training.data import Pair
    from transformer_core.training.step_time import StepTime

POLL_S = 1.0
_STUDENT_LENGTH = 28
"""Tokens of the longest of the sentences that ship."""
DEFAULTS = LiveSettings().to_dict()
WIDTHS = [16, 32, 48, 64, 96, 128, 192, 256]
BATCHES = [4, 8, 16, 32, 64, 128, 256]
NORMS = {"pre": "Pre-norm", "post": "Post-norm"}
POSITIONS = {
    "sinusoidal": "Sinusoidal",
    "learned": "Learned",
    "rotary": "Rotary",
    "alibi": "ALiBi",
    "none": "None",
}
LEVELS = {"characters": "Characters", "bpe": "BPE"}
PAIRS = {"shipped": "The 234 that ship", "own": "Your own (TSV)"}
STUDENT = {"batch": 16, "max_steps": 800}
"""What a student's settings begin with, where that differs: the teacher's vocabulary is large."""
EXAMPLE_ROWS = "eins\tone\nzwei\ttwo\ndrei\tthree"


def task_controls() -> None:
    """The task, and its size."""
    asked = str(_from_address("task", DEFAULTS["task"]))
    plain_values = DEFAULTS | (STUDENT if asked in (DISTIL, DISTIL_OWN) else {})
    for name, default in plain_values.items():
        st.session_state.setdefault(_key(name), _from_address(name, default))
    titles = {name: task.title for name, task in TASKS.items()} | {
        OWN: "Your own pairs (TSV)",
        DISTIL: f"Learn from {TEACHER} (distillation)",
    }
    if st.session_state[_key("task")] == DISTIL_OWN:
        st.session_state.update({_key("task"): DISTIL, _key("pairs"): "own"})
    if st.session_state[_key("task")] not in titles:
        st.session_state[_key("task")] = DEFAULTS["task"]
    name = st.selectbox(
        "Task",
        list(titles),
        key=_key("task"),
        format_func=titles.__getitem__,
        width=250,
        on_change=_task_changed,
        persist_state="session",
    )
    task = TASKS.get(str(name))
    if task is not None and task.size_name:
        least, default, most = task.sizes
        size = st.session_state[_key("size")]
        if not isinstance(size, int) or not least <= size <= most:
            st.session_state[_key("size")] = default
        st.slider(task.size_name, least, most, key=_key("size"), width=170, persist_state="session")
    if name == DISTIL:
        _student_controls()


def _student_controls() -> None:
    """What a student learns from, and how much of it is the teacher's."""
    st.session_state.setdefault(_key("pairs"), "shipped")
    _segments("Pairs", "pairs", PAIRS, default="shipped")
    _number("Temperature T", "temperature", step=0.5, width=130)
    share = st.session_state[_key("soft_share")]
    if not isinstance(share, float) or not 0 <= share <= 1:
        st.session_state[_key("soft_share")] = DEFAULTS["soft_share"]
    st.slider(
        "Soft share α (hard: 1 − α)",
        0.0,
        1.0,
        key=_key("soft_share"),
        step=0.05,
        width=190,
        help="Of the loss: α from the teacher's distribution, the rest from the true tokens.",
        persist_state="session",
    )


def more_controls() -> None:
    """The model, and how it is trained."""
    with st.popover("Model", icon=":material/tune:", key="train-model"):
        _choice("Width d_model", "d_model", WIDTHS)
        _choice("Heads", "n_heads", [1, 2, 4, 8])
        _number("Layers of encoder and of decoder", "n_layers", step=1)
        _segments("Norm", "norm", NORMS)
        _segments("Positions", "positions", POSITIONS)
        _number("Dropout", "dropout", step=0.05)
    with st.popover("Training", icon=":material/model_training:", key="train-training"):
        _number("Peak learning rate", "peak", step=0.0005, number_format="%.5f")
        _number("Warm-up (steps; 1 is none)", "warmup", step=10)
        _choice("Batch (pairs)", "batch", BATCHES)
        _number("Label smoothing", "label_smoothing", step=0.05)
        _number("Steps", "max_steps", step=100)
        _number("Seed", "seed", step=1)


def settings_now() -> LiveSettings | None:
    """What is set; None, and a message, where that cannot be trained with."""
    values = {name: st.session_state.get(_key(name), default) for name, default in DEFAULTS.items()}
    for name, value in values.items():
        if value is None:  # an emptied field
            values[name] = DEFAULTS[name]
    if values["task"] == DISTIL and st.session_state.get(_key("pairs")) == "own":
        values["task"] = DISTIL_OWN
    if values["task"] != OWN:
        values["level"] = "characters"
    try:
        return LiveSettings(**values)
    except (TransformerCoreError, TypeError) as error:
        show_error(str(error))
        return None


def own_pairs(*, has_tokens: bool = False) -> list[Pair]:
    """Pairs that a person uploads or pastes; none, and a message, where they cannot be used.

    Args:
        has_tokens: Whether what a token is, is settled: by a teacher.
    """
    with st.container(border=True, key="train-own"):
        left, right = st.columns(2)
        with left:
            file = st.file_uploader(
                f"A TSV of source, tab, target; up to {upload_limit(MAX_BYTES // 2**20)} MiB",
                type=["tsv", "txt"],
                max_upload_size=upload_limit(MAX_BYTES // 2**20),
                key="train_file",
            )
            if has_tokens:
                st.caption(f"Tokens are those of {TEACHER}: English sources, French targets.")
            else:
                _segments("A token is", "level", LEVELS)
                st.caption(
                    "Characters: every character of the pairs is one token. BPE: "
                    f"{DEFAULTS['vocab_size']:,} sub-words are learnt from the pairs first."
                )
        with right:
            text = st.text_area(
                "Or paste rows", key="train_rows", placeholder=EXAMPLE_ROWS, height=150
            )
        content, name = (
            (file.getvalue(), file.name) if file is not None else (str(text or "").encode(), "")
        )
        if not content:
            st.caption("At least 20 pairs; a tenth is kept to try the model on.")
            return []
        return _read(content, name or "The pasted text")


def facts(settings: LiveSettings, own: list[Pair]) -> None:
    """How large the model is, exactly, and how long a step will take, predicted."""
    task = TASKS.get(settings.task)
    length = settings.size + 1 if task is None or task.size_name else 18
    vocabulary = settings.vocab_size if settings.level == "bpe" else 259
    teacher = _teacher() if settings.is_distilled else None
    if teacher is not None:
        vocabulary, length = teacher.vocab_size, _STUDENT_LENGTH
    elif own:
        vocabulary += len({c for pair in own for c in pair.source + pair.target if ord(c) > 127})
        length = max(max(len(pair.source), len(pair.target)) for pair in own[:2_000]) + 1
    length = min(length, settings.n_ctx)
    count = settings.config(vocabulary).n_parameters

    @st.fragment(run_every=POLL_S if not _is_measured() else None)
    def line() -> None:
        time = look(_step_time())
        words = "a step is being measured on this server"
        if time is not None:
            seconds = time.predict(settings, vocab_size=vocabulary, length=length, teacher=teacher)
            words = (
                f"about {1000 * seconds:.0f} ms a step on this server, "
                f"{seconds * settings.max_steps:.0f} s for {settings.max_steps:,} steps (predicted)"
            )
        about = "about " if own and teacher is None else ""
        of = "" if teacher is None else f", {count / teacher.n_parameters:.0%} of the teacher's"
        st.caption(f"{about}{count:,} parameters{of} · {words}")

    line()


def _read(content: bytes, name: str) -> list[Pair]:
    try:
        pairs, report = read_own_pairs(content, name)
    except TransformerCoreError as error:
        show_error(error)
        return []
    st.caption(plain(str(report)))
    for bad in report.named[:3]:
        st.caption(plain(bad))
    return pairs


def _step_time() -> Any:
    def measure(report: Report) -> StepTime:
        from transformer_core.training.step_time import calibrate

        return calibrate(report)

    return job_of(("step-time",), measure)


@cache
def _teacher() -> TransformerConfig:
    """The teacher's configuration; nothing of its weights is read."""
    from transformer_core.models.catalogue import SHIPPED
    from transformer_core.models.scratch import read_own_config

    return read_own_config(SHIPPED / TEACHER)


def _is_measured() -> bool:
    return bool(_step_time().is_over)


def _task_changed() -> None:
    """Another task has a size of its own; a student, a batch and a length of its own."""
    chosen = str(st.session_state[_key("task")])
    task = TASKS.get(chosen)
    if task is not None:
        st.session_state[_key("size")] = task.sizes[1]
    before, after = (DEFAULTS, STUDENT) if chosen == DISTIL else (STUDENT, DEFAULTS)
    for name in STUDENT:
        if st.session_state.get(_key(name)) == before[name]:
            st.session_state[_key(name)] = after[name]


def _choice(label: str, name: str, options: list[int]) -> None:
    if st.session_state[_key(name)] not in options:
        st.session_state[_key(name)] = DEFAULTS[name]
    st.select_slider(label, options, key=_key(name), persist_state="session")


def _segments(label: str, name: str, options: dict[str, str], *, default: str = "") -> None:
    if st.session_state[_key(name)] not in options:
        st.session_state[_key(name)] = default or DEFAULTS[name]
    st.segmented_control(
        label,
        list(options),
        key=_key(name),
        format_func=options.__getitem__,
        required=True,
        persist_state="session",
    )


def _number(
    label: str,
    name: str,
    *,
    step: float,
    number_format: str | None = None,
    width: int | Literal["stretch"] = "stretch",
) -> None:
    """A number that may be typed out of range: what is wrong with it is then said in words."""
    limit = LIMITS[name]
    st.number_input(
        label,
        key=_key(name),
        step=step,
        format=number_format,
        help=f"From {limit.least:g} to {limit.most:g}.",
        width=width,
        persist_state="session",
    )


def _key(name: str) -> str:
    return f"train_{name}"


def _from_address(name: str, default: Any) -> Any:
    """A setting of the address, where it is one of this kind."""
    text = st.query_params.get(name)
    if text is None:
        return default
    try:
        return type(default)(text)
    except ValueError:
        return default
