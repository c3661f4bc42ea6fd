"""Why a weight is what it is: the query, the key and the row's normaliser, sent with the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.wire import EncodedArray, raw

Floats = NDArray[np.floating[Any]]

MAX_EXACT_TOKENS = 192
"""Up to this many tokens queries and keys travel in float32, above in float16."""

MAX_BIAS_CELLS = 65_536


@dataclass(frozen=True)
class Evidence:
    """Queries and keys of one head: from them the browser recomputes any score of the map.

    Attributes:
        q: ``[query_pos d_head]``, as they enter the dot product.
        k: ``[key_pos d_head]``, likewise.
        scaling: What q·k is multiplied by.
        allowed: True where a query may look at a key; None where all may look at all.
        bias: ``[query_pos key_pos]``, added to the scaled score.
        softcap: Scores are squeezed to ± this by tanh, where a model does so.
        v: ``[key_pos d_head]``, for the *by the numbers* view.
    """

    q: Floats
    k: Floats
    scaling: float
    allowed: NDArray[np.bool_] | None = None
    bias: Floats | None = None
    softcap: float | None = None
    v: Floats | None = None

    def scores(self) -> NDArray[np.float64]:
        """Return the scores as softmax sees them, −∞ where masked; ``[query_pos key_pos]``."""
        scores = np.asarray(self.q @ self.k.T, dtype=np.float64) * self.scaling
        if self.softcap:
            scores = self.softcap * np.tanh(scores / self.softcap)
        if self.bias is not None:
            scores = scores + self.bias
        if self.allowed is not None:
            scores = np.where(self.allowed, scores, -np.inf)
        return scores

    def encode(self) -> tuple[dict[str, Any], dict[str, EncodedArray]]:
        """Return the plain facts and the arrays that travel."""
        dtype = "float32" if max(len(self.q), len(self.k)) <= MAX_EXACT_TOKENS else "float16"
        maxima, sums = _normalisers(self.scores())
        arrays = {
            "q": raw(self.q, dtype),
            "k": raw(self.k, dtype),
            "row_max": raw(maxima),
            "row_sum": raw(sums),
        }
        if self.v is not None:
            arrays["v"] = raw(self.v, dtype)
        facts: dict[str, Any] = {
            "scaling": float(self.scaling),
            "softcap": self.softcap,
            "exact": dtype == "float32",
            "bias": None,
        }
        if self.bias is not None:
            facts["bias"], array = _encode_bias(self.bias)
            if array is not None:
                arrays["bias"] = array
        return facts, arrays


def _normalisers(scores: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Return each row's largest score and the sum of exp(score − largest)."""
    maxima = scores.max(axis=1)
    shift = np.where(np.isfinite(maxima), maxima, 0.0)
    sums = np.exp(scores - shift[:, None]).sum(axis=1)
    return shift, sums


def _encode_bias(bias: Floats) -> tuple[str, EncodedArray | None]:
    """Encode a bias by distance where it depends on nothing else, whole where it is small.

    Position biases (T5, ALiBi) are the same along a diagonal: n numbers say what n² would.
    """
    n_query, n_key = bias.shape
    by_offset = np.concatenate([bias[::-1, 0][: n_query - 1], bias[0]]) if n_query else bias[0]
    offsets = np.arange(n_key)[None, :] - np.arange(n_query)[:, None] + n_query - 1
    if np.array_equal(by_offset[offsets], bias):
        return "offset", raw(by_offset)
    if bias.size <= MAX_BIAS_CELLS:
        return "full", raw(bias)
    return "inferred", None
