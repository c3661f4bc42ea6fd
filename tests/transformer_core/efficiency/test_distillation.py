"""The loss against its equation and torch's own; a student in the training loop, on files."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_corpus import write_corpus
from transformer_core.config import TransformerConfig
from transformer_core.efficiency.distillation import (
    Distillation,
    DistilledForcing,
    distillation_loss,
    student_config,
)
from transformer_core.efficiency.students import ALONE, DISTILLED, Lesson, exam, teach
from transformer_core.errors import ConfigError, InputError
from transformer_core.model import Transformer
from transformer_core.models.loading import load
from transformer_core.training.batching import Batch
from transformer_core.training.corpus import CorpusSpec
from transformer_core.training.recipe import Recipe
from transformer_core.training.schedule import Schedule
from transformer_core.training.trainer import TeacherForcing


def logits(seed: int) -> torch.Tensor:
    return torch.randn(6, 9, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_hintons_equation() -> None:
    student, teacher = logits(0), logits(1)
    labels = torch.arange(6)
    how = Distillation(temperature=3.0, soft_share=0.6)
    found = distillation_loss(student, teacher, labels, how)
    p, q = (teacher / 3).softmax(-1), (student / 3).softmax(-1)
    soft = (p * (p.log() - q.log())).sum()
    hard = -student.log_softmax(-1)[torch.arange(6), labels].sum()
    assert float(found) == pytest.approx(float(0.6 * 9 * soft + 0.4 * hard), rel=1e-5)


def test_a_student_that_is_its_teacher_has_nothing_soft_to_learn() -> None:
    student = logits(0).requires_grad_()
    loss = distillation_loss(student, student, torch.arange(6), Distillation(2.0, 1.0))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    assert float(student.grad.abs().max()) < 1e-5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Distillation(temperature=0), "must be above 0"),
        (lambda: Distillation(soft_share=1.5), "from 0 to 1"),
        (lambda: Distillation(soft_share=-0.1), "from 0 to 1"),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def shape(**changes: Any) -> TransformerConfig:
    values = {"vocab_size": 40, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_ctx": 20,
              "n_encoder_layers": 1, "n_decoder_layers": 1, "dropout": 0.0}  # fmt: skip
    return TransformerConfig.from_dict(values | changes)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    src, tgt, labels = (torch.randint(3, 40, (3, 7), generator=generator) for _ in range(3))
    labels[1, 4:] = 0
    return Batch(src, tgt, labels, src != 0, n_labels=int((labels != 0).sum()))


def test_hard_labels_alone_are_what_is_taught_without_a_teacher() -> None:
    student = Transformer(shape(), generator=torch.Generator().manual_seed(1))
    teacher = Transformer(shape(d_model=32), generator=torch.Generator().manual_seed(2))
    alone = DistilledForcing(student, teacher, Distillation(2.0, 0.0), label_smoothing=0.1)
    plain = TeacherForcing(student, label_smoothing=0.1)
    for own, other in zip(alone(batch()), plain(batch()), strict=True):
        assert float(own.detach()) == pytest.approx(float(other.detach()), rel=1e-5)
    names = {name for name, _ in alone.named_parameters()}
    assert names == {f"model.{name}" for name, _ in student.named_parameters()}


def test_other_tokens_cannot_be_learnt_from() -> None:
    small, other = Transformer(shape()), Transformer(shape(vocab_size=41))
    with pytest.raises(ConfigError, match="vocab_size is 40, the teacher's 41"):
        DistilledForcing(small, other, Distillation())


def test_the_default_student_is_a_quarter_of_the_translator_at_most() -> None:
    config = shape(
        vocab_size=8192, d_model=256, n_heads=8, d_ff=1024, n_encoder_layers=4, n_decoder_layers=3
    )
    with torch.device("meta"):
        sizes = [
            sum(p.numel() for p in Transformer(one).parameters())
            for one in (student_config(config), config)
        ]
    assert sizes[0] <= sizes[1] / 4


def test_students_are_taught_saved_gone_on_with_and_scored(translator: Any, tmp_path: Path) -> None:
    spec = CorpusSpec("numbers", write_corpus(tmp_path / "n.tsv", n=80), held_out=0.2)
    recipe = Recipe(schedule=Schedule(warmup=2), max_tokens=256)
    small = {"d_model": 8, "n_heads": 2, "d_ff": 16, "n_encoder_layers": 1, "n_decoder_layers": 1}
    lesson = Lesson((spec,), small, recipe, Distillation(), steps=6)
    seen: list[tuple[str, int]] = []
    stops = iter([False, True])
    done = teach(
        translator, lesson, tmp_path, which=[DISTILLED],
        watch=lambda name, step: seen.append((name, step.step)), should_stop=lambda: next(stops),
    )  # fmt: skip
    assert done == {}
    done = teach(
        translator, lesson, tmp_path, watch=lambda name, step: seen.append((name, step.step))
    )
    assert seen == [(DISTILLED, i) for i in range(1, 7)] + [(ALONE, i) for i in range(1, 7)]
    assert load(tmp_path / DISTILLED).translate("one two") is not None
    scores = exam(translator, done, [spec], limit=4)
    assert set(scores["numbers"]) == {"teacher", DISTILLED, ALONE}


def test_a_student_too_large_and_too_few_steps_are_refused(translator: Any, tmp_path: Path) -> None:
    spec = CorpusSpec("numbers", write_corpus(tmp_path / "n.tsv", n=20), held_out=0.2)
    large = Lesson((spec,), {"d_model": 32, "n_heads": 2}, Recipe(), Distillation(), steps=6)
    with pytest.raises(InputError, match="at most 25%"):
        teach(translator, large, tmp_path)
    with pytest.raises(InputError, match="too few"):
        teach(translator, Lesson((spec,), {}, Recipe(), Distillation(), steps=1), tmp_path)
