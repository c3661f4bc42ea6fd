"""Families: what is each kind of Transformer for, and what may it attend to?"""

from __future__ import annotations

import streamlit as st

from pages.components.families import cards, offer_other_model
from pages.components.families_vision import vision
from pages.components.footer import Files, footer
from pages.components.navigation import set_up
from pages.components.text import read_text
from transformer_core.figures import first_paint, html
from transformer_core.figures.families import FAMILIES
from transformer_core.figures.payload import Payload

PARTS = ("Side by side", "Vision")
EXPLANATION = r"""
All four are stacks of the same layer
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), sections 3.1 and 3.2):

$$
\mathrm{Attention}(Q, K, V) =
\mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d_\mathrm{head}}} + M\right) V
$$

They differ in the mask $M$, which is 0 where a query may read a key and $-\infty$ where not, and in
what they were trained to say:

- **Encoder only**, $M = 0$: BERT hid words and guessed them from both sides
  ([Devlin et al. 2018](https://arxiv.org/abs/1810.04805), section 3.1). MiniLM was then trained on
  pairs of sentences, so that the cosine of two embeddings means likeness
  ([Reimers & Gurevych 2019](https://arxiv.org/abs/1908.10084)).
- **Decoder only**, $M_{ij} = -\infty$ for $j > i$: GPT says which token comes next, nothing else
  ([Brown et al. 2020](https://arxiv.org/abs/2005.14165), section 2.1).
- **Encoder and decoder**: three attentions, of which only the decoder's own is masked; in
  cross-attention $Q$ comes from the decoder, $K$ and $V$ from the encoder (section 3.2.3).
- **Vision**, $M = 0$: an encoder whose tokens are patches of a picture
  ([Dosovitskiy et al. 2020](https://arxiv.org/abs/2010.11929), section 3.1).

The first map of each card is read off this trace, not off a book: a sliding window would
show. The second is one head of it.
"""


def code_of(text: str, chosen: dict[str, str]) -> str:
    """The lines of Python that make these pictures of a text, with the heads shown at first."""
    return (
        "import transformer_core as tc\n"
        "from transformer_core.figures import families, html\n\n"
        f"text = {text!r}\n"
        f"for name, model_id in {chosen!r}.items():\n"
        "    model = tc.load(model_id)\n"
        "    target = model.translate(text) if model.card.task == 'translation' else None\n"
        "    trace = model.trace(text, target)\n"
        "    places = [families.default_place(trace, site) for site in trace.sites]\n"
        "    payload = families.masks(trace, families.family_of(name), places)\n"
        "    page = html.to_html(payload)\n"
        "    print(payload.caption)\n"
    )


def files_of(pictures: dict[str, Payload]) -> Files:
    """Each picture as a page of its own."""
    names = {family.id: family.name for family in FAMILIES}
    return {
        f"HTML: {names[name].lower()}": (
            f"families-{name}.html",
            lambda payload=payload: html.to_html(payload),  # type: ignore[misc]
        )
        for name, payload in pictures.items()
    }


set_up("Families")
st.session_state.setdefault("families_show", st.query_params.get("show", PARTS[0]))
if st.session_state["families_show"] not in PARTS:
    st.session_state["families_show"] = PARTS[0]
part = st.segmented_control(
    "Show", PARTS, key="families_show", required=True, label_visibility="collapsed"
)
st.query_params["show"] = str(part)
if part == "Vision":
    vision()
else:
    with st.container(horizontal=True, vertical_alignment="center", key="top-row"):
        with st.container(width="stretch", key="top-text"):
            text = read_text(first_paint.TEXT)
        offer_other_model()
    if not text.strip():
        st.info("Type a sentence above: all four read it, the vision model a picture.")
        st.stop()
    pictures = cards(text)
    chosen = {family.id: str(st.session_state.get(f"families_{family.id}")) for family in FAMILIES}
    of_text = {name: model for name, model in chosen.items() if name != "vision"}
    footer(
        key="families",
        explanation=EXPLANATION,
        code=code_of(text, of_text),
        files=files_of(pictures),
        link={"show": str(part)} | chosen,
        text=text,
    )
