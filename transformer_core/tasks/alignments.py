"""Where alignments of a model are read best: measured for our own translator, else a fair guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformer_core.analysis.word_alignment import AlignmentChoice
from transformer_core.models.catalogue import SHIPPED

FILE = "alignment.json"


def is_measured(model: Any) -> bool:
    """Whether a model's choice was measured on hand-aligned sentences."""
    return (SHIPPED / str(model.card.id) / FILE).is_file()


def measured_choice(model: Any) -> AlignmentChoice:
    """Return the layer, head and row that a model's alignments are read from.

    Args:
        model: An encoder–decoder. For one that ships with the project the choice was measured on
            hand-aligned sentences (see :func:`..analysis.word_alignment.error_rates`) and lies
            beside its weights; for others it is the mean over the heads of the last layer but one.
    """
    path = SHIPPED / str(model.card.id) / FILE
    if path.is_file():
        facts = json.loads(path.read_text(encoding="utf-8"))
        return AlignmentChoice(int(facts["layer"]), facts["head"], int(facts["shift"]))
    return AlignmentChoice(max(0, model.n_layers("cross") - 2))


def save_choice(folder: Path, choice: AlignmentChoice, error_rate: float, n_pairs: int) -> None:
    """Write a measured choice beside a model's weights."""
    facts = {
        "layer": choice.layer,
        "head": choice.head,
        "shift": choice.shift,
        "alignment_error_rate": round(error_rate, 4),
        "n_pairs": n_pairs,
    }
    (folder / FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
