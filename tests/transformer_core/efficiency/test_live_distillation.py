"""A student on the page: it learns beside its teacher, pauses, is found again and goes on."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.tiny_translator import make_translator
from transformer_core.efficiency import live_distillation
from transformer_core.efficiency.distillation import Distillation, DistilledForcing, loss_parts
from transformer_core.efficiency.live_distillation import WAYS
from transformer_core.models.scratch import load_model
from transformer_core.training.batching import Batch
from transformer_core.training.data import Pair
from transformer_core.training.live_limits import LiveLimits
from transformer_core.training.live_runs import LiveRuns
from transformer_core.training.live_settings import DISTIL, DISTIL_OWN, LiveSettings

SMALL = LiveSettings(
    task=DISTIL_OWN, d_model=16, n_heads=2, n_layers=1, batch=8, max_steps=14, warmup=3
)
PAIRS = [Pair(f"The dog number {i}.", f"Le chien numéro {i}.", i) for i in range(1, 41)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveRuns]:
    make_translator(tmp_path / "teacher")
    taught = load_model(tmp_path / "teacher")
    monkeypatch.setattr(live_distillation, "teacher", lambda: taught)
    registry = LiveRuns(tmp_path / "runs", LiveLimits(n_runs=3, n_each=3, minutes=5), ways=WAYS)
    yield registry
    registry.stop_all()
    assert registry.n_active == 0


def test_both_losses_are_noted_and_their_mixture_is_what_is_taught(runs: LiveRuns) -> None:
    run = runs.start(SMALL, "me", PAIRS)
    run.join(60)
    record = run.record
    assert record.phase == "done", record.message
    assert len(record.points) == 14
    for point in record.points:
        mixed = 0.7 * point.soft + 0.3 * point.hard
        assert point.loss == pytest.approx(mixed, rel=1e-4)
    assert record.points[-1].soft < record.points[0].soft
    assert record.exams[-1].chrf is not None


def test_the_teacher_is_examined_on_the_same_unseen_pairs_and_not_changed(runs: LiveRuns) -> None:
    teacher, tokenizer = live_distillation.teacher()
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    run = runs.start(SMALL, "me", PAIRS)
    run.join(60)
    of_teacher, last = run.record.teacher, run.record.exams[-1]
    assert of_teacher is not None
    assert [s[:2] for s in of_teacher.samples] == [s[:2] for s in last.samples]
    assert of_teacher.n_unseen == last.n_unseen == 4
    for name, weight in teacher.state_dict().items():
        assert torch.equal(weight, before[name]), name
    student, own_tokenizer = run.model()
    assert own_tokenizer.vocab_size == tokenizer.vocab_size
    assert student.config.d_model == 16


def test_a_student_alone_hears_its_teacher_and_learns_nothing_from_it(runs: LiveRuns) -> None:
    settings = replace(SMALL, soft_share=0.0, label_smoothing=0.0)
    run = runs.start(settings, "me", PAIRS)
    run.join(60)
    for point in run.record.points:
        assert point.loss == pytest.approx(point.hard)
        assert point.nll == pytest.approx(point.hard)
        assert point.soft > 0


def test_another_server_finds_a_student_and_goes_on_with_its_teacher(runs: LiveRuns) -> None:
    run = runs.start(replace(SMALL, max_steps=10), "me", PAIRS)
    run.join(60)
    whole = runs.start(SMALL, "me", PAIRS)
    whole.join(60)
    SMALL.save(run.record.folder)  # its limit is raised, so that there is something left to do
    run.record.enter("training")  # what a server that was killed leaves behind
    found = LiveRuns(runs.folder, runs.limits, ways=WAYS).find(run.id)
    assert found is not None
    assert found.record.phase == "interrupted"
    assert found.record.teacher == run.record.teacher
    assert found.record.points == run.record.points
    found.start()
    found.join(60)
    assert [point.step for point in found.record.points] == [*range(1, 15)]
    for own, other in zip(found.record.points, whole.record.points, strict=True):
        assert own.soft == pytest.approx(other.soft, rel=1e-4)


def test_the_pairs_that_ship_are_enough_and_licensed() -> None:
    assert len(live_distillation.shipped_pairs()) == 234
    readme = live_distillation.PAIRS.with_name("README.md").read_text(encoding="utf-8")
    assert "CC0" in readme
    assert LiveSettings(task=DISTIL).title == "Student of en-fr-small"


def test_what_is_remembered_of_a_teacher_is_what_it_says(tmp_path: Path) -> None:
    make_translator(tmp_path / "teacher")
    teacher, _ = load_model(tmp_path / "teacher")
    generator = torch.Generator().manual_seed(0)
    vocabulary = teacher.config.vocab_size
    src, tgt, labels = (torch.randint(3, vocabulary, (3, 7), generator=generator) for _ in range(3))
    labels[1, 4:], src[2, 5:] = 0, 0
    batch = Batch(src, tgt, labels, src != 0, n_labels=int((labels != 0).sum()))
    plain = DistilledForcing(teacher, teacher, Distillation())
    heard: list[tuple[float, float]] = []
    known = DistilledForcing(
        teacher, teacher, Distillation(), remembers=100, note=lambda *both: heard.append(both)
    )
    for forcing in (known, known):  # computed, then remembered
        for own, other in zip(forcing(batch), plain(batch), strict=True):
            assert float(own) == pytest.approx(float(other), abs=1e-4)
    hidden = known._teacher(batch, labels != 0)
    assert torch.equal(hidden, plain._teacher(batch, labels != 0))
    assert len(heard) == 2


def test_the_parts_of_the_loss_are_torchs_own() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(5, 11, generator=generator) for _ in range(2))
    labels = torch.tensor([0, 3, 10, 2, 2])
    soft, hard, nll = loss_parts(student, teacher, labels, 2.0, smoothing=0.1)
    wanted = torch.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum")(student, labels)
    assert float(hard) == pytest.approx(float(wanted), rel=1e-5)
    wanted = torch.nn.CrossEntropyLoss(reduction="sum")(student, labels)
    assert float(nll) == pytest.approx(float(wanted), rel=1e-5)
    p, q = (teacher / 2).softmax(-1), (student / 2).softmax(-1)
    assert float(soft) == pytest.approx(4 * float((p * (p / q).log()).sum()), rel=1e-5)
    assert math.isclose(float(loss_parts(student, student, labels, 1.0)[0]), 0, abs_tol=1e-5)


def test_a_registry_without_teachers_refuses_a_student(tmp_path: Path) -> None:
    registry = LiveRuns(tmp_path, LiveLimits(n_runs=1, n_each=1, minutes=5))
    run = registry.start(SMALL, "me", PAIRS)
    run.join(60)
    assert run.record.phase == "failed"
    assert "no teacher" in run.record.message
    assert LiveSettings(task=DISTIL).is_distilled
    assert not LiveSettings(task=DISTIL).brings_pairs
