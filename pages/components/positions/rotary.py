"""Rotary positions: queries and keys turn."""

from __future__ import annotations

from functools import partial

from pages.components.positions.view import Kind, PositionsView, Settings, code_of
from transformer_core.figures import positions_rotary as figures
from transformer_core.figures.positions_drawn import Drawn

CODE = partial(code_of, "positions_rotary")
EXPLANATION = r"""
Nothing is added to the embeddings. In every layer each pair of dimensions of a query and of a key
is turned by an angle proportional to where it stands,

$$
\begin{pmatrix} q'_i \\ q'_{i+d/2} \end{pmatrix} =
\begin{pmatrix} \cos m\omega_i & -\sin m\omega_i \\ \sin m\omega_i & \cos m\omega_i \end{pmatrix}
\begin{pmatrix} q_i \\ q_{i+d/2} \end{pmatrix},\qquad \omega_i = \mathrm{base}^{-2i/d}
$$

([Su et al. 2021](https://arxiv.org/abs/2104.09864), section 3.2; pairs as Llama forms them, $i$
with $i + d/2$). Since $(R_m q)^\top (R_n k) = q^\top R_{n-m} k$, a score knows the distance alone.
"""


def motion(now: Settings) -> Drawn:
    """Hands that turn."""
    values = now["length"], now["d_head"]
    return figures.motion(*values, base=now["base"], pair=now["pair"], distance=now["distance"])


def matrix(now: Settings) -> Drawn:
    """Cosines and sines."""
    return figures.matrix(now["length"], now["d_head"], base=now["base"], pair=now["pair"])


def waves(now: Settings) -> Drawn:
    """One pair."""
    return figures.waves(now["length"], now["d_head"], base=now["base"], pair=now["pair"])


def similarity(now: Settings) -> Drawn:
    """Score by distance."""
    return figures.similarity(now["length"], now["d_head"], base=now["base"])


def beyond(now: Settings) -> Drawn:
    """Beyond the trained length."""
    return figures.beyond(now["trained"], now["d_head"], base=now["base"])


KIND = Kind(
    "Rotary",
    {
        "Rotation": PositionsView(
            motion,
            CODE("motion({length}, {d_head}, base={base}, pair={pair}, distance={distance})"),
            "The large dial is one pair of dimensions, the small ones others from fast to slow; "
            "choose one with a click. Play moves query and key along the text: both hands turn, "
            "the angle between them, and with it their product, stays.",
            ("length", "d_head", "base"),
            picked=("pair", "distance"),
        ),
        "Matrix": PositionsView(
            matrix,
            CODE("matrix({length}, {d_head}, base={base}, pair={pair})"),
            "The cosines and sines that turn queries and keys at each position; the same in every "
            "layer.",
            ("length", "d_head", "base"),
            picked=("pair",),
            on_cell="Waves",
        ),
        "Waves": PositionsView(
            waves,
            CODE("waves({length}, {d_head}, base={base}, pair={pair})"),
            "Cosine and sine of one pair's angle. A larger base makes the slow pairs slower, for "
            "longer texts.",
            ("length", "d_head", "base", "pair"),
        ),
        "Similarity": PositionsView(
            similarity,
            CODE("similarity({length}, {d_head}, base={base})"),
            r"For equal vectors the score is $\sum_i \cos(\omega_i (m-n))$, 1 at distance 0 when "
            "divided by the number of pairs. The broken line is the mean of the paper's partial "
            "sums $|S_j|$ (section 3.4.3, figure 2), which bounds scores up to a factor.",
            ("length", "d_head", "base"),
        ),
        "Beyond training": PositionsView(
            beyond,
            CODE("beyond({trained}, {d_head}, base={base})"),
            "A model has seen each pair at the angles of its trained distances. Fast pairs went "
            "all the way round many times, slow ones did not: beyond, their angles are new. "
            "Position interpolation ([Chen et al. 2023](https://arxiv.org/abs/2306.15595)) "
            "squeezes a longer text into the trained range.",
            ("trained", "d_head", "base"),
        ),
    },
    EXPLANATION,
)
