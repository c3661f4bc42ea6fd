"""Pairs that a person brings: read from a file or a pasted text, and split into seen and unseen."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transformer_core.errors import DataError
from transformer_core.training.data import Pair, ReadingReport, read_pairs, sentence_key

MAX_BYTES = 20 * 2**20
"""A larger file is refused before it is read."""
MIN_PAIRS = 20
"""Fewer pairs leave nothing to try the model on."""
MAX_PAIRS = 200_000
MAX_UNSEEN = 200
_UNSEEN_SHARE = 0.1


def check_size(n_bytes: int, name: str) -> None:
    """Refuse a file that is too large, before it is read.

    Raises:
        DataError: If it is.
    """
    if n_bytes > MAX_BYTES:
        raise DataError(
            f"{name} has {n_bytes / 2**20:,.0f} MiB; {MAX_BYTES // 2**20} MiB are read at most. "
            "For more, use the command: python -m transformer_core train start."
        )


def read_own_pairs(content: bytes, name: str) -> tuple[list[Pair], ReadingReport]:
    """Read rows of ``source<TAB>target``.

    Args:
        content: The file, or the text that was pasted, in UTF-8.
        name: What messages call it.

    Raises:
        DataError: If it is too large or empty, holds mostly rows that are no pairs, or too few.
    """
    check_size(len(content), name)
    if not content.strip():
        raise DataError(f"{name} is empty: give rows of source<TAB>target, one pair a row.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        path.write_bytes(content)
        report = ReadingReport(name)
        try:
            pairs = list(read_pairs(path, report, allow_extra_columns=True))
        except DataError as error:
            raise DataError(str(error).replace(str(path), name)) from error
    if len(pairs) > MAX_PAIRS:
        raise DataError(f"{name} has {len(pairs):,} pairs; {MAX_PAIRS:,} are learnt from at most.")
    n_sources = len({sentence_key(pair.source) for pair in pairs})
    if n_sources < MIN_PAIRS:
        raise DataError(
            f"{name} has {len(pairs):,} pair{'s'[: len(pairs) > 1]} with {n_sources:,} different "
            f"source{'s'[: n_sources > 1]}; at least {MIN_PAIRS} are needed, as some are kept to "
            "try the model on."
        )
    return pairs, report


def split(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Split into pairs to learn from and unseen ones; no source stands on both sides.

    A tenth of the sources, at most 200, is kept back: those whose hashes are smallest, so that the
    same pairs are always split in the same way.
    """
    by_hash = sorted({sentence_key(pair.source) for pair in pairs}, key=_digest)
    unseen = set(by_hash[: min(MAX_UNSEEN, max(1, int(len(by_hash) * _UNSEEN_SHARE)))])
    seen = [pair for pair in pairs if sentence_key(pair.source) not in unseen]
    tried: dict[str, Pair] = {}
    for pair in pairs:
        if sentence_key(pair.source) in unseen:
            tried.setdefault(sentence_key(pair.source), pair)
    return seen, list(tried.values())


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
