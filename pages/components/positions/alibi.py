"""ALiBi: a penalty by distance."""

from __future__ import annotations

from functools import partial

from pages.components.positions.view import Kind, PositionsView, Settings, code_of
from transformer_core.figures import positions_alibi as figures
from transformer_core.figures.positions_drawn import Drawn

CODE = partial(code_of, "positions_alibi")
EXPLANATION = r"""
No position vectors: each head subtracts from its scores a penalty that grows with distance,

$$
\mathrm{softmax}\big(q_i K^\top - m_h\,[\,i, \dots, 2, 1, 0\,]\big),\qquad
m_h = 2^{-8h/n},\ h = 1 \dots n
$$

([Press et al. 2022](https://arxiv.org/abs/2108.12409), section 3; slopes for $n$ heads, $n$ a
power of two, for others as in the paper's code). Steep heads look near, flat ones far. No model
that ships with this app uses it; BLOOM and MPT do.
"""


def matrix(now: Settings) -> Drawn:
    """The bias of one head."""
    return figures.matrix(now["length"], now["heads"], head=now["head"])


def similarity(now: Settings) -> Drawn:
    """Slopes."""
    return figures.similarity(now["length"], now["heads"])


def beyond(now: Settings) -> Drawn:
    """Beyond the trained length."""
    return figures.beyond(now["trained"], now["heads"])


KIND = Kind(
    "ALiBi",
    {
        "Matrix": PositionsView(
            matrix,
            CODE("matrix({length}, {heads}, head={head})"),
            "Query $i$ loses $m \\cdot (i - j)$ on the score of key $j$: nothing on itself, more "
            "the farther back. Below the table one key's column.",
            ("length", "heads", "head"),
        ),
        "Similarity": PositionsView(
            similarity,
            CODE("similarity({length}, {heads})"),
            "The bias of each head against distance: a straight line, its slope fixed before "
            "training. A bias of $-b$ multiplies a key's weight by $e^{-b}$ before the row is "
            "normalised.",
            ("length", "heads"),
        ),
        "Beyond training": PositionsView(
            beyond,
            CODE("beyond({trained}, {heads})"),
            "The line is defined at any distance. A head whose weight is spent long before the "
            "trained length sees the same few keys in a longer text.",
            ("trained", "heads"),
        ),
    },
    EXPLANATION,
)
