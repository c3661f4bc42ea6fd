"""Heat map: where does each token look?"""

import streamlit as st

from pages.components.views.view import Situation, View, canvas
from transformer_core.figures import views
from transformer_core.figures.payload import Payload

EXPLANATION = r"""
Each row is one **query**: a token that reads. Each cell says how much of what it takes in comes
from one **key**, a token that is read. A row is a softmax over the keys, so it sums to 1:
$\mathrm{pattern} = \mathrm{softmax}(q k^\top / \sqrt{d_\mathrm{head}})$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), equation 1).

A high weight says where a head looks, not what the model needs: *Attention or cause?* compares the
two. Many heads rest on `[CLS]`, `[SEP]` or the first token when they have nothing to do, an
attention sink ([Xiao et al. 2023](https://arxiv.org/abs/2309.17453)). A text of over 1,024 tokens
is pooled; zoomed in, the cells are exact, computed from the queries and keys of that part alone.
"""


def payload(now: Situation) -> Payload:
    """One head as a map, all heads beside it."""
    return views.heat_map(now.trace, now.place, now.reading, with_overview=True)


def _zoomed(now: Situation) -> Payload:
    """The same with the exact cells that the browser wants; a file is made outside a session."""
    return views.heat_map(now.trace, now.place, now.reading, with_overview=True, window=_window())


def _window() -> views.Bounds | None:
    """The part of a pooled map of which the browser wants exact cells."""
    state = st.session_state.get("picture") or {}
    bounds = state.get("window")
    if not isinstance(bounds, list) or len(bounds) != 4:
        return None
    try:
        first_row, end_row, first_column, end_column = map(int, bounds)
    except (TypeError, ValueError):
        return None
    return first_row, end_row, first_column, end_column


def code(now: Situation) -> str:
    """The pattern, and the same picture as a page of its own."""
    return (
        (
            f"{now.opening}"
            f"pattern = trace.pattern({now.where})  # [query_pos key_pos]\n\n"
            "from transformer_core.figures import html, views\n\n"
            f"page = html.to_html(views.heat_map(trace, {now.place!r}, {now.reading!r}))\n"
        )
        .replace("Place(", "views.Place(")
        .replace("Reading(", "views.Reading(")
    )


VIEW = View(
    "Heat map",
    canvas(_zoomed),
    EXPLANATION,
    code,
    payload=payload,
    controls=frozenset({"layer", "head", "words", "special", "sink"}),
)
