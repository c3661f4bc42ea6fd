"""Corpora made ready for training: what to learn from, what is held out, and both as token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import DataError
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training.data import (
    Pair,
    ReadingReport,
    Reference,
    group_references,
    is_held_out,
    read_pairs,
    sentence_key,
    without_noise,
)

_ENCODED_AT_ONCE = 10_000


@dataclass(frozen=True)
class CorpusSpec:
    """A file of pairs and how to use it.

    Attributes:
        name: What reports call it.
        path: The file.
        weight: How often an epoch goes through it; 1.5 is once, and half of it twice.
        held_out: Share of its source sentences that is kept for validation.
        max_ratio: Pairs whose lengths differ by more are left out; None keeps them all.
    """

    name: str
    path: Path
    weight: float = 1.0
    held_out: float = 0.0
    max_ratio: float | None = None


@dataclass(frozen=True)
class Corpus:
    """A file of pairs that was read and split.

    Attributes:
        spec: What was asked for.
        train: Pairs to learn from.
        validation: Held-out sentences; none of them is in any corpus's ``train``.
        report: What was found in the file.
    """

    spec: CorpusSpec
    train: list[Pair]
    validation: list[Reference]
    report: ReadingReport = field(repr=False)


def read_corpora(specs: Sequence[CorpusSpec]) -> list[Corpus]:
    """Read and split corpora; a sentence held out of one is learnt from in none.

    Raises:
        DataError: If a file is unusable, or nothing is left to learn from.
    """
    parts = []
    held_out: set[str] = set()
    for spec in specs:
        report = ReadingReport(str(spec.path))
        pairs: Iterator[Pair] = read_pairs(spec.path, report, allow_extra_columns=True)
        if spec.max_ratio is not None:
            pairs = without_noise(pairs, report, max_ratio=spec.max_ratio)
        kept = list(pairs)
        validation = [pair for pair in kept if is_held_out(pair.source, spec.held_out)]
        held_out.update(sentence_key(pair.source) for pair in validation)
        parts.append((spec, kept, validation, report))
    corpora = [
        Corpus(
            spec,
            [pair for pair in kept if sentence_key(pair.source) not in held_out],
            group_references(validation),
            report,
        )
        for spec, kept, validation, report in parts
    ]
    if not any(corpus.train for corpus in corpora):
        raise DataError("No pair is left to learn from: every sentence is held out.")
    return corpora


@dataclass(frozen=True)
class Ragged:
    """Rows of ids of different lengths, stored one after the other."""

    flat: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Store rows."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = np.fromiter((i for row in rows for i in row), dtype=np.int32, count=offsets[-1])
        return cls(flat, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each row."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as token ids, without special tokens.

    Attributes:
        source: Sources.
        target: Targets.
        weights: How often an epoch goes through each pair.
        n_too_long: Pairs left out because a side had more tokens than the model reads.
    """

    source: Ragged
    target: Ragged
    weights: NDArray[np.float64]
    n_too_long: int = 0

    def __len__(self) -> int:
        return len(self.source)


def encode_pairs(
    corpora: Sequence[Corpus], tokenizer: BpeTokenizer, *, max_tokens: int
) -> EncodedPairs:
    """Encode what there is to learn from.

    Args:
        corpora: What was read.
        tokenizer: The tokenizer of both sides.
        max_tokens: Most tokens of a side, its special token included; longer pairs are left out
            and counted.
    """
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    weights: list[float] = []
    n_too_long = 0
    for corpus in corpora:
        for start in range(0, len(corpus.train), _ENCODED_AT_ONCE):
            pairs = corpus.train[start : start + _ENCODED_AT_ONCE]
            for source, target in zip(
                tokenizer.encode_ids([pair.source for pair in pairs]),
                tokenizer.encode_ids([pair.target for pair in pairs]),
                strict=True,
            ):
                if max(len(source), len(target)) >= max_tokens:
                    n_too_long += 1
                    continue
                sources.append(source)
                targets.append(target)
                weights.append(corpus.spec.weight)
    return EncodedPairs(
        Ragged.from_rows(sources), Ragged.from_rows(targets), np.array(weights), n_too_long
    )
