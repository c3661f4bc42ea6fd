"""Tests of the chosen model on the person's sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import is_loaded, model_of, remembered, trace_of
from pages.components.model_picker import model_name, models_here
from pages.components.positions.models import loaded
from pages.components.positions.view import Kind, PositionsView, Settings, code_of
from pages.components.text import trace_text
from transformer_core.errors import InputError
from transformer_core.figures import positions_live as figures
from transformer_core.figures.positions_drawn import Drawn
from transformer_core.figures.views import Place

if TYPE_CHECKING:
    from transformer_core.analysis.positions_live import Order, Reordered, Shifted
    from transformer_core.tracing.trace import Trace

COMPARED = ("minilm", "smollm2", "en-fr-small")
"""Models of different kinds that a comparison takes, where they are here."""
EXPLANATION = r"""
These tests run the chosen model on your sentence. **Words reordered**: without positions attention
sees a set, so an encoder's outputs only change places with their tokens. **Tokens in front**: the
same tokens, some positions later. Scores of rotary models must not move, as
$(R_{m+k}\, q)^\top (R_{n+k}\, k) = (R_m q)^\top (R_n k)$ ([Su et al.
2021](https://arxiv.org/abs/2104.09864), section 3.2); where positions are added to the embeddings
they do. **Positions away**: position vectors are zero, nothing is turned, no bias by distance; a
causal mask stays.
"""
_OPENING = (
    "import transformer_core as tc\nfrom transformer_core.analysis import positions_live as live\n"
)


def _opening(more: str) -> Callable[[Settings], str]:
    def opening(now: Settings) -> str:
        values = {name: repr(value) for name, value in now.values.items()}
        return (
            f"{_OPENING}\nmodel = tc.load({now.model_id!r})\ntrace = model.trace({now.text!r})\n"
            f"{more.format(**values)}"
        )

    return opening


@remembered
def _reordered(model_id: str, text: str, order: Order, seed: int) -> Reordered:
    from transformer_core.analysis.positions_live import read_reordered

    return read_reordered(model_of(model_id), trace_of(model_id, text), order, seed=seed)


@remembered
def _shifted(model_id: str, text: str, n_front: int) -> Shifted:
    from transformer_core.analysis.positions_live import put_in_front

    return put_in_front(model_of(model_id), trace_of(model_id, text), n_front)


@remembered
def _away(model_id: str, text: str) -> Trace:
    from transformer_core.analysis.positions_live import take_away

    return take_away(model_of(model_id), trace_of(model_id, text))


def _on_sentence(draw: Callable[[Any, Trace, Settings], Drawn]) -> Any:
    """Draw where model and trace are there; else what is missing is said."""

    def drawn(now: Settings) -> Drawn | None:
        if not now.text.strip():
            raise InputError("Type a sentence above: these tests run the model on it.")
        model = loaded(now)
        if model is None:
            return None
        trace = trace_text(str(now.model_id), now.text)
        if trace is None:
            return None
        with st.spinner("Running the model"):
            return draw(model, trace, now)

    return drawn


def reordered(_: Any, trace: Trace, now: Settings) -> Drawn:
    """Another order of the words."""
    result = _reordered(str(now.model_id), trace.text, now["order"], now["seed"])
    return figures.reordered(trace, result, now["order"])


def shifted(_: Any, trace: Trace, now: Settings) -> Drawn:
    """The same tokens, later."""
    result = _shifted(str(now.model_id), trace.text, now["front"])
    if now["moved"] == "One head":
        return figures.shifted_head(result, place_of(trace, now))
    others = _compared(str(now.model_id), now.text, now["front"])
    results = {trace.model_name: (_kind(str(now.model_id)), result), **others}
    return figures.shifted(results, now["front"], text=trace.text)


def _compared(model_id: str, text: str, n_front: int) -> dict[str, tuple[str, Shifted]]:
    """The other models' results, once a person asked for them and they are loaded."""
    others = [name for name in COMPARED if name in models_here() and name != model_id]
    if not others:
        return {}
    names = " and ".join(model_name(name) for name in others)
    asked = st.toggle(
        f"Beside {names}", key="positions_compare", value=True, persist_state="session"
    )
    if not asked:
        return {}
    waiting = [name for name in others if not is_loaded(name)]
    if waiting:
        st.caption(f"{', '.join(map(model_name, waiting))} loading; it takes its place soon.")
        _look_again(tuple(waiting))
    return {
        model_name(name): (_kind(name), _shifted(name, text, n_front))
        for name in others
        if name not in waiting
    }


@st.fragment(run_every=0.7)
def _look_again(names: tuple[str, ...]) -> None:
    if any(is_loaded(name) for name in names):
        st.rerun()


def _kind(model_id: str) -> str:
    from transformer_core.analysis.positions_live import kinds_of

    return " and ".join(kinds_of(model_of(model_id))) or "hidden in its attention"


def away(_: Any, trace: Trace, now: Settings) -> Drawn:
    """No positions at all."""
    without = _away(str(now.model_id), trace.text)
    if now["away"] == "Pattern":
        return figures.away_pattern(trace, without, place_of(trace, now), is_live=True)
    return figures.away_distance(trace, without, layer=place_of(trace, now).layer)


def place_of(trace: Trace, now: Settings) -> Place:
    """The chosen layer and head, brought into what the model has."""
    site = trace.sites[0]
    layer = min(now["layer"], trace.n_layers(site) - 1)
    return Place(site, layer, min(now["head"], trace.n_heads(site) - 1))


def tops(model_id: str | None) -> dict[str, int]:
    """The last layer and head of a model that is loaded."""
    if model_id is None or not is_loaded(model_id):
        return {}
    model = model_of(model_id)
    site = model.sites[0]
    return {"layer": model.n_layers(site) - 1, "head": model.n_heads(site) - 1}


CODE = partial(code_of, "positions_live")
_PLACE = "place = views.Place(trace.sites[0], {layer}, {head})\n"
_VIEWS = "from transformer_core.figures import views\n\n"


def shifted_code(now: Settings) -> str:
    """By layer or one head."""
    result = "result = live.put_in_front(model, trace, {front})\n"
    if now["moved"] == "One head":
        return CODE("shifted_head(result, place)", _opening(f"{result}{_VIEWS}{_PLACE}"))(now)
    kind = "kind = live.kinds_of(model)[0]\n"
    call = "shifted({{trace.model_name: (kind, result)}}, {front}, text=trace.text)"
    return CODE(call, _opening(f"{result}{kind}"))(now)


def away_code(now: Settings) -> str:
    """The pattern or the weight by distance."""
    more = f"away = live.take_away(model, trace)\n{_VIEWS}{_PLACE}"
    calls = {
        "Pattern": "away_pattern(trace, away, place)",
        "Weight by distance": "away_distance(trace, away, layer=place.layer)",
    }
    return CODE(calls[now["away"]], _opening(more))(now)


KIND = Kind(
    "On your sentence",
    {
        "Words reordered": PositionsView(
            _on_sentence(reordered),
            CODE(
                "reordered(trace, result, {order})",
                _opening("result = live.read_reordered(model, trace, {order}, seed={seed})\n"),
            ),
            "A bar is how far a token's output moved when the words stand in another order. "
            "Without positions an encoder's bars vanish.",
            ("order", "seed"),
        ),
        "Tokens in front": PositionsView(
            _on_sentence(shifted),
            shifted_code,
            "The tokens in front are masked from all others, so the only change is where the "
            "sentence stands.",
            ("front", "moved", "layer", "head"),
        ),
        "Positions away": PositionsView(
            _on_sentence(away),
            away_code,
            "The same sentence through the same weights without positions. The model was not "
            "trained for that: the picture shows what it used positions for, not how a model "
            "without them would do.",
            ("away", "layer", "head"),
        ),
    },
    EXPLANATION,
)
