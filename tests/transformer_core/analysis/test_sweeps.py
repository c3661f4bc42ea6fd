"""Sweeps in the background: they end, stop when nobody looks, go on, and say what went wrong."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.tiny_models import make_tiny
from transformer_core.analysis import ablation, sweeps
from transformer_core.analysis.ablation import head_importance
from transformer_core.analysis.sweeps import HeadSweep
from transformer_core.errors import InputError
from transformer_core.models.loading import load

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny("bert", tmp_path_factory.mktemp("tiny") / "bert"))


@pytest.fixture(autouse=True)
def one_head_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "MAX_COPIES", 1)


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.005)


class Gate:
    """Lets a sweep go on one batch at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes = threading.Semaphore(0)
        original = ablation.sweep

        def gated(*args: Any, **options: Any) -> Any:
            for found in original(*args, **options):
                assert self.passes.acquire(timeout=20)
                yield found

        monkeypatch.setattr(sweeps, "sweep", gated)

    def open(self, n: int) -> None:
        """Let so many batches pass."""
        for _ in range(n):
            self.passes.release()


def test_a_watched_sweep_finds_what_head_importance_finds(model: Any) -> None:
    plain = model.trace(TEXT)
    sweep = HeadSweep(model, plain, "encoder", "zero")
    assert not sweep.work.is_running
    assert bool(sweep.importance.isnan().all())
    sweep.work.watch("a")
    wait(lambda: not sweep.work.is_running)
    assert sweep.is_complete
    assert torch.allclose(sweep.importance, head_importance(model, plain, "encoder"), atol=1e-6)
    sweep.work.watch("a")
    assert not sweep.work.is_running  # nothing is left to do


def test_a_sweep_that_was_given_up_goes_on_with_what_is_left(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    sweep = HeadSweep(model, model.trace(TEXT), "encoder", "zero")
    sweep.work.watch("a")
    gate.open(1)
    wait(lambda: sweep.n_done == 1)
    sweep.work.leave("a")
    gate.open(1)
    wait(lambda: not sweep.work.is_running)
    assert sweep.n_done == 2
    before = sweep.importance
    gate.open(8)
    sweep.work.watch("b")
    wait(lambda: not sweep.work.is_running)
    assert sweep.is_complete
    known = ~before.isnan()
    assert torch.equal(sweep.importance[known], before[known])


def test_an_error_ends_a_sweep_and_is_said(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise InputError("no such thing")

    monkeypatch.setattr(sweeps, "sweep", broken)
    sweep = HeadSweep(model, model.trace(TEXT), "encoder", "zero")
    sweep.work.watch("a")
    wait(lambda: not sweep.work.is_running)
    assert sweep.work.error == "no such thing"
