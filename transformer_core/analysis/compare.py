"""Two patterns over tokens that belong together: aligned, subtracted, and told apart in bits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError

MAX_ALIGNED = 1024
"""Tokens a side that are aligned: the table of the alignment has one cell for each pair."""

SAME, DIFFERENT, GAP = 2, -1, -1
"""Scores of the alignment: a substitution is better than two gaps, an equal token better still."""

_NEVER = -(10**6)


@dataclass(frozen=True)
class Alignment:
    """Which positions of two token sequences belong together.

    Attributes:
        pairs: A position of the first and one of the second, rising in both.
        is_same: For each pair, whether the two tokens are equal (case aside) or substituted.
    """

    pairs: tuple[tuple[int, int], ...]
    is_same: tuple[bool, ...]

    @property
    def first(self) -> list[int]:
        """Aligned positions of the first sequence."""
        return [i for i, _ in self.pairs]

    @property
    def second(self) -> list[int]:
        """Aligned positions of the second sequence."""
        return [j for _, j in self.pairs]


@dataclass(frozen=True)
class Labels:
    """One side of an alignment.

    Attributes:
        display: Tokens or words as people read them.
        is_special: True for tokens that the model adds; they pair with one another only.
    """

    display: Sequence[str]
    is_special: Sequence[bool] = ()

    def __len__(self) -> int:
        return len(self.display)

    def score(self, i: int, other: "Labels", j: int) -> int:
        """How well a token goes with one of the other side."""
        special = bool(self.is_special) and self.is_special[i]
        other_special = bool(other.is_special) and other.is_special[j]
        if special != other_special:
            return _NEVER
        same = self.display[i].casefold() == other.display[j].casefold()
        return SAME if same or special else DIFFERENT

    def is_same(self, i: int, other: "Labels", j: int) -> bool:
        """Whether two tokens read the same."""
        return self.display[i].casefold() == other.display[j].casefold()


def align(first: Labels, second: Labels) -> Alignment:
    """Align two token sequences (Needleman and Wunsch 1970).

    The alignment with the highest sum of scores keeps order, so a word that was replaced is paired
    with its replacement and a word that was added with nothing. Of equal ones the first is taken.

    Raises:
        InputError: If a side has more than :data:`MAX_ALIGNED` tokens.
    """
    n, m = len(first), len(second)
    if max(n, m) > MAX_ALIGNED:
        raise InputError(
            f"{max(n, m):,} tokens are more than the {MAX_ALIGNED:,} that can be aligned; "
            "shorten the text."
        )
    # What both begin or end with is paired at once: it is part of a best alignment.
    start = 0
    while start < min(n, m) and first.score(start, second, start) == SAME:
        start += 1
    tail = 0
    while tail < min(n, m) - start and first.score(n - 1 - tail, second, m - 1 - tail) == SAME:
        tail += 1
    middle = _middle(first, second, (start, n - tail), (start, m - tail))
    ends = [(n - k, m - k) for k in range(tail, 0, -1)]
    pairs = [(i, i) for i in range(start)] + middle + ends
    return Alignment(tuple(pairs), tuple(first.is_same(i, second, j) for i, j in pairs))


def _middle(
    first: Labels, second: Labels, rows: tuple[int, int], columns: tuple[int, int]
) -> list[tuple[int, int]]:
    """Pairs of the best alignment of a part of each side."""
    n, m = rows[1] - rows[0], columns[1] - columns[0]
    # best[i][j]: the highest score of what begins at i and j.
    best = [[(m - j) * GAP for j in range(m + 1)]]
    for i in range(n - 1, -1, -1):
        below, row = best[0], [0] * m + [(n - i) * GAP]
        for j in range(m - 1, -1, -1):
            pair = first.score(rows[0] + i, second, columns[0] + j)
            row[j] = max(below[j + 1] + pair, below[j] + GAP, row[j + 1] + GAP)
        best.insert(0, row)
    pairs, i, j = [], 0, 0
    while i < n and j < m:
        pair = first.score(rows[0] + i, second, columns[0] + j)
        if best[i][j] == best[i + 1][j + 1] + pair:
            pairs.append((rows[0] + i, columns[0] + j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j] + GAP:
            i += 1
        else:
            j += 1
    return pairs


def js_divergence(
    p: Float[Tensor, "*rows key_pos"], q: Float[Tensor, "*rows key_pos"]
) -> Float[Tensor, "*rows"]:
    """Jensen–Shannon divergence of distributions in bits: 0 where equal, 1 where disjoint.

    ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q) / 2 (Lin 1991). Rows must sum to 1.
    """
    p, q = p.double(), q.double()
    m = (p + q) / 2
    half = [torch.where(side > 0, side * (side / m).log2(), 0.0).sum(-1) / 2 for side in (p, q)]
    return (half[0] + half[1]).clamp(0, 1).float()


@dataclass(frozen=True, eq=False)
class RowDivergence:
    """How differently two heads read, row by row.

    Attributes:
        bits: Jensen–Shannon divergence of each aligned query; NaN where one of the two reads
            nothing but keys without a counterpart.
        kept: Mean share of a row's weight that lies on aligned keys, in the first and the second.
    """

    bits: Float[Tensor, "*head pair"]
    kept: tuple[Float[Tensor, "*first_head"], Float[Tensor, "*second_head"]]

    @property
    def mean(self) -> Float[Tensor, "*head"]:
        """Mean over the rows that can be compared; NaN if none can."""
        return self.bits.nanmean(-1)


def row_divergence(
    first: Float[Tensor, "*head query_pos key_pos"],
    second: Float[Tensor, "*other_head other_query_pos other_key_pos"],
    queries: Alignment,
    keys: Alignment,
) -> RowDivergence:
    """Compare aligned rows of two patterns over aligned keys, renormalised to sum to 1.

    Args:
        first: Patterns of one or more heads; one head is compared with each of the others.
        second: Patterns to compare with.
        queries: Which rows belong together.
        keys: Which columns belong together.

    Raises:
        InputError: If no query or no key has a counterpart.
    """
    if not queries.pairs or not keys.pairs:
        raise InputError("The two have no token in common, so there is nothing to compare.")
    p = first[..., queries.first, :][..., keys.first]
    q = second[..., queries.second, :][..., keys.second]
    totals = [side.sum(-1, keepdim=True) for side in (p, q)]
    empty = ((totals[0] <= 0) | (totals[1] <= 0))[..., 0]
    p, q = (
        side / total.clamp_min(torch.finfo(side.dtype).tiny)
        for side, total in zip((p, q), totals, strict=True)
    )
    shape = max(p.shape, q.shape, key=len)  # one head is compared with each of several
    bits = js_divergence(p.expand(shape), q.expand(shape)).masked_fill(empty, torch.nan)
    return RowDivergence(bits, (totals[0][..., 0].mean(-1), totals[1][..., 0].mean(-1)))
