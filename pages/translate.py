"""Translate & summarise: the real task, live, on the same trace as everything else."""

from __future__ import annotations

import streamlit as st

from pages.components import documents
from pages.components.cache import is_loaded, writer_of
from pages.components.carry import arrive_or_leave
from pages.components.footer import Files, footer
from pages.components.messages import show_error, show_warning
from pages.components.navigation import set_up
from pages.components.summarizer import Wanted, length_controls, summary
from pages.components.task_examples import EXAMPLES
from pages.components.task_model import show_other_model, task_model
from pages.components.text import read_text
from pages.components.top_row import wait_for_model
from pages.components.translator import Asked, strategy_controls, translation
from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import TooLongToKeepError, TransformerCoreError
from transformer_core.tasks.documents import languages_of
from transformer_core.tasks.summarization import MAX_TOKENS, Length

# What models that learned English read, as far as their names tell.
ENGLISH = ("en", "und")

EXPLANATION = r"""
The model reads the source and then writes one token at a time, each from the distribution
$p(y_t \mid y_{<t}, x)$; beam search keeps the best few texts and compares them by
$\log p \div n^{\lambda}$ ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), sections 3.1
and 6.1).

**Alignment.** In an encoder–decoder the cross-attention of a step says which source tokens it read
($\mathrm{softmax}(q k^\top / \sqrt{d_\mathrm{head}})$, sections 3.2.1 and 3.2.3). Which layer and
head read alignments best was measured on 50 sentences aligned by hand, by alignment error rate
([Och & Ney 2003](https://aclanthology.org/J03-1002/), equation 13); *Read at* shows the others.
Good, not perfect: attention is no dictionary.

**Confidence** is the model's own probability of a token, not a measure of truth.

**A summary's sources**: the attention of each written token, averaged over all layers and heads,
summed over each sentence of the source. It says where the model looked, not what the summary needs.
"""


def task_changed() -> None:
    """An example gives way to that of the other task; what a person typed stays."""
    if st.session_state.get("text") in EXAMPLES.values():
        st.session_state["text"] = EXAMPLES[str(st.session_state["task"])]


def result(how: Strategy | Length) -> Files:
    """What the model makes of the text; returns its files.

    Raises:
        TooLongToKeepError: If the text is too long to be looked at word by word.
    """
    from transformer_core.tasks.language import doubt
    from transformer_core.tasks.streaming import check_kept

    if (why := doubt(text)) is not None and languages_of(str(model_id))[0] in ENGLISH:
        show_warning(why)
    is_summary = isinstance(how, Length)
    check_kept(writer_of(str(model_id)), text, limit=MAX_TOKENS if is_summary else None)
    if isinstance(how, Length):
        return summary(Wanted(str(model_id), text, how))
    return translation(Asked(str(model_id), text, how))


set_up("Translate & summarise")
arrive_or_leave()
with st.container(horizontal=True, vertical_alignment="center", key="top-row"):
    task = str(
        st.segmented_control(
            "Task", list(EXAMPLES), key="task", default="Translate", required=True,
            label_visibility="collapsed", bind="query-params", on_change=task_changed,
        )
    )  # fmt: skip
    with st.container(width=330, key="top-model"):
        model_id = task_model(task)
    with st.container(width="stretch", key="top-text"):
        text = read_text(EXAMPLES[task], placeholder="Type a text; Enter starts")
show_other_model(task)
with st.container(horizontal=True, vertical_alignment="bottom", key="how"):
    place = st.segmented_control(
        "Input", ["Text", "Document"], key="input", default="Text", required=True,
        bind="query-params",
    )  # fmt: skip
    how: Strategy | Length = strategy_controls() if task == "Translate" else length_controls()
if model_id is None:
    st.stop()
if place == "Text" and not text.strip():
    st.info("Type a text above, or choose *Document* to open a file.")
    st.stop()
if not is_loaded(model_id):
    wait_for_model(model_id)
    st.stop()

files: Files = {}
try:
    if place == "Text":
        files = result(how)
    elif (document := documents.choose_document()) is not None:
        files = documents.work_through(documents.Asked(model_id, how), document)
except TooLongToKeepError as error:
    show_error(error)
    documents.offer(text)
except TransformerCoreError as error:
    show_error(error)
call = f"model.translate({text!r}, {how!r})".replace("Greedy(", "tc.Greedy(").replace(
    "Beam(", "tc.Beam("
)
if isinstance(how, Length):
    call = f"model.summarize({text!r}, min_length={how.at_least}, max_length={how.at_most})"
footer(
    key="translate",
    explanation=EXPLANATION,
    code=f"import transformer_core as tc\n\nmodel = tc.load({model_id!r})\nprint({call})\n",
    files=files,
    link={"task": task},
    text=text,
)
