"""Sinusoidal positions: the paper's waves."""

from __future__ import annotations

from functools import partial

from pages.components.positions.view import Kind, PositionsView, Settings, code_of
from transformer_core.figures import positions_sinusoidal as figures
from transformer_core.figures.positions_drawn import Drawn

CODE = partial(code_of, "positions_sinusoidal")
EXPLANATION = r"""
Attention sees a set: without positions it could not tell one order from another. The paper adds to
each embedding a vector of sines and cosines,

$$
PE_{(pos,\,2i)} = \sin\frac{pos}{10000^{2i/d_\mathrm{model}}},\qquad
PE_{(pos,\,2i+1)} = \cos\frac{pos}{10000^{2i/d_\mathrm{model}}}
$$

([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.5). Dimensions $2i$ and $2i+1$
are one pair of wavelength $2\pi \cdot 10000^{2i/d_\mathrm{model}}$ positions: like the hands of a
clock, the fast ones tell neighbours apart, the slow ones far places.
"""


def matrix(now: Settings) -> Drawn:
    """The table."""
    return figures.matrix(now["length"], now["width"], dim=now["dim"])


def waves(now: Settings) -> Drawn:
    """One dimension and its partner."""
    return figures.waves(now["length"], now["width"], dim=now["dim"])


def similarity(now: Settings) -> Drawn:
    """Likeness by distance."""
    return figures.similarity(now["length"], now["width"])


def beyond(now: Settings) -> Drawn:
    """Beyond the trained length."""
    return figures.beyond(now["trained"], now["width"])


def tutorial(now: Settings) -> Drawn:
    """The mistaken exponent."""
    return figures.tutorial(now["rows"], now["wide"], shown=now["shown"])


KIND = Kind(
    "Sinusoidal",
    {
        "Matrix": PositionsView(
            matrix,
            CODE("matrix({length}, {width}, dim={dim})"),
            "Each row is the vector that is added at one position. Point at a number to read it; "
            "below the table runs its dimension as a wave.",
            ("length", "width"),
            picked=("dim",),
            on_cell="Waves",
        ),
        "Waves": PositionsView(
            waves,
            CODE("waves({length}, {width}, dim={dim})"),
            "The chosen dimension and the other of its pair, which runs a quarter wave apart.",
            ("length", "width", "dim"),
        ),
        "Similarity": PositionsView(
            similarity,
            CODE("similarity({length}, {width})"),
            r"$PE(p) \cdot PE(p+k) = \sum_i \cos(\omega_i k)$ by "
            r"$\sin a \sin b + \cos a \cos b = \cos(a-b)$: it knows the distance $k$ and nothing "
            "of $p$, so the two lines lie on each other.",
            ("length", "width"),
        ),
        "Beyond training": PositionsView(
            beyond,
            CODE("beyond({trained}, {width})"),
            "The formula has a vector for every position. Whether a model can use those that it "
            "never met is another matter: the line shows how unlike the trained ones they are.",
            ("trained", "width"),
        ),
        "Tutorials' formula": PositionsView(
            tutorial,
            CODE("tutorial({rows}, {wide}, shown={shown})"),
            r"Many tutorials compute $pos / 10000^{2 \cdot dim / d_\mathrm{model}}$ for *every* "
            r"dimension $dim$. The paper's $2i$ already is the even dimension: each sine and the "
            "cosine after it must share one exponent. In the paper's table a shift by $k$ turns "
            r"each pair by $\omega_i k$, a linear map, which is why it was chosen (section 3.5).",
            ("rows", "wide", "shown"),
        ),
    },
    EXPLANATION,
)
