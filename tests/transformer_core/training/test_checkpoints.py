"""Checkpoints: whole or not at all, and averages of them."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from transformer_core.errors import CheckpointError
from transformer_core.training import checkpoints as module
from transformer_core.training.checkpoints import (
    Checkpoint,
    average_weights,
    check_shapes,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    save_tensors,
)


def make(step: int, value: float = 1.0) -> Checkpoint:
    return Checkpoint(
        {"w": torch.full((2, 3), value)}, {"w/exp_avg": torch.ones(2, 3)}, {"step": step}
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, make(12, 0.5), keep=3)
    loaded = load_checkpoint(folder)
    assert loaded.step == 12
    assert torch.equal(loaded.weights["w"], torch.full((2, 3), 0.5))
    assert torch.equal(loaded.optimizer["w/exp_avg"], torch.ones(2, 3))


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    for step in (9, 10, 200, 1000):
        save_checkpoint(tmp_path, make(step), keep=3)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "step-00000010",
        "step-00000200",
        "step-00001000",
    ]


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make(5, 1.0), keep=3)
    folder = save_checkpoint(tmp_path, make(5, 2.0), keep=3)
    assert float(load_checkpoint(folder).weights["w"][0, 0]) == 2.0
    assert len(checkpoints(tmp_path)) == 1


@pytest.mark.parametrize("broken_file", [module.WEIGHTS, module.OPTIMIZER, module.STATE])
def test_a_disk_that_fills_leaves_the_earlier_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_file: str
) -> None:
    save_checkpoint(tmp_path, make(1, 0.25), keep=1)

    def fill(path: Path) -> None:
        if path.name == broken_file:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def save(tensors: Any, path: Path) -> None:
        fill(path)
        save_tensors(tensors, path)

    write_text = Path.write_text

    def write(path: Path, *args: Any, **kwargs: Any) -> int:
        fill(path)
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(module, "save_tensors", save)
    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(CheckpointError, match=r"step 2 .*No space left.*make room"):
        save_checkpoint(tmp_path, make(2), keep=1)
    monkeypatch.undo()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000001"]
    assert float(load_checkpoint(checkpoints(tmp_path)[0]).weights["w"][0, 0]) == 0.25
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    save_checkpoint(tmp_path, make(2), keep=1)  # with room again, all is well
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000002"]


def test_what_a_lost_process_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make(1), keep=2)
    partial = tmp_path / "checkpoints" / ".partial-step-00000002"
    partial.mkdir()
    (partial / module.STATE).write_text("{}")
    assert len(checkpoints(tmp_path)) == 1
    save_checkpoint(tmp_path, make(2), keep=2)
    assert not partial.exists()


@pytest.mark.parametrize("name", [module.WEIGHTS, module.OPTIMIZER, module.STATE])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    folder = save_checkpoint(tmp_path, make(1), keep=1)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="no checkpoint that can be read"):
        load_checkpoint(folder)


def test_an_average_is_the_mean_of_each_weight() -> None:
    weights = [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}]
    assert average_weights(weights)["w"].tolist() == [2.0, 4.0]


def test_nothing_and_different_things_have_no_average() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        average_weights([])
    with pytest.raises(CheckpointError, match="another shape"):
        average_weights([{"w": torch.ones(2)}, {"w": torch.ones(3)}])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "lacks w"),
        ({"w": torch.ones(2, 3), "v": torch.ones(1)}, "has v too many"),
        ({"w": torch.ones(3, 2)}, r"w is \(3, 2\), the model's is \(2, 3\)"),
    ],
)
def test_other_shapes_are_named(found: dict[str, Tensor], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        check_shapes(found, {"w": torch.ones(2, 3)}, what="It")


def test_tied_weights_are_written_once(tmp_path: Path) -> None:
    tensor = torch.ones(100)
    save_tensors({"a": tensor, "b": tensor}, tmp_path / "x.safetensors")
    assert (tmp_path / "x.safetensors").stat().st_size < 700


def test_state_is_json(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, make(3), keep=1)
    assert json.loads((folder / module.STATE).read_text()) == {"step": 3}
