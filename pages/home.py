"""Home: one sentence, its translation, and the map of the Transformer that made it."""

from __future__ import annotations

import streamlit as st

from pages.components import home as parts
from pages.components.cache import is_loaded
from pages.components.footer import footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.text import read_text
from pages.components.top_row import wait_for_model
from pages.components.tour import highlight, start_tour, tour_at
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import home

WELCOME = (
    "**See inside a Transformer.** Type an English sentence: a real model translates it, and every "
    "block of it shows what it did."
)
EXPLANATION = r"""
The model reads the whole sentence once with its **encoder** and writes the translation token by
token with its **decoder**, each from the distribution $p(y_t \mid y_{<t}, x)$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), figure 1 and section 3.1). It is our own,
trained by this project, and the map is drawn from its configuration: the number of layers, and the
layer norm before each block, $x + \mathrm{Sublayer}(\mathrm{LayerNorm}(x))$
([Xiong et al. 2020](https://arxiv.org/abs/2002.04745)), where the paper has it after the sum,
$\mathrm{LayerNorm}(x + \mathrm{Sublayer}(x))$.

The numbers are of this sentence. $\lVert x \rVert = \sqrt{\sum_i x_i^2}$ is the length of a token's
vector as the block gives it out, and the mean over its tokens stands on the block. The translation
is found by beam search with 4 beams, as in the paper (section 6.1); the trace is of the sentence
and the whole translation.
"""


def code_of(text: str) -> str:
    """The lines of Python that make these pictures."""
    return (
        "from pathlib import Path\n\n"
        "import transformer_core as tc\n"
        "from transformer_core.figures import home, html\n\n"
        f"model = tc.load({home.MODEL!r})\n"
        f"pictures = home.pictures_of(model, {text!r})\n"
        "print(pictures.written)\n"
        'Path("map.html").write_text(html.to_html(pictures.architecture), encoding="utf-8")\n'
    )


def show_all(pictures: home.Pictures, text: str) -> None:
    """Pictures, and what belongs to them."""
    from transformer_core.figures import html

    parts.show(pictures, highlight())
    footer(
        key="home",
        explanation=EXPLANATION,
        code=code_of(pictures.text),
        files={
            "HTML of the map (self-contained)": (
                "transformer-map.html",
                lambda: html.to_html(pictures.architecture),
            ),
            "HTML of the translation": (
                "translation.html",
                lambda: html.to_html(pictures.alignment),
            ),
            "CSV (numbers of every block)": ("blocks.csv", lambda: home.to_csv(pictures)),
            "JSON": ("blocks.json", lambda: home.to_json(pictures)),
        },
        link={} if tour_at() is None else {"tour": str(tour_at())},
        text=text,
    )


set_up("Home")
if tour_at() is None:
    with st.container(horizontal=True, vertical_alignment="center", key="welcome"):
        st.markdown(WELCOME, width="stretch")
        st.button("Guided tour", icon=":material/signpost:", on_click=start_tour, key="start-tour")
text = read_text(home.TEXT, placeholder="Type an English sentence; Enter translates it")
if not parts.has_model():
    show_all(home.load(), home.TEXT)
    st.stop()
if not is_loaded(home.MODEL):
    wait_for_model(home.MODEL, "Until then: pictures made with the app.")
    show_all(home.load(), home.TEXT)
    st.stop()
try:
    with st.spinner("Translating", show_time=False):
        pictures = parts.pictures_of(parts.choose_part(text))
    show_all(pictures, text)
except TransformerCoreError as error:
    show_error(error)
