"""The texts that quality is measured on: a small set that ships, or rows of a person's own file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transformer_core.errors import DataError
from transformer_core.training.data import (
    ReadingReport,
    Reference,
    group_references,
    is_held_out,
    read_pairs,
)

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "evaluation"

N_CALIBRATION = 64
"""Pairs that importance is measured on; refitting is the better for many more."""


@dataclass(frozen=True)
class EvaluationSet:
    """What quality and importance are measured on.

    Attributes:
        name: What results call it.
        pairs: Sentences with their translations, for BLEU, chrF and similarity.
        calibration: Other pairs, by which importance is measured.
        passages: English text, for perplexity.
    """

    name: str
    pairs: tuple[Reference, ...]
    calibration: tuple[Reference, ...]
    passages: tuple[str, ...]

    def first(self, n_pairs: int) -> EvaluationSet:
        """The same set with its first pairs only."""
        return EvaluationSet(self.name, self.pairs[:n_pairs], self.calibration, self.passages)


@cache
def shipped() -> EvaluationSet:
    """The set that ships with the project: 64 pairs, 32 for calibration, six passages."""
    passages = (FOLDER / "english.txt").read_text(encoding="utf-8").splitlines()
    return EvaluationSet(
        "Shipped set (64 pairs, CC0)",
        tuple(_pairs(FOLDER / "pairs.tsv")),
        tuple(_pairs(FOLDER / "calibration.tsv")),
        tuple(passages),
    )


def from_file(
    path: Path,
    *,
    held_out: float | None = None,
    limit: int = 500,
    n_calibration: int = N_CALIBRATION,
) -> EvaluationSet:
    """A set of the rows of a file; what it is calibrated with is not in what it is scored on.

    Args:
        path: ``source<TAB>reference``, .tsv or .tsv.xz.
        held_out: Score only the sentences that a training with this ``held_out`` has not seen, and
            calibrate with others; None scores the first rows and calibrates with those after.
        limit: Most sentences to score.
        n_calibration: Most pairs to calibrate with, evenly from all that are not scored.

    Raises:
        DataError: If the file cannot be read, or has too few rows.
    """
    if min(limit, n_calibration) < 1:
        raise DataError(
            f"The limits are {limit} and {n_calibration}; at least 1 sentence must be scored and 1 "
            "calibrated with."
        )
    references = _pairs(path)
    if held_out is None:
        scored, rest = references[:limit], references[limit:]
    else:
        scored = [r for r in references if is_held_out(r.source, held_out)][:limit]
        rest = [r for r in references if not is_held_out(r.source, held_out)]
    if not scored:
        raise DataError(f"{path}: no sentence is left to score.")
    return EvaluationSet(
        f"{path.name} ({len(scored)} sentences)",
        tuple(scored),
        tuple(rest[:: max(1, len(rest) // n_calibration)][:n_calibration]) or shipped().calibration,
        shipped().passages,
    )


def _pairs(path: Path) -> list[Reference]:
    return group_references(read_pairs(path, ReadingReport(str(path)), allow_extra_columns=True))
