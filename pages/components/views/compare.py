"""Compare: what changes with the text, or with the model?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.components import second_side
from pages.components.attention_view import attention_view
from pages.components.cache import remembered
from pages.components.messages import reason
from pages.components.second_side import Rank
from pages.components.views.view import Situation, View
from transformer_core.errors import InputError
from transformer_core.figures import compare
from transformer_core.figures.compare import Ranking, Side
from transformer_core.figures.readings import Reading

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.figures.payload import Payload

EXPLANATION = r"""
Two maps of the same kind: one model on two texts, or two models on one text. Tokens that belong
together are **aligned** ([Needleman and Wunsch 1970](https://doi.org/10.1016/0022-2836(70)90057-4)):
a replaced word goes with its replacement, an added one with nothing. Hover over one map and the
others follow; below them stands the difference, second minus first, centred on 0.

How far two heads differ is the Jensen–Shannon divergence
$\mathrm{JSD}(p, q) = \tfrac12 \mathrm{KL}(p \,\|\, m) + \tfrac12 \mathrm{KL}(q \,\|\, m)$,
$m = \tfrac12 (p + q)$, in bits: 0 if they read alike, 1 if they read nothing in common; averaged
over aligned queries, over aligned keys only, each row renormalised. Minimal pairs show what a head
follows ([Vig 2019](https://arxiv.org/abs/1906.05714)). A difference shows that a head reads
otherwise, not that the model needs it to: see *Switchboard*.
"""


class Asked(NamedTuple):
    """What is ranked: plain values that tell one ranking from another."""

    models: tuple[str, str]
    texts: tuple[str, str]
    targets: tuple[str | None, str | None]
    sites: tuple[str, str]
    head: tuple[int, int] | None
    reading: tuple[bool, bool, bool]


def show(now: Situation) -> None:
    """Ask for the second, then draw both."""
    with st.container(horizontal=True, vertical_alignment="center", key="compare-controls"):
        second = second_side.ask(now, _rank(now))
    if second is None:
        return
    ranking = None
    try:
        ranking = _rank(now)(second)
    except InputError as error:
        st.caption(reason(error))
    on_head = partial(_open_head, None if second_side.is_same_place(now) else second)
    picture = compare.pair(_first(now), second, now.reading, ranking=ranking, is_live=True)
    attention_view(picture, key="picture", on_head=on_head)


def payload(now: Situation) -> Payload:
    """The pair as a picture of its own, which nobody listens to."""
    second = second_side.chosen(now, _rank(now))
    return compare.pair(_first(now), second, now.reading, ranking=_rank(now)(second))


def code(now: Situation) -> str:
    """Both traces, the ranking, and the same picture as a page of its own."""
    if second_side.is_text():
        other, place = f"model.trace({second_side.text_of(now)!r})", now.place
    else:
        model_id = second_side.model_of(now)
        place = second_side.place_of(now, _rank(now)) if model_id else now.place
        other = f"tc.load({model_id!r}).trace({now.text!r})"
    rank = "rank_heads" if second_side.is_same_place(now) else "closest_heads"
    reading = "" if now.reading == Reading() else f", views.{now.reading!r}"
    return (
        f"{now.opening}"
        f"other = {other}\n\n"
        "from transformer_core.figures import compare, html, views\n\n"
        f"first = compare.Side(trace, views.{now.place!r})\n"
        f"second = compare.Side(other, views.{place!r})\n"
        f"ranking = compare.{rank}(first, second{reading})  # bits, [layer head]\n"
        f"page = html.to_html(compare.pair(first, second{reading}, ranking=ranking))\n"
    )


def files(now: Situation) -> Files:
    """Aligned weights, their differences and the ranking as files."""
    name = f"{now.trace.model_name}-{now.place.site}-L{now.place.layer}-H{now.place.head}-pair"

    def to_csv() -> str:
        second = second_side.chosen(now, _rank(now))
        return compare.to_csv(_first(now), second, now.reading)

    def to_json() -> str:
        second = second_side.chosen(now, _rank(now))
        return compare.to_json(_first(now), second, now.reading, ranking=_rank(now)(second))

    return {"CSV": (f"{name}.csv", to_csv), "JSON": (f"{name}.json", to_json)}


def _first(now: Situation) -> Side:
    return Side(now.trace, now.place)


def _open_head(second: Side | None) -> None:
    """Open the head that was clicked: in both, or in the other model alone."""
    opened = st.session_state["picture"]["head"]
    if opened is None:
        return
    layer, head = int(opened[0]), int(opened[1])
    if second is None:
        st.session_state.update(layer=layer, head=head)
    else:
        second_side.open_head(second.trace.model_id, layer, head)


def _rank(now: Situation) -> Rank:
    """What ranks heads against a second side, once for the same two and the same reading."""

    def rank(second: Side) -> Ranking:
        first, same = now.trace, second_side.is_same_place(now)
        reading = now.reading
        asked = Asked(
            (now.model_id, second.trace.model_id),
            (first.text, second.trace.text),
            (first.target_text, second.trace.target_text),
            (now.place.site, second.place.site),
            None if same else (now.place.layer, now.place.head),
            (reading.words, reading.hide_special, reading.hide_sink),
        )
        return _ranking(asked, (_first(now), second))

    return rank


@remembered
def _ranking(asked: Asked, _sides: tuple[Side, Side]) -> Ranking:
    rank = compare.rank_heads if asked.head is None else compare.closest_heads
    return rank(*_sides, Reading(*asked.reading))


VIEW = View(
    "Compare",
    show,
    EXPLANATION,
    code,
    payload=payload,
    controls=frozenset({"layer", "head", "words", "special", "sink"}),
    files=files,
)
