"""Translate & summarise: the real task, live, on the same trace as everything else."""

from __future__ import annotations

import streamlit as st

from pages.components.cache import is_loaded
from pages.components.documents import document_panel
from pages.components.footer import footer
from pages.components.messages import plain, show_error
from pages.components.navigation import set_up
from pages.components.summarizer import Wanted, length_controls, show_sources, summarize
from pages.components.task_model import task_model
from pages.components.text import read_text
from pages.components.top_row import wait_for_model
from pages.components.translator import (
    Asked,
    show_part,
    strategy_controls,
    translate,
    undo_forks,
)
from transformer_core.errors import TransformerCoreError

EXAMPLES = {
    "Translate": "The Transformer model has revolutionized natural language processing.",
    "Summarise": (
        "Climate change is one of the most pressing challenges of our time. Rising temperatures "
        "are melting polar ice, raising sea levels and making extreme weather more frequent. "
        "Scientists agree that human activities, above all the burning of fossil fuels, are the "
        "main cause. Governments have agreed to limit warming to well below two degrees, but "
        "current policies fall short of that goal. Renewable energy is growing quickly and has "
        "become cheaper than coal in most of the world. Experts say that the next ten years will "
        "decide whether the worst effects can still be avoided."
    ),
}
EXPLANATION = r"""
The model reads the source once and then writes one token at a time, each from the distribution
$p(y_t \mid y_{<t}, x)$ ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), figure 1). In an
encoder–decoder the cross-attention of each step says which source words it read; alignments read
off it are good but not perfect, and which layer and head read best was measured on sentences
aligned by hand. Confidence is the model's own probability, not a measure of truth.
"""


def task_changed() -> None:
    """An example gives way to that of the other task; what a person typed stays."""
    if st.session_state.get("text") in EXAMPLES.values():
        st.session_state["text"] = EXAMPLES[str(st.session_state["task"])]


set_up("Translate & summarise")
with st.container(horizontal=True, vertical_alignment="center", key="top-row"):
    task = st.segmented_control(
        "Task", list(EXAMPLES), key="task", default="Translate", required=True,
        label_visibility="collapsed", bind="query-params", on_change=task_changed,
    )  # fmt: skip
    with st.container(width=300):
        model_id = task_model(str(task))
    with st.container(width="stretch"):
        text = read_text(EXAMPLES[str(task)], placeholder="Type a text; Enter starts")
    document_panel(str(task), model_id)
if model_id is None or not text.strip():
    st.info("Type a text above, or open a document.")
    st.stop()
if not is_loaded(model_id):
    wait_for_model(model_id)
    st.stop()


def translation() -> None:
    """The translation, part by part, with its numbers."""
    state = translate(Asked(str(model_id), text, strategy_controls()))
    if state is None or not state.parts:
        return
    st.markdown(f"#### {plain(state.text)}")
    speed = state.n_tokens / max(state.seconds, 1e-9)
    st.caption(
        f"{len(text.split())} words → {len(state.text.split())} words · {state.n_tokens} tokens in "
        f"{state.seconds:.2f} s · {speed:.0f} tokens/s"
    )
    for note in state.notes:
        st.caption(note)
    undo_forks()
    parts = [part for part in state.parts if part.tokens]
    index = 0
    if len(parts) > 1:
        index = st.selectbox(
            "Part", range(len(parts)), format_func=lambda i: parts[i].source.text[:80]
        )
    if parts:
        show_part(str(model_id), parts[index], index)


def summary() -> None:
    """The summary with the sentences that it drew on."""
    result = summarize(Wanted(str(model_id), text, *length_controls()))
    if result is not None:
        show_sources(result)


try:
    if task == "Translate":
        translation()
    else:
        summary()
except TransformerCoreError as error:
    show_error(error)
verb = "translate" if task == "Translate" else "summarize"
footer(
    key="translate",
    explanation=EXPLANATION,
    code=(
        "import transformer_core as tc\n\n"
        f"model = tc.load({model_id!r})\nprint(model.{verb}({text!r}))\n"
    ),
    files={},
    link={"task": str(task)},
    text=text,
)
