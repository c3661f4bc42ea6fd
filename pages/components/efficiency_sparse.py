"""Sparse attention: the links that are lost on this text, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import model_of, remembered
from pages.components.efficiency_method import Method, Shown, choose, compared, comparison_files
from pages.components.head_controls import head_controls
from pages.components.messages import plain, show_error
from pages.components.text import trace_text
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import efficiency as figures
from transformer_core.figures import html

if TYPE_CHECKING:
    from transformer_core.efficiency.sparse import SparseEffect
    from transformer_core.figures.views import Place

MAX_ASKED = 10_000
KINDS = ("Top-k", "Window", "Blocks")
EXPLANATION = r"""
Attention links every query with every key it may see: $n^2$ links. Sparse attention keeps some:

- **Top-k** keeps, of the $n$ visible keys of each query, the
  $\max(1, \lfloor n (1 - s) \rfloor)$ with the highest scores; the others' scores become $-\infty$
  before the softmax, so what stays sums to 1 again. All scores are computed first.
- **Window** keeps the keys at a distance of at most $w$
  ([Beltagy et al. 2020](https://arxiv.org/abs/2004.05150), section 3.1).
- **Blocks** keep the keys of the query's own block
  ([Qiu et al. 2019](https://arxiv.org/abs/1911.02972), section 3.1).

*First positions* stay visible to all: many heads rest on the first token, and a window that cuts it
off breaks them ([Xiao et al. 2023](https://arxiv.org/abs/2309.17453), section 3). Windows and
blocks
concern self-attention; cross-attention stays whole under them.

The rule is imposed as a mask in every layer and head while the model runs. A mask saves nothing: a
dense kernel computes every score and then throws it away. Gains need kernels that skip, and long
texts.
"""


def show(model_id: str, text: str) -> Shown:
    """Draw the map of one head with its lost links, and measure quality on demand."""
    trace = trace_text(model_id, text)
    if trace is None:
        return Shown("")
    kind, value, first = _controls()
    link = {"rule": kind, "value": f"{value:g}", "first": str(first)}
    try:
        rule = rule_of(kind, value, first)
    except TransformerCoreError as error:
        show_error(error)
        return Shown("", link=link)
    if rule.needs_self_attention:
        st.session_state.setdefault("site", trace.sites[0])
    place, _ = head_controls(trace, {"layer", "head"})
    if place.site == "cross" and rule.needs_self_attention:
        st.caption("Cross-attention stays whole under this rule; look at the encoder or decoder.")
    effect = effect_of(model_id, text, kind, value, first)
    payload = figures.lost_links(effect, place)
    attention_view(payload, key="lost-links")
    with st.container(horizontal=True, key="sparse-numbers"):
        st.metric("Links lost, all heads", f"{effect.share_lost:.1%}")
        st.metric(_measure_of(effect), f"{effect.output.size:.3g}")
        if effect.logits_difference is not None:
            st.metric("Largest change of a logit", f"{effect.logits_difference:.3g}")
    found = compared(
        (model_id, kind, value, first),
        "sparse attention",
        lambda model: _variants(model, kind, value, first),
        n_variants=1,
    )
    if found is not None:
        st.caption(
            "Nothing is computed less here: the rule is a mask over a dense kernel, and its making "
            "takes time of its own. That is what the time shows."
        )
    files = {
        "HTML (self-contained)": ("lost-links.html", lambda: html.to_html(payload)),
        **comparison_files(found, "sparse"),
    }
    return Shown(_code(model_id, text, rule, place), files, link)


def _code(model_id: str, text: str, rule: Any, place: Place) -> str:
    """The lines of Python that make this map."""
    return (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.sparse import sparse_effect\n"
        f"from transformer_core.tracing.sparsity import {type(rule).__name__}\n"
        "from transformer_core.figures import efficiency, html\n"
        "from transformer_core.figures.views import Place\n\n"
        f"model = tc.load({model_id!r})\ntrace = model.trace({text!r})\n"
        f"effect = sparse_effect(model, trace, {rule!r})\n"
        f"print(effect.to_dict())\npage = html.to_html(efficiency.lost_links(effect, {place!r}))\n"
    )


def rule_of(kind: str, value: float, first: int) -> Any:
    """The rule that was chosen.

    Raises:
        ConfigError: If it would leave nothing.
    """
    from transformer_core.tracing.sparsity import Blocks, TopShare, Window

    if kind == "Top-k":
        return TopShare(value)
    return Window(int(value), first) if kind == "Window" else Blocks(int(value), first)


@remembered
def effect_of(model_id: str, text: str, kind: str, value: float, first: int) -> SparseEffect:
    """What a rule does to a text."""
    from pages.components.cache import trace_of
    from transformer_core.efficiency.sparse import sparse_effect

    plain_trace = trace_of(model_id, text)
    with st.spinner("Reading with fewer links"):
        return sparse_effect(model_of(model_id), plain_trace, rule_of(kind, value, first))


def _controls() -> tuple[str, float, int]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="sparse-controls"):
        asked = st.query_params.get("rule", "")
        kind = choose("Rule", KINDS, key="sparse_rule", asked=asked, is_titled=True)
        if kind == "Top-k":
            st.session_state.setdefault("sparsity", _asked_number(0.5))
            value = st.number_input(
                "Sparsity (share of keys dropped)", key="sparsity", step=0.05, format="%.2f",
                width=230,
            )  # fmt: skip
            return kind, float(value), 0
        name, start = ("Reach (each side)", 2) if kind == "Window" else ("Size of a block", 4)
        key = f"sparse_{kind}"
        st.session_state.setdefault(key, int(_asked_number(start)))
        size = st.number_input(name, key=key, step=1, width=190)
        first = st.number_input("First positions kept", 0, 64, 0, key="sparse_first", width=190)
    return kind, float(size), int(first)


def _asked_number(default: float) -> float:
    """The number in the address, if it is one that a control can hold."""
    try:
        asked = float(st.query_params.get("value", default))
    except ValueError:
        return default
    return asked if abs(asked) < MAX_ASKED else default


def _variants(model: Any, kind: str, value: float, first: int) -> list[Any]:
    from transformer_core.efficiency.sparse import sparse_variant

    return [sparse_variant(model, rule_of(kind, value, first))]


def _measure_of(effect: SparseEffect) -> str:
    is_distance = type(effect.output).__name__ == "EmbeddingEffect"
    return plain("Cosine distance of the embedding" if is_distance else "Output change, KL in bits")


METHOD = Method(
    "Sparse attention", "Which links can a model do without?", show, EXPLANATION, needs_text=True
)
