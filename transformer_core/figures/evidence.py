"""Why a weight is what it is: query, key and the row's normaliser, sent with the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import InputError
from transformer_core.figures.wire import EncodedArray, raw

Floats = NDArray[np.floating[Any]]

MAX_EXACT_TOKENS = 192
"""Up to this many tokens queries and keys of a map travel in float32, above in float16."""

MAX_EXACT_NUMBERS = 65_536
"""Up to this many numbers the steps travel in float32: 512 tokens of a head 32 wide."""

MAX_BIAS_CELLS = 65_536

_ROWS_AT_ONCE = 256


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
        z: ``[query_pos d_head]``, the module's own output, to compare with.
        is_causal: Besides, a query sees no key after itself.
        normalisers: Each row's largest score and sum of exp(score − largest), where the keys here
            are only a part of the row; None to compute them.
        origin: First query and key of a part.
    """

    q: Floats
    k: Floats
    scaling: float
    allowed: NDArray[np.bool_] | None = None
    bias: Floats | None = None
    softcap: float | None = None
    v: Floats | None = None
    z: Floats | None = None
    is_causal: bool = False
    normalisers: tuple[Floats, Floats] | None = None
    origin: tuple[int, int] = (0, 0)

    def scores(self, rows: slice = slice(None)) -> NDArray[np.float64]:
        """Return the scores as softmax sees them, −∞ where masked; ``[rows key_pos]``."""
        scores = np.asarray(self.q[rows] @ self.k.T, dtype=np.float64) * self.scaling
        if self.softcap:
            scores = self.softcap * np.tanh(scores / self.softcap)
        if self.bias is not None:
            scores = scores + self.bias[rows]
        if self.allowed is not None:
            scores = np.where(self.allowed[rows], scores, -np.inf)
        if self.is_causal:
            last_seen = np.arange(len(self.q))[rows] + len(self.k) - len(self.q)
            scores = np.where(np.arange(len(self.k)) <= last_seen[:, None], scores, -np.inf)
        return scores

    def part(self, rows: tuple[int, int], columns: tuple[int, int]) -> Evidence:
        """Return the evidence of some cells; rows are still normalised over all their keys."""
        r, c = slice(*rows), slice(*columns)
        largest, sums = self._normalised
        return replace(
            self,
            q=self.q[r],
            k=self.k[c],
            allowed=None,
            is_causal=False,
            bias=None if self.bias is None else self.bias[r, c],
            normalisers=(largest[r], sums[r]),
            origin=(rows[0], columns[0]),
        )

    def encode(self) -> tuple[dict[str, Any], dict[str, EncodedArray]]:
        """Return the plain facts and the arrays that travel."""
        largest, sums = self._normalised
        arrays = {
            "q": raw(self.q, self._dtype),
            "k": raw(self.k, self._dtype),
            "row_max": raw(largest),
            "row_sum": raw(sums),
        }
        facts: dict[str, Any] = {
            "scaling": float(self.scaling),
            "softcap": self.softcap,
            "exact": self._dtype == "float32",
            "bias": None,
            "origin": list(self.origin),
        }
        if self.bias is not None:
            facts["bias"], array = _encode_bias(self.bias)
            if array is not None:
                arrays["bias"] = array
        return facts, arrays

    def encode_steps(self) -> tuple[dict[str, Any], dict[str, EncodedArray]]:
        """Return what every step of one query needs besides: mask, values and the module's output.

        Raises:
            InputError: If values or output are missing, or a bias is too large to send.
        """
        if self.v is None:
            raise InputError("The steps need this head's values; take them from trace.record(...).")
        facts, arrays = self.encode()
        if facts["bias"] == "inferred":
            raise InputError(
                f"This layer adds its own number to each of {self.bias_cells:,} cells; the steps "
                f"can send {MAX_BIAS_CELLS:,} at most. Shorten the text."
            )
        arrays["v"] = raw(self.v, self._dtype)
        if self.z is not None:
            arrays["z"] = raw(self.z, self._dtype)
            arrays["difference"] = raw(self.differences())
        facts["mask"] = "causal" if self.is_causal and self.allowed is None else None
        if self.allowed is not None:
            seen = np.isfinite(self.scores())
            facts["mask"] = "bits"
            arrays["mask"] = raw(np.packbits(seen, axis=1, bitorder="little"), "uint8")
        return facts, arrays

    @property
    def bias_cells(self) -> int:
        """How many cells have a bias."""
        return 0 if self.bias is None else int(self.bias.size)

    def differences(self) -> Floats:
        """Return for each query the largest difference of softmax(scores)·v from the output z."""
        if self.v is None or self.z is None:
            raise InputError("There is no output to compare with.")
        largest, sums = self._normalised
        parts = []
        for rows in self._chunks():
            weights = np.exp(self.scores(rows) - largest[rows, None]) / sums[rows, None]
            parts.append(np.abs(weights @ self.v.astype(np.float64) - self.z[rows]).max(axis=1))
        return np.concatenate(parts)

    @property
    def _dtype(self) -> str:
        if self.v is None:
            is_exact = max(len(self.q), len(self.k)) <= MAX_EXACT_TOKENS
        else:
            sent = (self.q, self.k, self.v, self.z)
            is_exact = sum(a.size for a in sent if a is not None) <= MAX_EXACT_NUMBERS
        return "float32" if is_exact else "float16"

    @cached_property
    def _normalised(self) -> tuple[Floats, Floats]:
        if self.normalisers is not None:
            return self.normalisers
        parts = [_normalisers(self.scores(rows)) for rows in self._chunks()]
        largest, sums = zip(*parts, strict=True)
        return np.concatenate(largest), np.concatenate(sums)

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, len(self.q), _ROWS_AT_ONCE):
            yield slice(start, start + _ROWS_AT_ONCE)


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
