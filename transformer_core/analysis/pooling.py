"""Patterns too large to draw, pooled by blocks without ever being whole in memory."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.tracing.records import AttentionRecord

RowsOf = Callable[[int, int], Tensor]
"""Query rows from a first to an end, ``[rows key_pos]``."""


def edges(length: int, n_blocks: int) -> list[int]:
    """Where each of at most ``n_blocks`` blocks of an axis starts, and the axis' end."""
    n_blocks = min(length, n_blocks)
    return [i * length // n_blocks for i in range(n_blocks + 1)]


def block_maxima(
    patterns: Float[Tensor, "head query_pos key_pos"], *, size: int = 32
) -> Float[Tensor, "head rows columns"]:
    """Several patterns pooled to at most size × size blocks: the largest weight of each."""
    rows, columns = (edges(n, size)[:-1] for n in patterns.shape[1:])
    by_row = np.maximum.reduceat(patterns.numpy(), rows, axis=1)
    return torch.from_numpy(np.maximum.reduceat(by_row, columns, axis=2))


def pooled_pattern(
    record: AttentionRecord, head: int, *, size: int = 256
) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, "rows columns"]]:
    """One head's pattern pooled to at most size × size blocks.

    Returns:
        The largest and the mean weight of each block.
    """
    return pooled_rows(
        lambda start, end: record.pattern(head, slice(start, end)),
        (record.n_query, record.n_key),
        size=size,
    )


def pooled_rows(
    rows_of: RowsOf, shape: tuple[int, int], *, size: int = 256
) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, "rows columns"]]:
    """Pool a matrix that is computed by rows to at most size × size blocks.

    Rows are computed block by block: the memory taken is O(keys · rows of a block).

    Args:
        rows_of: Computes rows.
        shape: Rows and columns of the whole.
        size: Blocks along an axis, at most.

    Returns:
        The largest and the mean weight of each block.
    """
    rows, columns = edges(shape[0], size), edges(shape[1], size)
    lengths = torch.tensor(columns).diff()
    largest, mean = [], []
    for start, end in pairwise(rows):
        block = rows_of(start, end)
        largest.append(torch.segment_reduce(block.amax(dim=0), "max", lengths=lengths))
        mean.append(torch.segment_reduce(block.mean(dim=0), "mean", lengths=lengths))
    return torch.stack(largest), torch.stack(mean)
