"""Checkpoints that are there whole or not at all, and averages over them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from transformer_core.errors import CheckpointError

WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        weights: The model's, by name.
        optimizer: The optimiser's moments, by ``<parameter>/<moment>``.
        state: Where the run stands; plain values for JSON.
    """

    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Steps that were done."""
        return int(self.state["step"])


def save_checkpoint(run: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint beside the earlier ones, then drop the oldest.

    Everything is written into a folder that gets its name only when the last byte is on the disk,
    so that a full disk or a lost process leaves the earlier checkpoints as they were.

    Args:
        run: The run's folder.
        checkpoint: What to write.
        keep: How many checkpoints to keep, this one included.

    Raises:
        CheckpointError: If it cannot be written; earlier ones are whole.
    """
    folder = run / "checkpoints"
    final = folder / f"{_PREFIX}{checkpoint.step:08d}"
    partial = folder / f".partial-{final.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        save_tensors(checkpoint.weights, partial / WEIGHTS)
        save_tensors(checkpoint.optimizer, partial / OPTIMIZER)
        (partial / STATE).write_text(json.dumps(dict(checkpoint.state)), encoding="utf-8")
        for path in partial.iterdir():
            _sync(path)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"The checkpoint of step {checkpoint.step:,} cannot be written to {folder}: {error}. "
            "Earlier checkpoints are untouched; make room on the disk."
        ) from error
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(run: Path) -> list[Path]:
    """Return the run's whole checkpoints, oldest first."""
    found = (run / "checkpoints").glob(f"{_PREFIX}*")
    return sorted(path for path in found if (path / STATE).is_file())


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: If it is damaged.
    """
    try:
        return Checkpoint(
            load_file(folder / WEIGHTS),
            load_file(folder / OPTIMIZER),
            json.loads((folder / STATE).read_text(encoding="utf-8")),
        )
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{folder} is no checkpoint that can be read: {error}") from error


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors; those that share memory, as tied weights do, are written once."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in tensors.items():
        if tensor.numel() and tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        kept[name] = tensor.detach().cpu().contiguous()
    save_file(kept, path)


def average_weights(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several sets of weights (Vaswani et al. 2017, section 6.1).

    Raises:
        CheckpointError: If there is none, or they are not of one shape.
    """
    if not weights:
        raise CheckpointError("There is no checkpoint to average.")
    first = weights[0]
    for other in weights[1:]:
        check_shapes(other, first, what="A checkpoint of the average")
    return {
        name: torch.stack([each[name].double() for each in weights]).mean(0).to(tensor.dtype)
        for name, tensor in first.items()
    }


def check_shapes(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, what: str) -> None:
    """Refuse weights that are another model's.

    Raises:
        CheckpointError: Naming the first tensor that is missing, too many, or of another shape.
    """
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    if missing or extra:
        which = f"lacks {missing[0]}" if missing else f"has {extra[0]} too many"
        raise CheckpointError(
            f"{what} is of another architecture: it {which} "
            f"({len(missing)} tensors missing, {len(extra)} too many)."
        )
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            raise CheckpointError(
                f"{what} is of another shape: {name} is {tuple(found[name].shape)}, "
                f"the model's is {tuple(tensor.shape)}."
            )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
