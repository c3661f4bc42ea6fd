"""Students trained on files: with a teacher, and the same student alone beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from transformer_core.config import TransformerConfig
from transformer_core.efficiency.distillation import (
    Distillation,
    DistilledForcing,
    student_config,
)
from transformer_core.errors import InputError
from transformer_core.model import Transformer
from transformer_core.models.scratch import save_model
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.training.checkpoints import checkpoints, load_checkpoint, save_checkpoint
from transformer_core.training.corpus import Corpus, CorpusSpec, encode_pairs, read_corpora
from transformer_core.training.recipe import Recipe
from transformer_core.training.trainer import Step, Trainer
from transformer_core.training.validation import Scores, score, translate_greedily

DISTILLED, ALONE = "distilled", "alone"
_SAVE_EVERY = 200
"""Steps between checkpoints."""
MAX_SHARE = 0.25
"""A student larger than this share of its teacher saves too little to be worth teaching."""


@dataclass(frozen=True)
class Lesson:
    """What a student is taught with.

    Attributes:
        corpora: Files of pairs; what is held out of them is what it is scored on.
        shape: The student's, where it differs from the default.
        recipe: How it is trained; both students get the same.
        how: Temperature and shares.
        steps: Steps of training, of which the last quarter is the decay of the rate.
    """

    corpora: tuple[CorpusSpec, ...]
    shape: dict[str, Any]
    recipe: Recipe
    how: Distillation
    steps: int


Watch = Callable[[str, Step], None]
"""Told of every step of a student."""


def teach(
    teacher: ScratchModel,
    lesson: Lesson,
    folder: Path,
    *,
    which: Sequence[str] = (DISTILLED, ALONE),
    watch: Watch = lambda _, __: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Transformer]:
    """Train students and write each as a folder that ``load`` takes.

    A student whose training was broken off goes on from its last checkpoint; one that is finished
    is read.

    Args:
        teacher: What they learn from.
        lesson: What they are taught with.
        folder: Where they are kept, each in a folder of its name.
        which: ``distilled``, ``alone`` or both.
        watch: Told of every step.
        should_stop: Asked after every step; a checkpoint is written when it says yes.

    Returns:
        The students that are finished.

    Raises:
        InputError: If the student is not smaller than the teacher by enough, or steps are too few.
    """
    config = _checked_config(teacher, lesson)
    corpora = read_corpora(lesson.corpora)
    tokenizer: Any = teacher.tokenizer
    pairs = encode_pairs(corpora, tokenizer, max_tokens=config.n_ctx)
    finished = {}
    for name in which:
        model = Transformer(config, generator=torch.Generator().manual_seed(lesson.recipe.seed))
        forcing = None
        if name == DISTILLED:
            forcing = DistilledForcing(
                model, teacher.module, lesson.how, label_smoothing=lesson.recipe.label_smoothing
            )
        trainer = Trainer(model, pairs, lesson.recipe, forcing=forcing)
        if _train(trainer, folder / name, lesson.steps, partial(watch, name), should_stop):
            plain_model = Transformer(config)
            plain_model.load_state_dict(model.state_dict())
            save_model(folder / name, plain_model, tokenizer)
            finished[name] = plain_model.train(False)
    return finished


def _checked_config(teacher: ScratchModel, lesson: Lesson) -> TransformerConfig:
    """The student's shape, if it is small enough to be worth teaching."""
    if lesson.steps < 4:
        raise InputError(f"{lesson.steps} steps are too few; give at least 4.")
    config = student_config(teacher.module.config, **lesson.shape)
    with torch.device("meta"):
        n_parameters = _count(Transformer(config))
    share = n_parameters / _count(teacher.module)
    if share > MAX_SHARE:
        raise InputError(
            f"The student would have {n_parameters:,} parameters, {share:.0%} of the teacher's; "
            f"make it at most {MAX_SHARE:.0%}: fewer layers, a smaller d_model or d_ff."
        )
    return config


def exam(
    teacher: ScratchModel,
    students: dict[str, Transformer],
    corpora: Sequence[CorpusSpec],
    *,
    limit: int | None = None,
) -> dict[str, dict[str, Scores]]:
    """Score the teacher and its students on the sentences held out, greedily, by corpus."""
    tokenizer: Any = teacher.tokenizer
    models = {"teacher": teacher.module, **students}
    results: dict[str, dict[str, Scores]] = {}
    for corpus in _with_validation(read_corpora(corpora)):
        references = corpus.validation[:limit]
        results[corpus.spec.name] = {
            name: score(
                translate_greedily(model, tokenizer, [r.source for r in references]),
                [r.targets for r in references],
            )
            for name, model in models.items()
        }
    return results


def _with_validation(corpora: Sequence[Corpus]) -> list[Corpus]:
    found = [corpus for corpus in corpora if corpus.validation]
    if not found:
        raise InputError(
            "Nothing is held out to score the students on: give a file with held_out=SHARE."
        )
    return found


def _train(
    trainer: Trainer,
    folder: Path,
    steps: int,
    watch: Callable[[Step], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Train to the end, or to where it is stopped; tell whether it is finished."""
    saved = checkpoints(folder)
    if saved:
        trainer.restore(load_checkpoint(saved[-1]))
    n_decay = max(1, steps // 4)
    for step in _steps(trainer, steps, n_decay):
        watch(step)
        is_stopped = should_stop()
        if is_stopped or step.step % _SAVE_EVERY == 0:
            save_checkpoint(folder, trainer.state(), keep=1)
        if is_stopped:
            return False
    save_checkpoint(folder, trainer.state(), keep=1)
    return True


def _steps(trainer: Trainer, steps: int, n_decay: int) -> Any:
    """The trainer's steps, the rate falling over the last of them."""

    def begin() -> None:
        if trainer.step >= steps - n_decay and trainer.recipe.schedule.decay_start is None:
            trainer.begin_decay(steps - trainer.step)

    begin()
    for step in trainer:
        yield step
        begin()


def _count(model: Transformer) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
