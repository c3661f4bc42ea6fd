"""A student that learns from the built-in translator while somebody looks, on few pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from torch import nn

from transformer_core.efficiency.distillation import Distillation, DistilledForcing
from transformer_core.model import Transformer
from transformer_core.models.catalogue import SHIPPED
from transformer_core.models.scratch import load_model
from transformer_core.tokenization.bpe import BpeTokenizer
from transformer_core.training import live_data
from transformer_core.training.data import Pair
from transformer_core.training.exam import Exam
from transformer_core.training.live_data import Prepared, Taught
from transformer_core.training.live_record import TEACHER as TEACHER_FILE
from transformer_core.training.live_runs import Way
from transformer_core.training.live_settings import DISTIL, DISTIL_OWN, TEACHER, LiveSettings
from transformer_core.training.own_pairs import read_own_pairs

PAIRS = SHIPPED.parent / "training" / "machine-learning.en-fr.tsv"
"""The pairs that ship: 234 about machine learning, CC0."""
_REMEMBERED = 20_000
"""Labels whose place in the teacher's last layer is kept: 20 MB."""


@cache
def teacher() -> tuple[Transformer, BpeTokenizer]:
    """The built-in translator: one for all students, read and never changed.

    Raises:
        ModelUnavailableError: If it is not there.
    """
    return load_model(SHIPPED / TEACHER)


def shipped_pairs() -> list[Pair]:
    """The pairs that a student learns from where a person brings none.

    Raises:
        DataError: If the file cannot be read.
    """
    return read_own_pairs(PAIRS.read_bytes(), PAIRS.name)[0]


@dataclass
class _Parts:
    """The two losses of a step, as the trainer's loss last told them."""

    soft: float = field(default=0.0)
    hard: float = field(default=0.0)

    def note(self, soft: float, hard: float) -> None:
        self.soft, self.hard = soft, hard

    def last(self) -> tuple[float, float]:
        return self.soft, self.hard


def begin(folder: Path, settings: LiveSettings, own: Sequence[Pair] = ()) -> Prepared:
    """Begin a student in a new folder.

    Args:
        folder: Where its run is kept.
        settings: What a person set.
        own: Pairs of one's own, where the task is that.

    Raises:
        DataError: If nothing is left to learn from.
        ConfigError: If settings contradict each other.
        ModelUnavailableError: If the teacher is not there.
    """
    parts = _Parts()
    pairs = own if settings.brings_pairs else shipped_pairs()
    prepared = live_data.begin(folder, settings, pairs, _taught(settings, parts))
    return _beside(prepared, folder, parts)


def go_on(folder: Path) -> Prepared:
    """Go on with a student from its last checkpoint.

    Raises:
        CheckpointError: If it has none, or something is missing.
        ModelUnavailableError: If the teacher is not there.
    """
    parts = _Parts()
    prepared = live_data.go_on(folder, _taught(LiveSettings.load(folder), parts))
    return _beside(prepared, folder, parts)


def _taught(settings: LiveSettings, parts: _Parts) -> Taught:
    large, tokenizer = teacher()
    how = Distillation(settings.temperature, settings.soft_share)

    def forcing(student: Transformer) -> nn.Module:
        smoothing = settings.label_smoothing
        return DistilledForcing(
            student,
            large,
            how,
            label_smoothing=smoothing,
            note=parts.note,
            remembers=_REMEMBERED,
        )

    return Taught(tokenizer, forcing)


def _beside(prepared: Prepared, folder: Path, parts: _Parts) -> Prepared:
    """The run with the teacher's own exam on the same unseen pairs."""
    path = folder / TEACHER_FILE
    if path.is_file():
        found = Exam.from_dict(json.loads(path.read_text(encoding="utf-8")))
    else:
        found = prepared.examiner.examine(teacher()[0], step=0, seconds=0.0)
        path.write_text(json.dumps(found.to_dict(), ensure_ascii=False), encoding="utf-8")
    return replace(prepared, parts=parts.last, teacher=found)


WAYS = dict.fromkeys((DISTIL, DISTIL_OWN), Way(begin, go_on))
"""What a registry of runs is given, so that students are taught in it."""
