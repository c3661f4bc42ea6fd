"""Runs that a page watches: alone and beside others, paused, lost and found again."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from transformer_core.errors import BusyError, DataError
from transformer_core.training import live_data, live_run
from transformer_core.training.data import Pair
from transformer_core.training.live_data import begin
from transformer_core.training.live_limits import LiveLimits
from transformer_core.training.live_record import Point, Record, thinned
from transformer_core.training.live_run import LiveRun
from transformer_core.training.live_runs import LiveRuns
from transformer_core.training.live_settings import LiveSettings
from transformer_core.training.snapshots import is_moment

TINY = LiveSettings(
    task="copy", size=3, d_model=16, n_heads=2, n_layers=1, batch=8, max_steps=12, warmup=5
)
LONG = replace(TINY, max_steps=50_000)
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_data, "N_PAIRS", 300)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[LiveRuns]:
    registry = LiveRuns(tmp_path, LiveLimits(n_runs=3, n_each=2, minutes=5))
    yield registry
    registry.stop_all()
    assert not [thread for thread in threading.enumerate() if thread.name == "work"]


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def finished(run: LiveRun) -> Record:
    run.join(PATIENCE)
    assert not run.is_active
    return run.record


def test_a_run_trains_to_its_end_and_shows_every_step(runs: LiveRuns) -> None:
    record = finished(runs.start(TINY, "me"))
    assert record.phase == "done", record.message
    assert [point.step for point in record.points] == [*range(1, 13)]
    assert all(point.loss > 0 and point.grad_norm > 0 for point in record.points)
    assert record.points[0].rate == pytest.approx(2e-3 / 5)
    assert record.exams[0].step == 1
    assert record.exams[-1].step == 12
    assert record.film is not None
    steps = [frame.step for frame in record.film.frames]
    assert steps == [step for step in range(13) if is_moment(step)] + [12]


def test_the_page_trains_as_the_bare_loop_does(runs: LiveRuns, tmp_path: Path) -> None:
    run = runs.start(TINY, "me")
    finished(run)
    bare = begin(tmp_path / "bare", TINY)
    steps = []
    for step in bare.run.trainer:
        steps.append(step)
        if step.step == TINY.max_steps:
            break
    assert [point.loss for point in run.record.points] == [step.loss for step in steps]
    ours, _ = run.model()
    for name, weight in bare.run.trainer.model.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weight), name


def test_a_paused_run_goes_on_exactly_there(runs: LiveRuns) -> None:
    run = runs.start(replace(LONG, max_steps=60), "me")
    until(lambda: run.record.step >= 3)
    run.pause()
    assert finished(run).phase == "paused"
    stopped_at = run.record.step
    assert run.can_go_on
    runs.go_on(run)
    record = finished(run)
    assert record.phase == "done"
    assert [point.step for point in record.points] == [*range(1, 61)]
    assert 3 <= stopped_at < 60


def test_another_server_finds_an_interrupted_run_and_goes_on(runs: LiveRuns) -> None:
    settings = replace(LONG, max_steps=60)
    run = runs.start(settings, "me")
    until(lambda: run.record.step >= 3)
    run.pause()
    finished(run)
    run.record.enter("training")  # what a server that was killed leaves behind
    run.record.phase = "paused"
    other = LiveRuns(runs.folder, runs.limits)
    found = other.find(run.id)
    assert found is not None
    assert found.record.phase == "interrupted"
    assert found.record.points == run.record.points
    assert found.record.film is not None
    assert found.settings == settings
    other.go_on(found)
    record = finished(found)
    assert record.phase == "done", record.message
    assert [point.step for point in record.points] == [*range(1, 61)]


def test_a_run_that_nobody_can_find_is_none(runs: LiveRuns) -> None:
    assert runs.find("0123456789abcdef") is None
    assert runs.find("../../etc/passwd") is None
    assert runs.find("") is None


def test_two_people_train_at_once_without_mixing(runs: LiveRuns) -> None:
    other = replace(TINY, task="reverse", seed=5)
    mine, yours = runs.start(TINY, "me"), runs.start(other, "you")
    assert runs.of("me") == [mine]
    assert runs.of("you") == [yours]
    losses = [point.loss for point in finished(mine).points]
    assert losses != [point.loss for point in finished(yours).points]
    alone = runs.start(TINY, "me")
    assert [point.loss for point in finished(alone).points] == losses


def test_a_server_that_is_full_says_so(runs: LiveRuns) -> None:
    first = runs.start(LONG, "me")
    runs.start(LONG, "me")
    with pytest.raises(BusyError, match="2 of your runs are training"):
        runs.start(LONG, "me")
    runs.start(LONG, "you")
    with pytest.raises(BusyError, match="3 runs are training on this server"):
        runs.start(LONG, "somebody else")
    first.stop()
    assert finished(first).phase == "stopped"
    runs.start(LONG, "me")


def test_a_run_ends_when_its_time_is_up(tmp_path: Path) -> None:
    registry = LiveRuns(tmp_path, LiveLimits(minutes=0.1 / 60))
    record = finished(registry.start(LONG, "me"))
    assert record.phase == "stopped"
    assert "limit of 0.00167 minutes" in record.message
    assert record.step >= 1


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_gradient_that_is_no_number_ends_the_run_with_good_weights(
    runs: LiveRuns, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    def explode(run: LiveRun) -> None:
        assert run._prepared is not None
        trainer = run._prepared.run.trainer
        learn = trainer._learn

        def learn_badly(batch: object, rate: float) -> tuple[float, float, float]:
            if trainer.step == 4:
                weight = next(iter(trainer.model.parameters()))
                with torch.no_grad():
                    if is_damaged:
                        weight[0] = torch.nan
                    else:
                        weight.register_hook(lambda grad: grad * torch.nan)
            return learn(batch, rate)  # type: ignore[arg-type]

        monkeypatch.setattr(trainer, "_learn", learn_badly)

    ready = LiveRun._ready

    def prepare(run: LiveRun) -> object:
        prepared = ready(run)
        explode(run)
        return prepared

    monkeypatch.setattr(LiveRun, "_ready", prepare)
    run = runs.start(replace(TINY, task="copy", max_steps=50), "me")
    record = finished(run)
    assert record.phase == "failed"
    assert "Step 5: the gradient is not finite" in record.message
    assert f"The weights of step {0 if is_damaged else 4} are kept." in record.message
    model, _ = run.model()
    assert all(bool(torch.isfinite(weight).all()) for weight in model.parameters())


def test_bad_data_end_the_run_with_a_message(runs: LiveRuns) -> None:
    own = [Pair("x" * 500, f"target {i}", i) for i in range(30)]
    record = finished(runs.start(replace(TINY, task="own"), "me", own))
    assert record.phase == "failed"
    assert "longer than" in record.message


def test_pairs_of_ones_own_are_learned_from_at_either_level(runs: LiveRuns) -> None:
    own = [Pair(f"déjà {i}", f"vu {i}", i) for i in range(40)] + [Pair("x" * 300, "y", 41)]
    for level in ("characters", "bpe"):
        settings = replace(TINY, task="own", level=level, max_steps=10)
        run = runs.start(settings, "me", own)
        record = finished(run)
        assert record.phase == "done", record.message
        _, tokenizer = run.model()
        n_tokens = len(tokenizer.encode("déjà 7")) - 1
        assert n_tokens == 6 if level == "characters" else n_tokens < 6
        assert any("1 pairs are longer" in note for note in record.notes) or record.notes == ()


def test_old_runs_are_forgotten_and_those_that_train_are_not(tmp_path: Path) -> None:
    registry = LiveRuns(tmp_path, LiveLimits(n_kept=1))
    first = registry.start(TINY, "me")
    finished(first)
    second = registry.start(TINY, "me")
    finished(second)
    third = registry.start(TINY, "me")
    finished(third)
    assert third.record.folder.exists()
    assert not first.record.folder.exists()
    assert registry.find(first.id) is None


def test_points_are_thinned_to_means_that_keep_the_last_step() -> None:
    points = [Point(i, float(i), 0.0, 0.1, 1.0, 0.01, i * 0.01) for i in range(1, 101)]
    few = thinned(points, 10)
    assert len(few) == 10
    assert few[-1].step == 100
    assert few[0].loss == pytest.approx(5.5)
    assert thinned(points[:5], 10) == points[:5]


def test_a_point_that_is_no_number_survives_the_disk(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.enter("training")
    record.points.append(Point(1, math.inf, 1.0, 0.1, 1.0, 0.01, 0.01))
    record.write()
    assert math.isnan(Record.read(tmp_path).points[0].loss)


def test_own_pairs_are_needed_where_they_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pairs yet"):
        begin(tmp_path, replace(TINY, task="own"))


def test_a_last_checkpoint_is_there_from_the_beginning(runs: LiveRuns) -> None:
    run = runs.start(LONG, "me")
    until(lambda: run.record.step >= 1)
    assert live_run.checkpoints(run.record.folder)
    run.stop()
    finished(run)
