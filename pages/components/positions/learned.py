"""Learned positions: the table of the chosen model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pages.components.positions.models import loaded, offer_learned
from pages.components.positions.view import Kind, PositionsView, Settings, code_of
from transformer_core.figures import positions_learned as figures
from transformer_core.figures.positions_drawn import Drawn

EXPLANATION = r"""
A table with a row for each position, trained like any other weight and added to the embedding of
the token that stands there: $x_p = E_{token(p)} + P_p$ (Gehring et al. 2017; the input of BERT,
[Devlin et al. 2018](https://arxiv.org/abs/1810.04805), figure 2, and of GPT-2). Vaswani et al. 2017
tried it, too (section 3.5 and table 3, row E: nearly the same results). It ends with its last row.

The table shown is the chosen model's own.
"""


def _opening(now: Settings) -> str:
    return f"import transformer_core as tc\n\nmodel = tc.load({now.model_id!r})\n"


CODE = partial(code_of, "positions_learned", opening=_opening)


def _of_model(draw: Callable[[Any, Settings], Drawn]) -> Callable[[Settings], Drawn | None]:
    """Draw where the model is there and has a table; else say what is missing."""

    def drawn(now: Settings) -> Drawn | None:
        model = loaded(now)
        if model is None:
            return None
        why = figures.why_none(model)
        if why is not None:
            offer_learned(why)
            return None
        return draw(model, now)

    return drawn


KIND = Kind(
    "Learned",
    {
        "Matrix": PositionsView(
            _of_model(lambda model, now: figures.matrix(model, now["length"], dim=now["dim"])),
            CODE("matrix(model, {length}, dim={dim})"),
            "Each row is one position's learned vector. Vertical stripes are dimensions that every "
            "position shares; waves, where training found them useful, were not asked for.",
            ("length",),
            picked=("dim",),
            on_cell="Waves",
        ),
        "Waves": PositionsView(
            _of_model(lambda model, now: figures.waves(model, now["length"], dim=now["dim"])),
            CODE("waves(model, {length}, dim={dim})"),
            "A learned dimension has no wavelength of its own; named is the strongest term of its "
            "Fourier transform.",
            ("length", "dim"),
        ),
        "Similarity": PositionsView(
            _of_model(lambda model, now: figures.similarity(model, now["length"])),
            CODE("similarity(model, {length})"),
            "Nothing makes likeness a matter of distance here; that near positions are more alike "
            "was learned.",
            ("length",),
        ),
        "Beyond training": PositionsView(
            _of_model(lambda model, _: figures.beyond(model)),
            CODE("beyond(model)"),
            "There is no row beyond the last: such a model cannot read a longer text at all.",
            (),
        ),
    },
    EXPLANATION,
)
