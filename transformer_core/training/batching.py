"""Batches of pairs of like lengths, of so many tokens each, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from transformer_core.training.corpus import EncodedPairs


@dataclass(frozen=True)
class SpecialIds:
    """Ids that batches are made with."""

    pad: int = 0
    bos: int = 1
    eos: int = 2


@dataclass(frozen=True)
class Batch:
    """Pairs, padded to rectangles.

    Attributes:
        src: ``source </s>``.
        tgt: What the decoder reads: ``<s> target``.
        labels: What it is taught: ``target </s>``; padding where ``tgt`` is padding.
        src_mask: True at tokens, False at padding.
        n_labels: Labels of the whole batch, over all processes that share it.
    """

    src: Int[Tensor, "batch src_pos"]
    tgt: Int[Tensor, "batch tgt_pos"]
    labels: Int[Tensor, "batch tgt_pos"]
    src_mask: Bool[Tensor, "batch src_pos"]
    n_labels: int

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        return Batch(
            self.src.to(device),
            self.tgt.to(device),
            self.labels.to(device),
            self.src_mask.to(device),
            self.n_labels,
        )


def plan_epoch(
    pairs: EncodedPairs, *, max_tokens: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Decide which pairs make the batches of an epoch, and their order.

    Pairs are sorted by the lengths of their sides, with chance deciding between equal ones, cut
    into batches, and the batches shuffled: next to no padding, and another composition each epoch.
    The plan is a function of its arguments, so a resumed run finds the same one.

    Args:
        pairs: What to learn from.
        max_tokens: Most positions of either side of a batch, padding included.
        seed: Of the run.
        epoch: Counted from 0.
    """
    rng = np.random.default_rng([seed, epoch])
    copies = np.floor(pairs.weights + rng.random(len(pairs))).astype(np.int64)
    rows = np.repeat(np.arange(len(pairs)), copies)
    src, tgt = pairs.source.lengths[rows] + 1, pairs.target.lengths[rows] + 1
    order = np.lexsort((rng.random(len(rows)), src, tgt))
    rows, widest = rows[order], np.maximum(src, tgt)[order]
    batches: list[NDArray[np.int64]] = []
    start, width = 0, 0
    for end, row_width in enumerate(widest):
        width = max(width, int(row_width))
        if end > start and width * (end - start + 1) > max_tokens:
            batches.append(rows[start:end])
            start, width = end, int(row_width)
    if start < len(rows):
        batches.append(rows[start:])
    return [batches[index] for index in rng.permutation(len(batches))]


def collate(
    pairs: EncodedPairs,
    rows: NDArray[np.int64],
    special: SpecialIds,
    *,
    rank: int = 0,
    n_processes: int = 1,
) -> Batch:
    """Make the batch of some rows, or one process's part of it.

    Args:
        pairs: What to learn from.
        rows: The rows of the whole batch.
        special: Ids of the special tokens.
        rank: Which process's part: rows ``rank``, ``rank + n_processes``, …
        n_processes: How many processes share the batch.
    """
    n_labels = int((pairs.target.lengths[rows] + 1).sum())
    mine = rows[rank::n_processes]
    is_idle = len(mine) == 0
    if is_idle:  # fewer rows than processes: this one computes along, with nothing to be taught
        mine = rows[:1]
    sources = [pairs.source[row] for row in mine]
    targets = [pairs.target[row] for row in mine]
    src = _padded(sources, special.pad, after=special.eos)
    labels = _padded(targets, special.pad, after=special.eos)
    if is_idle:
        labels.fill_(special.pad)
    return Batch(
        src=src,
        tgt=_padded(targets, special.pad, before=special.bos),
        labels=labels,
        src_mask=src != special.pad,
        n_labels=n_labels,
    )


def _padded(
    rows: Sequence[NDArray[np.int32]],
    pad: int,
    *,
    before: int | None = None,
    after: int | None = None,
) -> Tensor:
    shift = int(before is not None)
    width = max((len(row) for row in rows), default=0) + 1
    grid = np.full((len(rows), width), pad, dtype=np.int64)
    for index, row in enumerate(rows):
        grid[index, shift : shift + len(row)] = row
        if before is not None:
            grid[index, 0] = before
        if after is not None:
            grid[index, len(row)] = after
    return torch.from_numpy(grid)
