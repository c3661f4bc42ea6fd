"""A full disk, for all that is written: said in words, and what was there is still whole.

A limit on the size of files stands in for the disk: from the first byte beyond it on, every write
of this process fails in the kernel, whoever makes it (also safetensors, which writes from Rust).
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_translator import make_translator
from transformer_core.cli import main
from transformer_core.errors import BusyError, CheckpointError, StorageError
from transformer_core.models import trained
from transformer_core.models.loading import load
from transformer_core.models.scratch import load_model, save_model
from transformer_core.tracing.trace import Trace
from transformer_core.training.checkpoints import (
    Checkpoint,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
)


@contextmanager
def full_disk(n_bytes: int = 2048) -> Iterator[None]:
    """No file can grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_translator(tmp_path_factory.mktemp("tiny") / "model")


def test_a_trace_that_cannot_be_saved_leaves_the_earlier_one(folder: Path, tmp_path: Path) -> None:
    model, path = load(folder), tmp_path / "t.npz"
    model.trace("One.").save(path)
    with full_disk(), pytest.raises(StorageError, match="Make room on the disk"):
        model.trace("Quite another text.").save(path)
    assert Trace.load(path).text == "One."
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_ones(tmp_path: Path) -> None:
    def at(step: int) -> Checkpoint:
        weights = {"w": torch.full((2_000,), float(step))}
        return Checkpoint(weights, {"w/m": torch.zeros(2_000)}, {"step": step})

    save_checkpoint(tmp_path, at(1), keep=1)
    with full_disk(), pytest.raises(CheckpointError, match="Earlier checkpoints are untouched"):
        save_checkpoint(tmp_path, at(2), keep=1)
    (only,) = checkpoints(tmp_path)
    assert load_checkpoint(only).step == 1
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [only.name]


def test_a_model_that_cannot_be_written_says_so(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(folder)
    with full_disk(), pytest.raises(StorageError, match="cannot be written to"):
        save_model(tmp_path / "copy", model, tokenizer)


def test_a_model_that_cannot_be_kept_says_so_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "trained_folder", lambda: tmp_path / "trained")
    model, tokenizer = load_model(folder)
    words: dict[str, Any] = {"name": "mine", "description": "", "revision": "1"}
    with full_disk(), pytest.raises(BusyError, match="disk is full"):
        trained.keep_model(model, tokenizer, **words)
    assert not (tmp_path / "trained").exists()
    assert trained.folder_of(trained.keep_model(model, tokenizer, **words)) is not None


@pytest.mark.parametrize("suffix", [".npz", ".json", ".html", ".svg", ".png"])
def test_a_command_that_cannot_write_ends_with_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    out = tmp_path / f"t{suffix}"
    with full_disk(512):
        code = main(["attend", str(folder), "The cat sat on the mat.", "--out", str(out)])
    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1
    assert str(out) in said
    assert "File too large" in said


def test_a_conversion_that_cannot_be_written_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer_core.errors import ModelUnavailableError
    from transformer_core.models.cache import ENVIRONMENT_VARIABLE, make_once

    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))

    def build(to: Path) -> None:
        (to / "config.json").write_text(json.dumps({"x": "y" * 10_000}))

    with full_disk(), pytest.raises(ModelUnavailableError, match="room"):
        make_once("model", build)
    folder = make_once("model", build)
    assert len((folder / "config.json").read_text()) > 10_000
