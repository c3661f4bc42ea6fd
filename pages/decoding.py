"""Decoding: how a model decides each token, step by step, and what else it might have written."""

from __future__ import annotations

import streamlit as st

from pages.components.cache import is_loaded
from pages.components.decoder import Asked, Text, decoded, picture_of, show
from pages.components.decoding_controls import choose_writer, say_who_writes, strategy_controls
from pages.components.footer import Files, footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.text import read_text
from pages.components.top_row import wait_for_model
from transformer_core.errors import TransformerCoreError

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
"""


def code_of(asked: Asked) -> str:
    """The lines of Python that write this text and look at its steps."""
    return (
        "import transformer_core as tc\n\n"
        f"model = tc.load({asked.model_id!r})\n"
        f"decoding = model.decode({asked.text!r}, tc.{asked.strategy!r})\n"
        "for step in decoding:\n"
        "    best = [(c.token, round(c.chosen_probability, 3)) for c in step.candidates[:3]]\n"
        "    print(step.index, repr(step.token), best)\n"
        "print(decoding.text)\n"
    )


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
    with st.container(width=300, key="top-model"):
        model_id = choose_writer()
    with st.container(width="stretch", key="top-text"):
        source = read_text(EXAMPLE, placeholder="Type a text; Enter starts")
say_who_writes()
strategy = strategy_controls()
if model_id is None or not source.strip():
    st.info("Type a text above: what is translated, or what the model writes on from.")
    st.stop()
if not is_loaded(model_id):
    wait_for_model(model_id)
    st.stop()
asked = Asked(model_id, source, strategy)
written: Text | None = None
try:
    written = decoded(asked)
    if written is not None:
        show(written)
except TransformerCoreError as error:
    show_error(error)
footer(
    key="decoding",
    explanation=EXPLANATION,
    code=code_of(asked),
    files=files_of(written),
    link={"model": model_id, "strategy": type(strategy).__name__},
    text=source,
)
