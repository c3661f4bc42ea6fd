"""Patterns too large to draw, pooled by blocks without ever being whole in memory."""

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.tracing.records import AttentionRecord


def edges(length: int, n_blocks: int) -> list[int]:
    """Where each of at most ``n_blocks`` blocks of an axis starts, and the axis' end."""
    n_blocks = min(length, n_blocks)
    return [i * length // n_blocks for i in range(n_blocks + 1)]


def pooled_pattern(
    record: AttentionRecord, head: int, *, size: int = 256
) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, "rows columns"]]:
    """One head's pattern pooled to at most size × size blocks.

    Rows are computed block by block: the memory taken is O(keys · rows of a block).

    Returns:
        The largest and the mean weight of each block.
    """
    rows, columns = edges(record.n_query, size), edges(record.n_key, size)
    lengths = torch.tensor(columns).diff()
    largest, mean = [], []
    for start, end in zip(rows, rows[1:], strict=False):
        block = record.pattern(head, slice(start, end))
        largest.append(torch.segment_reduce(block.amax(dim=0), "max", lengths=lengths))
        mean.append(torch.segment_reduce(block.mean(dim=0), "mean", lengths=lengths))
    return torch.stack(largest), torch.stack(mean)
