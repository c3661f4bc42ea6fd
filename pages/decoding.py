"""Decoding: how a model decides each token, step by step, and what else it might have written."""

from __future__ import annotations

import streamlit as st

from pages.components.cache import is_loaded
from pages.components.carry import say_what_differs
from pages.components.decoder import decoded, step_of
from pages.components.decoding_controls import (
    choose_writer,
    link_of,
    say_who_writes,
    strategy_controls,
)
from pages.components.decoding_texts import Asked, Text, picture_of
from pages.components.documents import offer_elsewhere
from pages.components.footer import Files, footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.task_model import task_of
from pages.components.text import read_text
from pages.components.top_row import wait_for_model
from transformer_core.errors import TextTooLongError, TransformerCoreError

EXAMPLE = "The Transformer model has revolutionized natural language processing."
EXPLANATION = r"""
At each step the model gives every token of its vocabulary a score $z_i$, its *logit*. A strategy
makes a distribution of them and takes or draws a token:

$$p_i = \frac{\exp(z_i / T)}{\sum_{j\ \text{kept}} \exp(z_j / T)}$$

The order is that of Transformers' `generate`: the repetition penalty
([Keskar et al. 2019](https://arxiv.org/abs/1909.05858)), the temperature $T$, top-k
([Fan et al. 2018](https://arxiv.org/abs/1805.04833)), top-p
([Holtzman et al. 2020](https://arxiv.org/abs/1904.09751)), then min-p
([Nguyen et al. 2024](https://arxiv.org/abs/2407.01082)); each sees what those before it left.
Greedy takes the largest logit. Beam search
([Sutskever et al. 2014](https://arxiv.org/abs/1409.3215)) keeps the best few texts and compares
finished ones by $\log p \div n^{\lambda}$.

The sliders in the picture filter the scores of the step anew in the browser; the text stays as it
was written. *Write this* goes on from another token: a branch that shares the cache up to there
(a beam search begins anew with the prefix). The logit lens
([nostalgebraist 2020](https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens))
unembeds the residual stream after each layer as if it were the last.

The cache keeps the keys and values of positions that were read. Without one, step $t$ projects all
of them again: counted are only those projections, $2\, n_{layers}\, d_{model}\, d_{kv}$
multiplications a position, so up to step $t$ at least
$\left(\sum_{i \le t} n_i - n_t\right) \cdot 2\, n_{layers}\, d_{model}\, d_{kv}$ are saved, where
$n_i$ are the positions held at step $i$, those of the source included. That keys and values need
computing once only follows from the causal mask
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.2.3;
[Pope et al. 2022](https://arxiv.org/abs/2211.05102), section 2.1).

The tree holds every text from this source, whatever strategy wrote it; what they share stands once.
Attention on words sums the weights of a word's tokens, so a row still sums to 1.
"""


def code_for(asked: Asked, text: Text | None) -> str:
    """The lines of Python that write this text and draw its picture."""
    from transformer_core.figures.decoder_code import code_before, code_of

    if text is None:
        return code_before(asked.model_id, asked.text, asked.strategy, is_chat=asked.is_chat)
    return code_of(asked.model_id, asked.text, text.branches, text.shown, is_chat=asked.is_chat)


def asked_step() -> int:
    """The step that the address asks for."""
    step = st.query_params.get("step", "0")
    return min(int(step), 10_000) if step.isdecimal() else 0


def files_of(text: Text | None) -> Files:
    """What can be saved; each file is made when it is asked for."""
    if text is None:
        return {}
    from transformer_core.figures.decoder_files import to_csv, to_json
    from transformer_core.figures.html import to_html

    return {
        "HTML (self-contained)": ("decoding.html", lambda: to_html(picture_of(text))),
        "CSV (steps and candidates)": ("decoding.csv", lambda: to_csv(text.steps)),
        "JSON": ("decoding.json", lambda: to_json(text.steps)),
    }


set_up("Decoding")
with st.container(horizontal=True, vertical_alignment="center", key="top-row"):
    with st.container(width=330, key="top-model"):
        model_id = choose_writer()
    with st.container(width="stretch", key="top-text"):
        source = read_text(EXAMPLE, placeholder="Type a text; Enter starts")
is_ready = model_id is not None and is_loaded(model_id)
strategy, is_chat = strategy_controls(model_id if is_ready else None)
if model_id is None or not source.strip():
    st.info("Type a text above: what is translated, or what the model writes on from.")
    st.stop()
say_who_writes(model_id)
say_what_differs(model_id, source)
if not is_ready:
    wait_for_model(model_id)
    st.stop()
asked = Asked(model_id, source, strategy, is_chat)
written: Text | None = None
try:
    written = decoded(asked, asked_step())
except TextTooLongError as error:
    show_error(error)
    if (task := task_of(model_id)) is not None:
        offer_elsewhere(task, source)
except TransformerCoreError as error:
    show_error(error)
place = {"model": model_id, "step": str(0 if written is None else step_of(written))}
if written is not None:
    st.query_params.update(place)
footer(
    key="decoding",
    explanation=EXPLANATION,
    code=code_for(asked, written),
    files=files_of(written),
    link={**link_of(strategy, is_chat=is_chat), **place},
    text=source,
)
